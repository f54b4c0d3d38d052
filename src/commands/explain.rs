//! `jw-ingest explain`: why a file is uploaded, or is not.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::context::Context;
use super::error::CommandError;
use crate::clock;
use crate::config::{self, Outline, Watch};
use crate::exit::Exit;
use crate::watch::place;
use crate::wording::explain::{Explanation, waiting};

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
pub(crate) struct Args {
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
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let outline = config::load_outline(&context.config)?;
    match &args.path {
        Some(path) => explain_path(path, args.json, &outline, context)?,
        None => all_waiting(&outline, args.watch.as_deref(), args.json, context)?,
    }
    Ok(Exit::Done)
}

fn explain_path(
    path: &Path,
    as_json: bool,
    outline: &Outline,
    context: &mut Context,
) -> Result<(), CommandError> {
    let explanation = Explanation::of(outline, path, &context.present, clock::local())?;
    if as_json {
        context.screen.object(&explanation.object)?;
        return Ok(());
    }
    for line in explanation.lines {
        context.screen.line(line)?;
    }
    Ok(())
}

/// Every file in the watched folders that is not up, one line each.
fn all_waiting(
    outline: &Outline,
    only: Option<&str>,
    as_json: bool,
    context: &mut Context,
) -> Result<(), CommandError> {
    let watches = named(outline, only)?;
    let Context {
        present, screen, ..
    } = context;
    let tally = waiting::list_waiting(outline, &watches, present, &mut |watch, row| {
        if as_json {
            screen.object(&row.object(watch))
        } else {
            screen.line(row.line(present))
        }
    })?;
    if as_json {
        screen.object(&json!({"summary": tally.object()}))?;
    } else {
        screen.line(tally.words())?;
    }
    Ok(())
}

fn named<'a>(outline: &'a Outline, only: Option<&str>) -> Result<Vec<&'a Watch>, CommandError> {
    let all = outline.watches.iter();
    let chosen: Vec<_> = all
        .filter(|watch| only.is_none_or(|name| watch.name == name))
        .collect();
    match only {
        Some(name) if chosen.is_empty() => {
            let known = place::name_watches(&outline.watches);
            let message = format!("there is no watch {name:?}, only: {known}");
            Err(CommandError::Usage(message))
        }
        _ => Ok(chosen),
    }
}
