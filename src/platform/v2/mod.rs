//! The Management API v2: JSON calls with a bearer token.

mod judge;
mod link;
mod target;
mod uploads;
#[cfg(test)]
mod uploads_on_the_wire;

pub use target::Target;
pub use uploads::{PartsPage, Slot, Uploads};
