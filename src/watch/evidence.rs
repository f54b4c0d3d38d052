//! The signs that a file is complete, and how long it must rest because of them. Pure.
//!
//! No single sign proves that no program will continue writing. Together they can: it was closed
//! after writing or came by a rename, no program has it open, all of it is on the disk, and its
//! container ends where the file ends. Where one of them is missing, time must stand in for it.

use std::time::Duration;

use super::container::{Flaw, Verdict};
use super::control::Control;
use super::report::{Missing, Waiting};
use super::writer::Writer;
use crate::config::Watch;
use crate::identity::Identity;

/// What one look found of a file that did not change during it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) identity: Identity,
    /// How much of it is on the disk, in units of 512 bytes.
    pub(super) blocks: u64,
    pub(super) writer: Writer,
    /// Its container; `None` if the look was not to examine that.
    pub(super) container: Option<Verdict>,
    /// What says that a program is still transferring it; asked for with the container.
    pub(super) control: Option<&'static Control>,
    /// Whether its done-marker is there; `None` where none is wanted.
    pub(super) marker: Option<bool>,
    /// Whether a companion that is waited for is missing.
    pub(super) lacks_companion: bool,
}

/// How the end of its writing was noticed; the greater is the stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// It was not.
    Unseen,
    /// It came under its name by a rename.
    Renamed,
    /// It was closed after writing.
    Closed,
}

/// The times of one watch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// How long a file rests without evidence.
    pub(super) settle: Duration,
    /// How long a file rests where every sign agrees.
    pub(super) complete: Duration,
    /// How long an incomplete container may rest.
    pub(super) incomplete: Duration,
    /// How long a whole file may rest without its companions.
    pub(super) companion: Duration,
}

/// What follows from the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// It settles after so much rest, and waits for that reason until then.
    After(Duration, Waiting),
    /// It is taken as failed after so much rest.
    FailsAfter(Duration, Flaw),
    /// It does not settle before something happens to it.
    Never(Waiting),
}

/// Without leases, time alone must tell: this many settle times.
pub(super) const UNKNOWN_WRITER_FACTOR: u32 = 3;
/// The unit of `blocks`, independent of the filesystem's own (stat(2)).
const BLOCK: u64 = 512;

impl Times {
    pub(super) fn of(watch: &Watch) -> Self {
        Self {
            settle: watch.settle,
            complete: watch.watching.settle_complete,
            incomplete: watch.watching.incomplete_after,
            companion: watch.metadata.wait_timeout,
        }
    }
}

impl Evidence {
    /// Weighs the evidence, and whether all that belongs to the file has come.
    pub(super) fn weigh(&self, ending: Ending, times: Times) -> Weight {
        match self.weigh_alone(ending, times) {
            Weight::After(need, _) if self.lacks_companion => {
                Weight::After(need.max(times.companion), Waiting::Companion)
            }
            weight => weight,
        }
    }

    fn weigh_alone(&self, ending: Ending, times: Times) -> Weight {
        let settle = times.settle;
        if self.writer == Writer::Present {
            return Weight::Never(Waiting::WriterOpen);
        }
        if self.identity.size == 0 {
            return Weight::Never(Waiting::Empty);
        }
        match self.marker {
            Some(true) => return Weight::After(Duration::ZERO, Waiting::Sure),
            Some(false) => return Weight::Never(Waiting::Marker),
            None => {}
        }
        if let Some(control) = self.control {
            return Weight::Never(Waiting::Control(control));
        }
        if let Some(Verdict::Incomplete(flaw)) = self.container {
            return Weight::FailsAfter(times.incomplete.max(settle), flaw);
        }
        if let Writer::Unknown(_) = self.writer {
            return Weight::After(settle * UNKNOWN_WRITER_FACTOR, Waiting::WriterUnknown);
        }
        match self.missing(ending) {
            None => Weight::After(settle.min(times.complete), Waiting::Sure),
            Some(missing) => Weight::After(settle, Waiting::Quiet(missing)),
        }
    }

