//! The Management API v2: JSON calls with a bearer token.

mod answer;
mod client;
mod describe;
mod judge;
mod link;
mod search;
mod target;
#[cfg(test)]
mod tests;
mod transport;
mod uploads;

pub use client::Client;
pub use target::Target;
pub use uploads::{PartsPage, Slot, Uploads};
