//! `jw-ingest` watches folders; a video that has been fully written there becomes one video on the
//! JW Platform, and its key is recorded.
//!
//! # The line
//!
//! ```text
//! notify event ─┐
//!               ├─> Sighting ─> Settler ─> SettledFile ─> enqueue ─> Job ─> claim ─> Lease
//! scan ─────────┘                                                                     │
//!     recorded key <── confirm (ready) <── transfer (bytes) <── create (ticket) <─────┘
//! ```
//!
//! Events and scans give the same value: an event only saves time, the scan makes it right.
//!
//! | stage | where |
//! |---|---|
//! | a file is seen: events, scans, which names count | [`watch`]: `events`, `scan`, [`watch::select`] |
//! | it settles: no program writes it any more | [`watch`]: `settle` (pure), [`watch::writer`] |
//! | it becomes a job, once | `ingest::intake`, [`queue::enqueue`] |
//! | a worker claims it | `ingest::dispatch`, [`queue::claim`] |
//! | what is told of it: templates, sidecars | [`metadata`], `ingest::metadata` |
//! | create: exactly one video | `ingest::create`, [`platform`] |
//! | which upload method, and whether the platform fetches them | `ingest::choice`, `ingest::fetch` |
//! | transfer: the bytes | `ingest::transfer`, [`upload`] |
//! | how a step ended, and what that means for the job | `ingest::end`, `ingest::record` |
//! | confirm: until the platform says `ready` | `ingest::confirm`, [`queue::confirm`] |
//! | unfinished videos are deleted | `ingest::withdraw`, [`queue::withdraw`] |
//!
//! Around the line: [`config`] (read once, typed), [`daemon`] (the supervisor), [`shutdown`]
//! (signals), `commands` (one file a command), [`wording`] (how things are put to people), `sandbox` (a strict stand-in of the platform,
//! which shares no code with the client side).
//!
//! Arrows between modules point down only; `tests/it/architecture.rs` has the table and refuses any
//! other. From the top:
//!
//! ```text
//! cli ─> commands ─> daemon ─> wording ─> ingest, watch ─> upload ─> platform, queue ─> config ─> metadata ─> the rest
//! ```
//!
//! `platform` and `upload` know nothing of the queue; `queue` knows nothing of HTTP or configuration.

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "the documentation is for those who build it, and is made with the private items"
)]

mod address;
mod beneath;
pub mod cli;
pub mod clock;
mod commands;
mod config;
mod daemon;
pub mod disposition;
mod exit;
mod hex;
pub mod identity;
mod ingest;
pub mod metadata;
mod mounts;
mod patience;
pub mod platform;
pub mod queue;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod shutdown;
mod status;
mod telemetry;
mod text;
pub mod upload;
mod watch;
pub mod way;
mod wording;

/// An error with all its causes as one sentence, outermost first.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}
