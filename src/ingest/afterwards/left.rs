//! What stays beside the place of a video that went, and why.

use super::companions::{Companion, is_told_first};
use crate::beneath::Kind;
use crate::queue::State;
use crate::queue::afterwards::Case;
use crate::text;

/// Why a sidecar stays that never counted.
const PASSED_OVER: &str =
    "another sidecar was used instead, so its content was never sent to the platform";

/// What stayed behind, and why.
#[derive(Debug, Default)]
pub(super) struct Left {
    words: Vec<String>,
    /// Whether a sidecar is among it: that is still sent, and follows.
    pub(super) has_sidecar: bool,
}

impl Left {
    /// As the end of a sentence.
    pub(super) fn words(&self) -> String {
        let words = self.words.iter().map(|left| format!("; {left}"));
        words.collect()
    }

    /// A companion stays, for this reason.
    pub(super) fn stayed(&mut self, companion: &Companion, why: &str) {
        let name = text::path(companion.from.path());
        self.words.push(format!("{name} stayed: {why}"));
        self.has_sidecar |= companion.is_sidecar;
    }

    /// A sidecar stays for good: nothing follows that would send it.
    pub(super) fn passed_over(&mut self, companion: &Companion) {
        let name = text::path(companion.from.path());
        self.words.push(format!("{name} stayed: {PASSED_OVER}"));
    }

    /// Whether something else than a file has the name of a companion: it belongs to no video and stays, which is said.
    pub(super) fn is_odd(&mut self, companion: &Companion) -> bool {
        let kind = companion
            .from
            .metadata()
            .map(|meta| Kind::of_metadata(&meta));
        let Some(kind) = kind.ok().filter(|kind| *kind != Kind::File) else {
            return false;
        };
        let (path, kind) = (text::path(companion.from.path()), kind.words());
        self.words
            .push(format!("{path} stayed: it is {kind}, not a file"));
        true
    }

    /// Whether a companion is a sidecar that stays; noted, if it is there.
    pub(super) fn keeps(&mut self, case: &Case, companion: &Companion) -> bool {
        let stays = companion.is_sidecar && companion.examined.is_none() && is_told_first(case);
        if stays && companion.from.metadata().is_ok() {
            self.stayed(companion, &untold(case));
        }
        stays
    }
}

/// Why a sidecar stays. That of a duplicate is never sent by itself: the video has the title of the file that it
/// was made from.
fn untold(case: &Case) -> String {
    if case.job.state != State::Duplicate {
        return "its content was not sent to the platform yet".to_owned();
    }
    let original = &case.original;
    format!(
        "it is not sent to the platform, because its file is a duplicate: the video is that of job {} and goes by the \
         sidecar of {}. Write it there, and this one follows once both say the same",
        original.id,
        text::path(&original.path)
    )
}
