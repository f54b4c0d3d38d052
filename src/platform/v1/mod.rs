//! The Management API v1: signed form calls, JSON answers.

mod answer;
mod client;
mod method;
#[cfg(test)]
mod on_the_wire;
mod read;
mod reopen;
mod sign;
mod transport;

pub use answer::{Created, Page, Status, Video};
pub use client::{Client, ListQuery, NewVideo, Search};
pub use method::Method;
