//! What can go wrong between us and an FTP server, and whether trying again helps.
//!
//! The one thing that can be left open is the renaming: until it was asked for, the file is not
//! visible; what became of a request that was not answered shows at the next look.

#![deny(clippy::wildcard_enum_match_arm)]

use std::io;
use std::time::Duration;

use crate::disposition::{Disposition, Need};
use crate::upload::flight::Fault;

/// A failed transfer by FTP.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no byte to send.
    #[error("the file is empty")]
    Empty,
    /// The machine is out of threads or descriptors.
    #[error("cannot start an upload")]
    Start(#[source] io::Error),
    /// The transfer's thread ended without a result: a defect.
    #[error("the upload ended without a result")]
    Died {
        /// Whether the renaming had been asked for.
        complete: bool,
    },
    /// TLS cannot be set up on this machine.
    #[error("cannot set up TLS for the FTP server: {0}")]
    Setup(String),
    /// The server's certificate is not to be trusted.
    #[error(
        "the FTP server's certificate cannot be trusted ({0}): if it is the right server, give its \
         CA by ca-file, and write host as the certificate has it"
    )]
    Certificate(String),
    /// No connection.
    #[error("cannot reach the FTP server")]
    Unreachable(#[source] io::Error),
    /// The connection broke.
    #[error("the connection to the FTP server broke")]
    Broken(#[source] io::Error),
    /// The server said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The server answered something that is no FTP.
    #[error("the FTP server's answer to {to} cannot be understood")]
    Garbled {
        /// The command.
        to: &'static str,
    },
    /// Nothing moved for so long.
    #[error("the FTP server sent nothing for {0:?}")]
    Stalled(Duration),
    /// The file gave no byte for so long.
    #[error("the disk gave no data for {0:?}")]
    DiskStalled(Duration),
    /// Reading the file failed.
    #[error("cannot read the file")]
    Disk(#[source] io::Error),
    /// The file is shorter than when it was queued.
    #[error("the file shrank while it was sent: {missing} bytes are missing")]
    Shrank {
        /// Bytes that the file lacks.
        missing: u64,
    },
    /// The server has another number of bytes than were sent.
    #[error(
        "the FTP server has {theirs} of {ours} bytes after it said that the transfer was complete; \
         what it has is deleted, and the file sent again"
    )]
    WrongSize {
        /// Bytes of the file.
        ours: u64,
        /// What `SIZE` says.
        theirs: String,
    },
    /// What must be stored before the renaming could not be stored.
    #[error("the upload was stopped before its file got its name: {0}")]
    NotRecorded(String),
    /// It was cancelled.
    #[error("the upload was cancelled")]
    Cancelled {
        /// Whether the renaming had been asked for.
        complete: bool,
    },
    /// The renaming was asked for, and no answer came.
    #[error("the answer to the rename was lost; the next attempt checks it")]
    RenameUnclear,
    /// Both names that the file may get are taken on the server.
    #[error(
        "the FTP server has another file named {0:?} already: rename or remove it there, then retry the job"
    )]
    NameTaken(String),
    /// There is no file to send the rest of.
    #[error("the file is gone, and the FTP server has only a part of it")]
    SourceGone,
}

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The command that was refused.
    pub to: &'static str,
    /// The reply code (RFC 959, 4.2).
    pub code: u32,
    /// What the server said, one bounded line, without the password.
    pub text: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (to, code, text) = (self.to, self.code, &self.text);
        write!(f, "the FTP server refused {to} ({code}): {text}")?;
        let advice = match (to, code) {
            ("LOGIN", 530) => "compare user and password-file with what the server expects",
            ("AUTH", 500..600) => {
                "without TLS anyone on the network can read the password; tls = \"none\" allows it"
            }
            ("CWD", 500..600) => "directory must exist on the server",
            ("STOR", 550 | 553) => "the user needs write permission for directory",
            (_, 452 | 552) => "its disk or quota is full",
            _ => return Ok(()),
        };
        write!(f, " ({advice})")
    }
}

impl Refusal {
    /// A name that is refused concerns its file; the rest concerns the account: log-in, encryption,
    /// folder, the right to write. A full disk is emptied by others, not by us.
    fn disposition(&self) -> Disposition {
        match (self.to, self.code) {
            // A full disk; or what was there a moment ago is gone, and the next look tells more.
            (_, 552) | ("RNFR" | "DELE", _) => Disposition::TRANSIENT,
            ("RNTO", 500..600) => Disposition::Permanent,
            (_, 500..600) => Disposition::Blocked(Need::Credentials),
            _ => Disposition::TRANSIENT,
        }
    }
}

impl Error {
    /// Whether trying again will help.
    pub(crate) fn disposition(&self) -> Disposition {
        match self {
            Self::Empty | Self::NameTaken(_) => Disposition::Permanent,
            Self::Setup(_) | Self::Certificate(_) => Disposition::Blocked(Need::Credentials),
            Self::Refused(refusal) => refusal.disposition(),
            Self::Died { complete } | Self::Cancelled { complete } if *complete => {
                Disposition::Ambiguous
            }
            Self::RenameUnclear => Disposition::Ambiguous,
            Self::Start(_)
            | Self::Died { .. }
            | Self::Unreachable(_)
            | Self::Broken(_)
            | Self::Garbled { .. }
            | Self::Stalled(_)
            | Self::DiskStalled(_)
            | Self::Disk(_)
            | Self::Shrank { .. }
            | Self::WrongSize { .. }
            | Self::NotRecorded(_)
            | Self::Cancelled { .. }
            | Self::SourceGone => Disposition::TRANSIENT,
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
