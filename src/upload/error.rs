//! What can go wrong with an upload, and whether trying again helps.
//!
//! The one distinction that matters most: an upload that broke before its last byte left nothing
//! behind; one that broke after it may be complete on the other side. No message holds the link.

#![deny(clippy::wildcard_enum_match_arm)]

use std::io;
use std::time::Duration;

use super::answered::{Answered, Verdict};
use super::flight::Fault;
use super::multipart::Lie;
use super::resumable::Hitch;
use crate::disposition::{Disposition, Need};
use crate::platform;

/// A failed upload.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no byte to send.
    #[error("the file is empty")]
    Empty,
    /// This method does not use one link.
    #[error("an upload by {0} does not go to one link")]
    NotByLink(&'static str),
    /// The machine is out of threads or descriptors.
    #[error("cannot start an upload")]
    Start(#[source] io::Error),
    /// The HTTP client could not be built, e.g. because the machine has no CA certificates.
    #[error("cannot set up HTTPS for uploads")]
    Setup(#[source] reqwest::Error),
    /// The transfer's thread ended without a result: a defect.
    #[error("the upload ended without a result")]
    Died {
        /// Whether the whole request was out.
        complete: bool,
    },
    /// Reading the file failed.
    #[error("cannot read the file")]
    Disk(#[source] io::Error),
    /// The file is shorter than when it was queued.
    #[error("the file shrank while it was sent: {missing} bytes are missing")]
    Shrank {
        /// Bytes that the file lacks.
        missing: u64,
    },
    /// What must be stored before the last byte could not be stored.
    #[error("the upload was stopped before its last byte: {0}")]
    NotRecorded(String),
    /// It was cancelled.
    #[error("the upload was cancelled")]
    Cancelled {
        /// Whether the whole request was out.
        complete: bool,
    },
    /// The file gave no byte for the whole stall timeout.
    #[error("the disk gave no data for {0:?}")]
    DiskStalled(Duration),
    /// The network took no byte for the whole stall timeout.
    #[error("the network took no data for {0:?}")]
    NetworkStalled(Duration),
    /// All is sent, and no answer came.
    #[error("no answer within {0:?} after the last byte")]
    NoAnswer(Duration),
    /// No connection.
    #[error("cannot reach the upload server")]
    Unreachable(#[source] reqwest::Error),
    /// The connection broke.
    #[error("the connection broke {}", if *complete { "before the answer" } else { "in mid body" })]
    Broken {
        /// Whether the whole request was out.
        complete: bool,
        /// What the HTTP library says, without the URL.
        #[source]
        source: reqwest::Error,
    },
    /// The server said yes before it had everything, so it cannot have it.
    #[error("the server answered HTTP {status} after {sent} of {size} bytes")]
    TooEarly {
        /// HTTP status.
        status: u16,
        /// Bytes handed out by then.
        sent: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// What arrived is not what was sent.
    #[error("the upload arrived damaged: its {what} is {theirs} there and {ours} here")]
    Corrupt {
        /// `MD5` or `size`.
        what: &'static str,
        /// Our value.
        ours: String,
        /// The server's value.
        theirs: String,
    },
    /// The server sends the upload elsewhere, and not in a way that can be followed.
    #[error("the server redirects the upload to nowhere (HTTP {status})")]
    Redirected {
        /// HTTP status.
        status: u16,
    },
    /// One byte, where no segment may be that small.
    #[error(
        "a file of one byte cannot be uploaded by method resumable, whose segments have at least \
         two bytes: choose another method for it"
    )]
    OneByte,
    /// A link that was made for another method.
    #[error("the upload link has no session, which a resumable upload needs")]
    NoSession,
    /// A segment that is not the last one is out, and no answer came.
    #[error("no answer within {0:?} after a segment")]
    SegmentUnanswered(Duration),
    /// The server answers, but closes the connection whenever it meets this segment.
    #[error(
        "the server hung up {times} times in a row without an answer on bytes {first} to {last} of the file, \
         and answered in between: it takes the request for malformed, which is a fault of jw-ingest itself; \
         please report it, and choose another method for this file meanwhile"
    )]
    HungUp {
        /// How often.
        times: u32,
        /// First byte of the segment.
        first: u64,
        /// Last byte of the segment.
        last: u64,
    },
    /// The upload session cannot continue.
    #[error("the upload session cannot continue: {0}")]
    Session(Hitch),
    /// Parts that the platform would not take.
    #[error(
        "{size} bytes cannot go in parts of {part_size}: a part has at least 5 MiB, and a file at \
         most 10000 parts"
    )]
    PartSize {
        /// Bytes of the file.
        size: u64,
        /// Bytes of one part.
        part_size: u64,
    },
    /// The list of parts could not be had.
    #[error("cannot list the parts of the upload")]
    Listing(#[source] platform::Error),
    /// The list of parts cannot be true; nothing of it was followed.
    #[error("the platform's list of parts cannot be true: {0}")]
    List(#[from] Lie),
    /// A part is there that is none of this file's.
    #[error(
        "part {number} on the platform is not the file's: the file has changed since, or another \
         program wrote there"
    )]
    OtherContent {
        /// From 1.
        number: u32,
    },
    /// One part failed, so that the upload was not completed; other parts may be there.
    #[error("part {number} did not arrive")]
    Part {
        /// From 1.
        number: u32,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// All parts are there, and the call that makes a video of them failed.
    #[error("cannot complete the upload")]
    Completing(#[source] platform::Error),
    /// The server answered with something else than success.
    #[error("{0}")]
    Answered(Box<Answered>),
}

impl Error {
    /// Whether trying again will help.
    ///
    /// A damaged upload, or a session that cannot continue, counts as an expired link: what is
    /// there must be withdrawn, and only a new video gives a new link.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Empty
            | Self::NotByLink(_)
            | Self::OneByte
            | Self::HungUp { .. }
            | Self::PartSize { .. } => Disposition::Permanent,
            Self::Setup(_) => Disposition::Blocked(Need::Certificates),
            Self::Start(_)
            | Self::Disk(_)
            | Self::Shrank { .. }
            | Self::NotRecorded(_)
            | Self::DiskStalled(_)
            | Self::NetworkStalled(_)
            | Self::SegmentUnanswered(_)
            | Self::Unreachable(_)
            | Self::TooEarly { .. }
            | Self::Redirected { .. }
            | Self::List(_) => Disposition::TRANSIENT,
            Self::NoAnswer(_) => Disposition::Ambiguous,
            Self::Died { complete }
            | Self::Cancelled { complete }
            | Self::Broken { complete, .. } => {
                if *complete {
                    Disposition::Ambiguous
                } else {
                    Disposition::TRANSIENT
                }
            }
            Self::Corrupt { .. }
            | Self::NoSession
            | Self::Session(_)
            | Self::OtherContent { .. } => Disposition::LinkExpired,
            Self::Listing(source) | Self::Completing(source) => source.disposition(),
            Self::Part { source, .. } => match source.disposition() {
                // Whether the one part arrived, the next list of them tells.
                Disposition::Ambiguous => Disposition::TRANSIENT,
                other @ (Disposition::Transient { .. }
                | Disposition::Permanent
                | Disposition::Blocked(_)
                | Disposition::Unreachable
                | Disposition::LinkExpired) => other,
            },
            Self::Answered(answered) => match answered.verdict {
                Verdict::LinkExpired | Verdict::LinkRefused => Disposition::LinkExpired,
                Verdict::Refused => Disposition::Permanent,
                Verdict::Passing => Disposition::Transient {
                    after: answered.after,
                },
                Verdict::Unclear => Disposition::Ambiguous,
            },
        }
    }

    /// The server's name for the request, for a support case.
    pub fn request_id(&self) -> Option<&str> {
        let mut error = self;
        while let Self::Part { source, .. } = error {
            error = source;
        }
        if let Self::Answered(answered) = error {
            answered.request_id.as_deref()
        } else if let Self::Listing(source) | Self::Completing(source) = error {
            source.request_id()
        } else {
            None
        }
    }

    pub(super) fn of_fault(fault: Fault) -> Self {
        match fault {
            Fault::Disk(source) => Self::Disk(source),
            Fault::Shrank { missing } => Self::Shrank { missing },
            Fault::NotRecorded(why) => Self::NotRecorded(why),
            Fault::Closed => Self::Cancelled { complete: false },
        }
    }
}
