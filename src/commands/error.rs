//! Why a command could not do what it was asked to, and the exit code for it.
#![deny(clippy::wildcard_enum_match_arm)]

use std::io;

use crate::config::Problems;
use crate::exit::Exit;
use crate::wording::explain;
use crate::{platform, queue};

/// A failure of a command as a whole. What concerns one of several files or jobs is a line of the
/// result instead, and makes the command end with [`Exit::Failed`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The configuration is wrong; one line for each fault.
    #[error("{0}")]
    Config(Problems),
    /// What was asked for does not fit the configuration or makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] queue::Error),
    /// The daemon could not start, or had to end.
    #[error(transparent)]
    Daemon(#[from] crate::daemon::Error),
    /// The platform did not do it.
    #[error(transparent)]
    Platform(#[from] platform::Error),
    /// The stand-in of the platform cannot run.
    #[cfg(feature = "sandbox")]
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::Error),
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
    /// What the command needs of the system is refused; the text says what it was for.
    #[error("{what}")]
    System {
        /// What was attempted.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The named thing does not exist, or the like; the text is the whole message.
    #[error("{0}")]
    Failed(String),
}

impl CommandError {
    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::Config,
            Self::Usage(_) => Exit::Usage,
            Self::Daemon(error) => error.exit(),
            // The reader has seen enough: `jobs | head` is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => Exit::Failed,
            Self::Database(_)
            | Self::Platform(_)
            | Self::Output(_)
            | Self::System { .. }
            | Self::Failed(_) => Exit::Failed,
        }
    }

    /// The message for standard error: the whole chain of causes; none for a closed pipe.
    pub(crate) fn message(&self) -> Option<String> {
        if self.exit() == Exit::Done {
            return None;
        }
        Some(crate::chain(self))
    }
}

impl From<explain::Error> for CommandError {
    fn from(error: explain::Error) -> Self {
        match error {
            explain::Error::Table(error) => Self::Database(error),
            explain::Error::Output(error) => Self::Output(error),
            explain::Error::NoFolder(source) => Self::System {
                what: "cannot tell what the path is relative to".to_owned(),
                source,
            },
            explain::Error::NoThread(source) => Self::System {
                what: "cannot start a thread".to_owned(),
                source,
            },
        }
    }
}

impl From<Problems> for CommandError {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure_and_a_full_disk_is_one() {
        let closed = CommandError::Output(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((closed.exit(), closed.message()), (Exit::Done, None));
        let full = CommandError::Output(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit(), Exit::Failed);
        assert_eq!(
            full.message().as_deref(),
            Some("cannot write the result: no storage space")
        );
    }
}
