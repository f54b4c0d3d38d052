//! The Management API v1: signed form calls, JSON answers.

mod answer;
mod client;
mod describe;
mod reopen;
mod search;
mod sign;
#[cfg(test)]
mod tests;
mod transport;

pub use answer::Page;
pub use client::{Client, ListQuery, Search};