    /// What is missing for certainty.
    fn missing(&self, ending: Ending) -> Option<Missing> {
        if ending == Ending::Unseen {
            return Some(Missing::Ending);
        }
        if self.blocks.saturating_mul(BLOCK) < self.identity.bytes() {
            return Some(Missing::Blocks);
        }
        match self.container {
            Some(Verdict::Complete) => None,
            Some(Verdict::Unended) => Some(Missing::EndMark),
            Some(Verdict::Unknown | Verdict::Incomplete(_)) | None => Some(Missing::Container),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::control;
    use crate::watch::writer::Reason;

    const TIMES: Times = Times {
        settle: Duration::from_secs(10),
        complete: Duration::from_secs(2),
        incomplete: Duration::from_hours(1),
        companion: Duration::from_mins(30),
    };

    fn best() -> Evidence {
        Evidence {
            identity: Identity {
                dev: 1,
                ino: 1,
                size: 1000,
                mtime_ns: 1,
                ctime_ns: 1,
            },
            blocks: 2,
            writer: Writer::None,
            container: Some(Verdict::Complete),
            control: None,
            marker: None,
            lacks_companion: false,
        }
    }

    fn weight(change: impl FnOnce(&mut Evidence)) -> Weight {
        let mut evidence = best();
        change(&mut evidence);
        evidence.weigh(Ending::Closed, TIMES)
    }

    #[test]
    fn only_all_of_it_together_is_enough_for_the_quick_time() {
        let sure = Weight::After(TIMES.complete, Waiting::Sure);
        assert_eq!(weight(|_| {}), sure);
        assert_eq!(best().weigh(Ending::Renamed, TIMES), sure);
        let full = |missing| Weight::After(TIMES.settle, Waiting::Quiet(missing));
        assert_eq!(best().weigh(Ending::Unseen, TIMES), full(Missing::Ending));
        assert_eq!(weight(|e| e.blocks = 1), full(Missing::Blocks));
        for (container, missing) in [
            (None, Missing::Container),
            (Some(Verdict::Unknown), Missing::Container),
            (Some(Verdict::Unended), Missing::EndMark),
        ] {
            assert_eq!(weight(|e| e.container = container), full(missing));
        }
        let unknown = Writer::Unknown(Reason::NoLeases);
        assert_eq!(
            weight(|e| e.writer = unknown),
            Weight::After(TIMES.settle * 3, Waiting::WriterUnknown)
        );
        let short = Times {
            settle: Duration::from_secs(1),
            ..TIMES
        };
        assert_eq!(
            best().weigh(Ending::Closed, short),
            Weight::After(short.settle, Waiting::Sure),
            "never longer than the settle time"
        );
    }

    #[test]
    fn what_speaks_against_it_holds_it() {
        let never = Weight::Never;
        assert_eq!(
            weight(|e| (e.writer, e.marker) = (Writer::Present, Some(true))),
            never(Waiting::WriterOpen)
        );
        assert_eq!(
            weight(|e| (e.identity.size, e.marker) = (0, Some(true))),
            never(Waiting::Empty)
        );
        let flaw = Flaw::NoIndex;
        let incomplete = Some(Verdict::Incomplete(flaw));
        assert_eq!(
            weight(|e| e.container = incomplete),
            Weight::FailsAfter(TIMES.incomplete, flaw)
        );
        assert_eq!(
            weight(|e| (e.container, e.writer) = (incomplete, Writer::Unknown(Reason::NoRight))),
            Weight::FailsAfter(TIMES.incomplete, flaw)
        );
    }

    #[test]
    fn what_is_still_transferred_waits_whatever_else_is_found() {
        let control = &control::ALL[0];
        let waits = Weight::Never(Waiting::Control(control));
        assert_eq!(weight(|e| e.control = Some(control)), waits);
        let flaw = Some(Verdict::Incomplete(Flaw::Holes));
        assert_eq!(
            weight(|e| (e.control, e.container) = (Some(control), flaw)),
            waits
        );
        let unknown = Writer::Unknown(Reason::NoLeases);
        assert_eq!(
            weight(|e| (e.control, e.writer) = (Some(control), unknown)),
            waits
        );
        assert_eq!(
            weight(|e| (e.control, e.marker) = (Some(control), Some(true))),
            Weight::After(Duration::ZERO, Waiting::Sure),
            "a marker is the only evidence"
        );
    }

    #[test]
    fn the_quick_time_is_what_the_user_has_written() {
        let patient = Times {
            complete: TIMES.settle,
            ..TIMES
        };
        assert_eq!(
            best().weigh(Ending::Closed, patient),
            Weight::After(TIMES.settle, Waiting::Sure)
        );
    }

    #[test]
    fn a_whole_file_waits_for_its_companions_and_a_faulty_one_does_not() {
        let waits = Weight::After(TIMES.companion, Waiting::Companion);
        assert_eq!(weight(|e| e.lacks_companion = true), waits);
        assert_eq!(
            weight(|e| (e.lacks_companion, e.marker) = (true, Some(true))),
            waits
        );
        let unknown = Writer::Unknown(Reason::NoLeases);
        assert_eq!(
            weight(|e| (e.lacks_companion, e.writer) = (true, unknown)),
            waits
        );
        assert_eq!(
            weight(|e| (e.lacks_companion, e.writer) = (true, Writer::Present)),
            Weight::Never(Waiting::WriterOpen)
        );
        let short = Times {
            companion: Duration::from_secs(1),
            ..TIMES
        };
        let mut evidence = best();
        evidence.lacks_companion = true;
        assert_eq!(
            evidence.weigh(Ending::Unseen, short),
            Weight::After(TIMES.settle, Waiting::Companion),
            "never shorter than its own settling"
        );
    }

    #[test]
    fn a_marker_is_the_only_evidence() {
        assert_eq!(
            weight(|e| e.marker = Some(false)),
            Weight::Never(Waiting::Marker)
        );
        let poor = |e: &mut Evidence| {
            e.marker = Some(true);
            e.writer = Writer::Unknown(Reason::NoLeases);
            e.container = Some(Verdict::Incomplete(Flaw::CutShort));
        };
        assert_eq!(weight(poor), Weight::After(Duration::ZERO, Waiting::Sure));
    }
}
