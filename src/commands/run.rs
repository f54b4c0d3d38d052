//! `jw-ingest run`: the daemon.

use super::bars;
use super::context::Context;
use super::error::CommandError;
use super::runtime;
use crate::daemon::{self, Until};
use crate::exit::Exit;
use crate::ingest::Live;
use crate::watch::writer;
use crate::{config, shutdown};

/// The end of its help.
const HELP: &str = "\
Under systemd the daemon logs; in a terminal it shows progress bars as well. TERM and INT stop it
within ten seconds: active uploads are suspended and resume at the next start. A second signal ends it
at once. HUP reloads the configuration; a faulty one is refused, and the old one stays.

Examples:
  jw-ingest run
  jw-ingest --config daemon.toml run --until-idle

Exit status:
  0   the daemon was stopped, or (--until-idle) every job is done
  1   the daemon had to end, or (--until-idle) a job failed or waits for a later attempt
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Scan once, then work until no file is settling, due, running, or waiting for `ready`
    #[arg(long)]
    until_idle: bool,
}

/// Runs it.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &Context) -> Result<Exit, CommandError> {
    // Before anything that takes time: a signal that is not listened to ends the process.
    let requests = listen()?;
    // A daemon that stays can wait for a folder; one that ends when all is done must see them all.
    let config = if args.until_idle {
        config::load(&context.config)?
    } else {
        config::load_to_wait(&context.config)?
    };
    let until = if args.until_idle {
        Until::Idle
    } else {
        Until::Stopped
    };
    let live = Live::default();
    let runtime = runtime()?;
    let bars = bars::draw(&runtime, &live);
    let outcome = runtime.block_on(daemon::run_daemon(config, requests, until, live));
    bars.end(&runtime);
    // A thread that hangs on a dead share must not keep the process.
    runtime.shutdown_timeout(LAST_WAIT);
    Ok(outcome?)
}

/// Signals first, and SIGIO ignored: a lease that is broken would otherwise end the process.
pub(super) fn listen() -> Result<shutdown::Requests, CommandError> {
    writer::ignore_sigio();
    shutdown::listen().map_err(|source| CommandError::System {
        what: "cannot listen for signals".to_owned(),
        source,
    })
}

/// How long threads that block may take at the very end.
const LAST_WAIT: std::time::Duration = std::time::Duration::from_millis(500);
