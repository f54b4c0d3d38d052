//! The exit codes, which scripts and systemd rely on.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked for is done (0).
    Done,
    /// Something failed; standard error says what (1).
    Failed,
    /// The command line was wrong (2; clap itself exits with it too).
    Usage,
    /// The configuration is wrong (78, `EX_CONFIG`): systemd must not restart on it.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Config => 78,
        })
    }
}
