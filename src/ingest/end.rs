//! How a step of a job ends: as a value, which `record` alone turns into what the job table has.
//!
//! A step answers `Result<Done, End>`: [`Done`] where it came to its end, [`End`] where it ended early, and `?`
//! carries the latter up from any depth.

use jiff::Timestamp;

use super::source::Problem;
use crate::chain;
use crate::disposition::Disposition;
use crate::platform::{self, Created};
use crate::queue::outcome::Report;
use crate::queue::replace::Replaced;
use crate::queue::{self, Advice};
use crate::way::Way;

/// What a step has done.
pub(super) enum Done {
    /// There is a video for the job's bytes: one that was made, or another job's.
    Created {
        /// How the bytes will come.
        way: Way,
        /// The platform's answer.
        created: Created,
        /// Whose content the job replaces.
        replaced: Option<Replaced>,
    },
    /// An earlier attempt made a video, into which the platform fetches the file.
    Fetches {
        /// Its key.
        video_key: String,
    },
    /// An earlier attempt made a video, which has its bytes.
    HasArrived {
        /// Its key.
        video_key: String,
        /// MD5 of the file, if that is there.
        md5: Option<String>,
    },
    /// The job goes by FTP, which makes no video.
    GoesByFtp {
        /// Why, for people.
        why: String,
    },
    /// It cannot go by FTP any more: another method is chosen.
    GoesAnotherWay,
    /// The platform has all bytes.
    Sent {
        /// Their MD5, where it is known.
        md5: Option<String>,
        report: Report,
    },
    /// The FTP server has all bytes, under their name since then.
    Delivered { named_at: Timestamp, sent: i64 },
}

/// Why a step ended early.
#[derive(Debug)]
pub(super) enum End {
    /// The daemon stops, or the lease is lost; so many bytes were sent.
    Parked { sent: i64 },
    /// A call to the platform failed.
    Call(platform::Error),
    /// The file is not there as it settled; so many bytes were sent.
    File { problem: Problem, sent: i64 },
    /// Something else failed.
    Failed(Failure),
    /// The job is not at fault and is looked at again later.
    Later {
        run_at: Timestamp,
        /// The word in `attempts`.
        word: &'static str,
        why: String,
    },
    /// What was begun on the platform is of no use.
    StartOver {
        /// The word in `attempts`.
        word: &'static str,
        report: Report,
    },
    /// A person must decide, for this reason, which names the commands.
    Held(String),
    /// The platform does not let the content be replaced, for this reason, which names the command that
    /// makes another video.
    NotReplaced(String),
    /// The table has agreed to the end, in the transaction that wrote it.
    Written,
    /// The job table cannot be used, or the lease is lost.
    Table(queue::Error),
}

impl End {
    /// The daemon stops, or the lease is lost, before a byte was sent.
    pub(super) const PARKED: Self = Self::Parked { sent: 0 };

    /// What was begun on the platform is of no use, because its link is not.
    pub(super) fn link_expired(why: &str) -> Self {
        let report = Report::said(why);
        Self::StartOver {
            word: "link-expired",
            report,
        }
    }

    /// The file was touched, and what was sent of it cannot be compared with it: it is sent from its start.
    pub(super) fn sent_anew() -> Self {
        let why =
            "a program touched the file after a part of it was sent, so it is sent from its start";
        let report = Report::said(why);
        Self::StartOver {
            word: "touched",
            report,
        }
    }

    /// From any error that knows its disposition.
    pub(super) fn failed(error: &dyn std::error::Error, disposition: Disposition) -> Self {
        Self::Failed(Failure::new(error, disposition))
    }

    /// An error by which this file can never work as it is, with what people can do about it.
    pub(super) fn refused(error: &dyn std::error::Error, advice: Advice) -> Self {
        let mut failure = Failure::new(error, Disposition::Permanent);
        failure.report.advice = advice;
        Self::Failed(failure)
    }
}

impl From<platform::Error> for End {
    fn from(error: platform::Error) -> Self {
        Self::Call(error)
    }
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::File { problem, sent: 0 }
    }
}

impl From<queue::Error> for End {
    fn from(error: queue::Error) -> Self {
        Self::Table(error)
    }
}

/// An attempt of a step that did not work out.
#[derive(Debug)]
pub(super) struct Failure {
    /// What that means for trying again.
    pub(super) disposition: Disposition,
    /// What to record.
    pub(super) report: Report,
}

impl Failure {
    /// From any error that knows its disposition.
    pub(super) fn new(error: &dyn std::error::Error, disposition: Disposition) -> Self {
        let report = Report::said(chain(error));
        Self {
            disposition,
            report,
        }
    }
}
