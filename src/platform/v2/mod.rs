//! The Management API v2: JSON calls with a bearer token.

mod answer;
mod client;
mod describe;
mod judge;
mod link;
#[cfg(test)]
mod on_the_wire;
mod search;
mod target;
mod transport;
mod uploads;
#[cfg(test)]
mod uploads_on_the_wire;

pub use client::Client;
pub use target::Target;
pub use uploads::{PartsPage, Slot, Uploads};
