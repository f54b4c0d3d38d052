//! `jw-ingest restored`: what was done about a lost job table.

use super::context::Context;
use super::error::CommandError;
use crate::exit::Exit;
use crate::{config, queue};

/// The end of its help.
const HELP: &str = "\
Use this for a job table that is lost and has no backup. The new table does not know which files are
uploaded, so jw-ingest asks the platform about every file before it uploads it. A file that is there,
ready and with the same MD5, is recorded with its key. A file that is not there is uploaded. If API
v2 has only a video with the same title, the file is held for you to decide. A file waits until the
platform answers.

Run it as the daemon's user, while the daemon is stopped.

Examples:
  sudo -u jw-ingest jw-ingest restored --new-table

Exit status:
  0   the table is made
  1   it is not; standard error says why
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// Make a new job table in place of the lost one
    #[arg(long, required = true)]
    new_table: bool,
}

/// Makes the table.
///
/// # Errors
/// See [`CommandError`]; also where there is a table that knows of jobs.
pub fn run(_args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let path = config::load_outline(&context.config)?.database.path;
    let _lock = queue::lock(&path)?;
    queue::restored::make_anew(&path, context.present.now)?;
    context.screen.line(format!(
        "{}: made; the platform is asked for every file before it is uploaded. Start the daemon",
        path.display()
    ))?;
    Ok(Exit::Done)
}
