//! `jw-ingest check`: everything that could keep the daemon from working, all of it at once.
//!
//! It changes nothing: no database is made, and the only calls are harmless ones.

mod credentials;
mod database;
mod finding;
mod folders;
mod ftp;
mod kernel;
mod network;
mod targets;

use super::context::Context;
use super::error::CommandError;
use super::show::text;
use crate::config;
use crate::exit::Exit;
use crate::queue;

use finding::Finding;

/// The end of its help.
const HELP: &str = "\
Each finding is one line: `ok`, `warn` (it works, but not as well as it could, or could not be
checked), or `FAIL` with what to do. Run it as the daemon's user, because that user's permissions count.

Examples:
  sudo -u jw-ingest jw-ingest check
  jw-ingest --config new.toml check --offline

Exit status:
  0   nothing failed
  2   the command line is wrong
  78  something failed";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// Do not test the credentials
    #[arg(long)]
    offline: bool,
}

/// Looks at everything.
///
/// # Errors
/// Only if the findings cannot be written: a fault is a finding.
pub fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let findings = findings(args, context);
    let width = findings
        .iter()
        .map(|finding| finding.subject.chars().count())
        .max();
    for finding in &findings {
        context
            .screen
            .line(finding.line(width.unwrap_or_default()))?;
    }
    let failed = findings.iter().any(Finding::is_failure);
    Ok(if failed { Exit::Config } else { Exit::Done })
}

fn findings(args: &Args, context: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    let loaded = config::load(&context.config);
    match &loaded {
        Ok(config) => findings.push(Finding::ok(
            "configuration",
            format!(
                "{}: {}, {}",
                text::path(&config.file),
                text::count(config.accounts.len(), "account"),
                if config.watches.len() == 1 {
                    "1 watch".to_owned()
                } else {
                    format!("{} watches", config.watches.len())
                }
            ),
        )),
        Err(problems) => findings.extend(
            problems
                .iter()
                .map(|problem| Finding::fail("configuration", text::line(&problem.to_string()))),
        ),
    }
    // With a folder or a secret missing, the rest can be checked anyway.
    if let Ok(outline) = config::load_outline(&context.config) {
        findings.push(database::check(&outline.database.path));
        let daemon_runs = queue::daemon_runs(&outline.database.path);
        findings.extend(folders::check(&outline.watches, daemon_runs));
        findings.extend(targets::check(&outline.watches, &outline.database.path));
    }
    findings.extend(network::check());
    if !args.offline {
        findings.extend(loaded.map_or_else(
            |_| {
                let why = "not tested, because the configuration has errors";
                vec![Finding::warn("credentials", why)]
            },
            |config| {
                let mut findings = credentials::check(&config);
                findings.extend(ftp::check(&config));
                findings
            },
        ));
    }
    findings
}
