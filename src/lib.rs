//! `jw-ingest` watches folders; a video that has been fully written there becomes one video on the
//! JW Platform, and its key is recorded.

pub mod clock;
pub mod config;
pub mod daemon;
pub mod disposition;
pub mod exit;
mod hex;
pub mod identity;
pub mod ingest;
pub mod platform;
pub mod queue;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod shutdown;
pub mod text;
pub mod upload;
pub mod watch;

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
