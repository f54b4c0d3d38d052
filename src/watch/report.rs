//! What a watch reports to the rest of the program.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

use super::container::Flaw;
use super::control::Control;
use super::means::Means;
use super::settle::SettledFile;

/// One message of a watch. Reports on one path come in the order in which things happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// A watch begins, before anything else that it reports: nothing that was reported earlier of waiting
    /// files holds, in this watch or in one that is no more.
    Started {
        /// The watch's name.
        watch: String,
    },
    /// A file waits to settle. Sent after the first look at it and again when `why` changes; not at
    /// each growth, so that a slow copy does not flood the log.
    Waiting {
        /// The watch's name.
        watch: String,
        /// The file.
        path: PathBuf,
        /// Its size at that look, bytes.
        size: u64,
        /// When it was first seen, in this round of settling.
        since: Timestamp,
        /// How it was found.
        seen_by: SeenBy,
        /// What it waits for.
        why: Waiting,
    },
    /// A file settled: hand it to the queue.
    Settled(SettledFile),
    /// A waiting file vanished (deleted, renamed away) before it settled.
    Gone {
        /// The watch's name.
        watch: String,
        /// The path it had.
        path: PathBuf,
    },
    /// A sidecar came or changed, and was left alone since for a moment.
    Companion {
        /// The watch's name.
        watch: String,
        /// The sidecar.
        path: PathBuf,
    },
    /// The watch folder itself: how it is found to be at the first look, and whenever that changes.
    Root {
        /// The watch's name.
        watch: String,
        /// How it is.
        state: RootState,
    },
    /// A full scan is done, or the last waiting file is no longer waiting.
    Scanned {
        /// The watch's name.
        watch: String,
        /// How many files still wait. Those that may wait forever do not count: empty ones, after their settle time,
        /// and ones that cannot be reached.
        waiting: usize,
    },
}

/// How a watch folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootState {
    /// Its files can be looked at, and are found by these means.
    Here(Means),
    /// They cannot.
    Away(Away, String),
}

/// Why a watch folder cannot be looked into. The text beside it is what the system said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Away {
    /// There is none.
    Missing,
    /// This user may not list it.
    Denied,
    /// A symbolic link is in its place, or in that of a folder above it.
    Linked,
    /// There is only an empty folder, on another disk than before.
    Unmounted,
    /// Another daemon has it.
    Taken,
    /// The system says something else.
    Failing,
}

/// How a file was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeenBy {
    /// The kernel announced it, or the folder that it came in.
    Event,
    /// A scan came across it.
    Scan,
}

/// What a file waits for. Its text is a clause that follows "waiting: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It has no byte; it waits forever.
    Empty,
    /// It was not the same as at the look before.
    Changing,
    /// Nothing changes and no program writes; time must stand in for the evidence that is missing.
    Quiet(Missing),
    /// Every sign agrees; a moment must pass.
    Sure,
    /// A program has it open for writing; it waits forever.
    WriterOpen,
    /// Nothing changes, but it is impossible to tell whether a program has it open: it waits
    /// longer.
    WriterUnknown,
    /// Its container is incomplete: it waits for the rest, for a limited time.
    Incomplete(Flaw),
    /// A program is still transferring it, by the control file beside it; it waits forever.
    Control(&'static Control),
    /// Its done-marker is not there.
    Marker,
    /// It is whole, and a companion that `wait-for` names is not there: it waits for a limited time.
    Companion,
    /// It cannot be looked at: its folder is offline, or access is refused.
    OutOfReach,
}

/// What is missing for certainty that a file is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// How its writing ended was not seen.
    Ending,
    /// Not all of it is on the disk.
    Blocks,
    /// Its format has no end ingest id.
    EndMark,
    /// Its container was not judged.
    Container,
}

impl fmt::Display for SeenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "event",
            Self::Scan => "scan",
        })
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is still empty",
            Self::Changing => "it changed a moment ago, so its settle time started again",
            Self::Quiet(missing) => {
                return write!(
                    f,
                    "it is unchanged, and must stay so for its full settle time, because {missing}"
                );
            }
            Self::Sure => {
                "every sign says that it is complete (it was closed after writing or renamed, no \
                 program has it open, its container is complete); it must stay unchanged for \
                 settle-complete"
            }
            Self::WriterOpen => "a program has it open for writing",
            Self::WriterUnknown => {
                "it is unchanged, but this filesystem cannot tell whether a program still writes it, \
                 so it waits three times the settle time"
            }
            Self::Incomplete(flaw) => {
                return write!(
                    f,
                    "{flaw}; if it stays unchanged for incomplete-after, it counts as failed"
                );
            }
            Self::Control(control) => {
                return write!(
                    f,
                    "{control}, so it is still being transferred; it settles once that file is \
                     gone; if no transfer is active, delete that file"
                );
            }
            Self::Marker => "its done-marker is not there, and done-marker is set for its folder",
            Self::Companion => {
                "it is complete, but a companion that wait-for names is missing; after \
                 wait-timeout it is uploaded without"
            }
            Self::OutOfReach => "it cannot be read, because its folder is offline or unreadable",
        })
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ending => "the kernel did not report that it was closed after writing or renamed",
            Self::Blocks => "it is not fully allocated on disk (it has holes)",
            Self::EndMark => "its format has no end marker, so more may follow",
            Self::Container => "the end of its format cannot be checked",
        })
    }
}
