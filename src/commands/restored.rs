//! `jw-ingest restored`: what was done about a job table that was lost or put back.

use std::path::PathBuf;

use super::context::Context;
use super::error::CommandError;
use crate::exit::Exit;
use crate::{config, queue};

/// The end of its help.
const HELP: &str = "\
A new table, or one from a backup, does not know every file that is uploaded, so jw-ingest asks the
platform about every file that is older than this command before it uploads it. A file that is there,
ready and with the same MD5, is recorded with its key. A file that is not there is uploaded. If API
v2 has only a video with the same title, the file is held for you to decide. A file waits until the
platform answers. Jobs that the backup has unfinished are looked up on the platform, too.

--backup FILE puts a backup of the job table in its place: FILE is checked and copied, and the old
table is kept as jobs.db.replaced-NUMBER. --backup alone accepts a backup that is in place already.
--new-table is for a job table that is lost and has no backup.

Run it as the daemon's user, while the daemon is stopped.

Examples:
  sudo -u jw-ingest jw-ingest restored --backup /srv/backup/jobs.db
  sudo -u jw-ingest jw-ingest restored --new-table

Exit status:
  0   done: the daemon can be started
  1   failed; standard error says why
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[group(required = true, multiple = false)]
pub(crate) struct Args {
    /// Restore a backup of the job table, or accept the one in its place
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[expect(
        clippy::option_option,
        reason = "the option may be given without its value"
    )]
    backup: Option<Option<PathBuf>>,
    /// Make a new job table in place of the lost one
    #[arg(long)]
    new_table: bool,
}

/// Restores or accepts a table, or makes one.
///
/// # Errors
/// See [`CommandError`]; also where there is no table to accept, or one that must not be replaced by a new one.
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = config::load_outline(&context.config)?.database.path;
    let _lock = queue::lock(&path)?;
    let now = context.present.now;
    let done = match &args.backup {
        Some(Some(backup)) => match queue::backup::put_back(&path, backup, now)? {
            Some(kept) => format!(
                "restored from {}, and the old table is kept as {}",
                backup.display(),
                kept.display()
            ),
            None => format!("restored from {}", backup.display()),
        },
        Some(None) => {
            queue::restored::take_as_backup(&path, now)?;
            "accepted as a backup".to_owned()
        }
        None => {
            queue::restored::make_anew(&path, now)?;
            "made".to_owned()
        }
    };
    context.screen.line(format!(
        "{}: {done}; the platform is asked for every file before it is uploaded. Start the daemon",
        path.display()
    ))?;
    Ok(Exit::Done)
}
