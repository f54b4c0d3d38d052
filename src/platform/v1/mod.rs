//! The Management API v1: signed form calls, JSON answers.

mod answer;
mod client;
mod describe;
#[cfg(test)]
mod on_the_wire;
mod reopen;
mod search;
mod sign;
mod transport;

pub use answer::Page;
pub use client::{Client, ListQuery, Search};
