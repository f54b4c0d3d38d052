//! `jw-ingest explain`: why a file is up, or is not.
//!
//! `facts` looks at the world once, `conclusion` decides from what was seen, and `report` puts both
//! into words. It works without a daemon and without a database, and says so.

mod conclusion;
mod facts;
mod report;
mod words;

use std::path::PathBuf;

use super::context::Context;
use super::error::CommandError;
use super::place;
use crate::config;
use crate::exit::Exit;

use conclusion::Conclusion;
use facts::Facts;

/// The end of its help.
const HELP: &str = "\
The first line is the answer, the others are what it rests on. The path need not exist.

Examples:
  jw-ingest explain /srv/video/news/interview.mp4
  jw-ingest explain --json interview.mp4 | jq -r .answer

Exit status:
  0   the path is explained, whatever the answer is
  1   the database cannot be read
  2   the command line is wrong
  78  the configuration is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// A file or folder
    path: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Explains the path.
///
/// # Errors
/// See [`CommandError`].
pub fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let outline = config::load_outline(&context.config)?;
    let path = place::absolute(&args.path).map_err(|source| CommandError::System {
        what: "cannot tell what the path is relative to".to_owned(),
        source,
    })?;
    let facts = Facts::gather(&outline, path)?;
    let conclusion = Conclusion::of(&facts);
    if args.json {
        let object = report::object(&facts, &conclusion, &context.present);
        context.screen.object(&object)?;
        return Ok(Exit::Done);
    }
    for line in report::lines(&facts, &conclusion, &context.present) {
        context.screen.line(line)?;
    }
    Ok(Exit::Done)
}
