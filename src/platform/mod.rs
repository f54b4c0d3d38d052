//! The JW Platform as this program sees it: create a video, find it again, ask how it is, delete it.
//!
//! It knows nothing of the queue and moves no file bytes: what it hands out for those is a [`Link`].
//! Every failure is an [`Error`] whose [`Error::disposition`] says whether trying again helps.

mod client;
pub mod code;
mod error;
mod http;
mod key;
pub mod lenient;
mod limit;
pub(crate) mod link;
mod new;
mod pass;
mod percent;
mod read;
mod session;
mod skew;
#[cfg(test)]
pub(crate) mod tests;
mod update;
pub mod v1;
pub mod v2;
mod verb;
mod video;

pub use client::{Client, Version};
pub use error::{Cause, Effect, Error, Garbage, Garbled, Refusal};
pub use key::VideoKey;
pub use limit::impatient;
pub use link::Link;
pub use new::{Created, Grant, NewVideo};
pub use pass::Pass;
pub use session::SessionId;
pub use skew::Skew;
pub use update::Update;
pub use verb::Verb;
pub use video::{Status, Video};
