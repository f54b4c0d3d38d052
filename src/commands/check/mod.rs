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
mod silent;
mod targets;

use std::path::Path;
use std::time::Duration;

use super::context::{Context, Screen};
use super::error::CommandError;
use crate::config::{self, Config, Problems, Watch};
use crate::exit::Exit;
use crate::wording::text;
use crate::{patience, queue};

use finding::Finding;
use silent::Silent;

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
pub(crate) struct Args {
    /// Do not test the credentials
    #[arg(long)]
    offline: bool,
}

/// How long all the folders together may take where each has answered.
const LOAD: Duration = Duration::from_secs(30);

/// Looks at everything.
///
/// # Errors
/// Only if the findings cannot be written: a fault is a finding.
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    // With a folder or a secret missing, the rest can be checked anyway.
    let outline = config::load_outline(&context.config).ok();
    let watches = outline.as_ref().map_or(&[][..], |outline| &outline.watches);
    let silent = silent::of(watches);
    let loaded = load(&context.config, &silent);
    let mut report = Report {
        width: width(watches, loaded.as_ref(), args.offline),
        screen: &mut context.screen,
        failed: false,
    };
    report.all(check_configuration(loaded.as_ref()))?;
    report.all(silent.findings())?;
    if let Some(outline) = &outline {
        report.one(&database::check_database(&outline.database.path))?;
        let daemon_runs = queue::daemon_runs(&outline.database.path);
        let mut folders = 0;
        for watch in watches.iter().filter(|watch| !silent.has(&watch.path)) {
            let (count, findings) = folders::check_folder(watch, daemon_runs);
            folders += count;
            report.all(findings)?;
        }
        report.all(kernel::check_kernel(folders, watches.len()))?;
        report.all(targets::check_targets(
            watches,
            &silent,
            &outline.database.path,
        ))?;
    }
    report.all(network::check_network())?;
    if !args.offline {
        report.all(check_accounts(loaded))?;
    }
    Ok(if report.failed {
        Exit::Config
    } else {
        Exit::Done
    })
}

/// Where the findings are written, each as soon as it is known.
struct Report<'a> {
    screen: &'a mut Screen,
    width: usize,
    failed: bool,
}

impl Report<'_> {
    fn one(&mut self, finding: &Finding) -> Result<(), CommandError> {
        self.failed |= finding.is_failure();
        self.screen.line_now(finding.line(self.width))?;
        Ok(())
    }

    fn all(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<(), CommandError> {
        findings
            .into_iter()
            .try_for_each(|finding| self.one(&finding))
    }
}

type Loaded = Result<Config, Problems>;

/// Reads the configuration with its folders. `None`: a folder does not answer.
fn load(file: &Path, silent: &Silent) -> Option<Loaded> {
    if silent.is_any() {
        return None;
    }
    let file = file.to_owned();
    patience::within(LOAD, move || config::load(&file))
}

/// Of the subjects that are known before the first line is written.
fn width(watches: &[Watch], loaded: Option<&Loaded>, is_offline: bool) -> usize {
    let accounts = loaded.and_then(|loaded| loaded.as_ref().ok());
    let accounts = accounts.filter(|_| !is_offline).into_iter();
    let accounts = accounts.flat_map(|config| config.accounts.values());
    let of_accounts = accounts.map(|account| {
        let ftp = account.ftp.as_ref().map_or(0, |_| " ftp".len());
        "account ".len() + account.name.chars().count() + ftp
    });
    let of_watches = watches
        .iter()
        .map(|watch| "watch ".len() + watch.name.chars().count());
    let longest = of_accounts.chain(of_watches).max().unwrap_or_default();
    longest.max("configuration".len())
}

fn check_configuration(loaded: Option<&Loaded>) -> Vec<Finding> {
    let subject = "configuration";
    match loaded {
        Some(Ok(config)) => {
            let watches = match config.watches.len() {
                1 => "1 watch".to_owned(),
                many => format!("{many} watches"),
            };
            let accounts = text::count(config.accounts.len(), "account");
            let file = text::path(&config.file);
            vec![Finding::ok(
                subject,
                format!("{file}: {accounts}, {watches}"),
            )]
        }
        Some(Err(problems)) => {
            let faults = problems.iter();
            let faults = faults.map(|fault| Finding::fail(subject, text::line(&fault.to_string())));
            faults.collect()
        }
        None => {
            let why = "not checked in full, because a folder does not answer";
            vec![Finding::warn(subject, why)]
        }
    }
}

fn check_accounts(loaded: Option<Loaded>) -> Vec<Finding> {
    let why = match loaded {
        Some(Ok(config)) => {
            let mut findings = credentials::check_credentials(&config);
            findings.extend(ftp::check_servers(&config));
            return findings;
        }
        Some(Err(_)) => "not tested, because the configuration has errors",
        None => "not tested, because a folder does not answer",
    };
    vec![Finding::warn("credentials", why)]
}
