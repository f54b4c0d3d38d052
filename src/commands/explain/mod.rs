//! `jw-ingest explain`: why a file is uploaded, or is not.
//!
//! `disk` and `facts` look at the world once, `conclusion` decides from what was seen, `answer` and
//! `story` put it into words, and `report` lays them out. `waiting` does it in short for every file
//! that is not up. It works without a daemon and without a database, and says so.

mod answer;
mod conclusion;
mod disk;
mod facts;
mod holder;
mod report;
mod story;
#[cfg(test)]
mod tests;
mod waiting;

use std::path::{Path, PathBuf};

use super::context::Context;
use super::error::CommandError;
use crate::clock;
use crate::config::{self, Outline};
use crate::exit::Exit;

use conclusion::Conclusion;
use facts::Facts;

/// The end of its help.
const HELP: &str = "\
The first line is the answer. The lines below tell the whole story: one fact a line, each with its
time, oldest first; the present state and what is expected next come last. The path need not exist.

With --all-waiting: one line for every file in the folders whose job is not done (nor a duplicate),
with the time since when it waits and one reason. Folders that cannot be read are listed as well.

Examples:
  jw-ingest explain /srv/video/news/interview.mp4
  jw-ingest explain --json interview.mp4 | jq -r .answer
  jw-ingest explain --all-waiting --watch news

Exit status:
  0   the path is explained
  1   the database cannot be read
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// File or folder to explain
    #[arg(
        required_unless_present = "all_waiting",
        conflicts_with_all = ["all_waiting", "watch"]
    )]
    path: Option<PathBuf>,
    /// List every file in the watch folders that is not uploaded, with the reason
    #[arg(long)]
    all_waiting: bool,
    /// Show only files of this watch
    #[arg(long, value_name = "NAME", requires = "all_waiting")]
    watch: Option<String>,
    /// Print one JSON object; with --all-waiting, one a line
    #[arg(long)]
    json: bool,
}

/// Explains the path, or everything that waits.
///
/// # Errors
/// See [`CommandError`].
pub fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let outline = config::load_outline(&context.config)?;
    match &args.path {
        Some(path) => one(path, args.json, &outline, context)?,
        None => waiting::run(&outline, args.watch.as_deref(), args.json, context)?,
    }
    Ok(Exit::Done)
}

fn one(
    path: &Path,
    json: bool,
    outline: &Outline,
    context: &mut Context,
) -> Result<(), CommandError> {
    let now = (context.present.now, clock::local());
    let facts = Facts::gather(outline, path, now)?;
    let conclusion = Conclusion::of(&facts);
    if json {
        let object = report::object(&facts, &conclusion, &context.present);
        context.screen.object(&object)?;
        return Ok(());
    }
    for line in report::lines(&facts, &conclusion, &context.present) {
        context.screen.line(line)?;
    }
    Ok(())
}
