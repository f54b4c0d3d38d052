//! The command line: what can be typed. What it means is each command's own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::AboveBars;
use crate::commands::context::{Context, remark};
use crate::commands::error::CommandError;
use crate::commands::{
    add, bump, call, cancel, check, explain, job, jobs, restored, retry, run, status,
};
#[cfg(feature = "sandbox")]
use crate::commands::{demo, sandbox};
use crate::config::DEFAULT_FILE;
use crate::exit::Exit;
use crate::telemetry;

/// The end of the general help.
const HELP: &str = "\
Results go to standard output, logs and errors to standard error.

Exit status:
  0   done
  1   something failed; standard error or the result says what
  2   the command line is wrong
  78  the configuration is wrong";

/// The heading of the options that all commands have.
const GENERAL: &str = "General options";

/// Watch folders and upload each finished video to JW Platform, once
#[derive(Debug, Parser)]
#[command(name = "jw-ingest", version, after_help = HELP)]
pub(crate) struct Cli {
    /// Configuration file
    #[arg(long, global = true, help_heading = GENERAL, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Log level: error, warn, info, debug, or trace [default: `RUST_LOG`, else info (demo: warn)]
    #[arg(long, global = true, help_heading = GENERAL, value_name = "LEVEL")]
    log: Option<tracing::Level>,
    /// Log format: text or json
    #[arg(long, global = true, help_heading = GENERAL, value_name = "FORMAT", default_value_t)]
    #[arg(value_enum, hide_possible_values = true)]
    log_format: telemetry::Format,
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run(run::Args),
    /// Check configuration, folders, database and credentials, and report every problem in one run
    Check(check::Args),
    /// List jobs: uploaded, in progress, waiting, or needing attention
    Jobs(jobs::Args),
    /// Show the present state, and what needs a person
    Status(status::Args),
    /// Show one job with all its attempts
    Job(job::Args),
    /// Queue failed or cancelled jobs again
    Retry(retry::Args),
    /// Cancel jobs
    Cancel(cancel::Args),
    /// Move waiting jobs to the front of the queue
    Bump(bump::Args),
    /// Show the whole line on this machine, without an account
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
    /// Queue files by hand
    Add(add::Args),
    /// Say why a file is uploaded or not, or list every file that waits
    Explain(explain::Args),
    /// Make one call to the platform's API
    Call(call::Args),
    /// Restore a backup of the job table, or replace a lost one
    Restored(restored::Args),
    /// Run a strict stand-in of the platform on this machine, for tests
    #[cfg(feature = "sandbox")]
    Sandbox(Box<sandbox::Args>),
}

impl Command {
    /// The log level where neither an option nor `RUST_LOG` sets one.
    fn usual_level(&self) -> tracing::Level {
        match self {
            // It tells its own story, which the daemon's log would repeat.
            #[cfg(feature = "sandbox")]
            Self::Demo(_) => tracing::Level::WARN,
            _ => tracing::Level::INFO,
        }
    }

    /// Whether it waits for its log.
    fn pace(&self) -> telemetry::Pace {
        match self {
            Self::Run(_) => telemetry::Pace::Beside,
            _ => telemetry::Pace::Waits,
        }
    }
}

/// The whole program: reads the command line, does what it says, and answers the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer_of_clap(&error).into(),
    };
    let json = cli.log_format == telemetry::Format::Json;
    let level = (cli.log, cli.command.usual_level());
    let form = (cli.log_format, cli.command.pace());
    telemetry::start_logging(level, form, move || AboveBars { json });
    let done = cli.run();
    telemetry::flush();
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            if let Some(message) = error.message() {
                let text = telemetry::fatal(&format!("jw-ingest: {message}"));
                remark(text.trim_end());
            }
            error.exit().into()
        }
    }
}

/// Help and version are answers; everything else that clap says is about a wrong command line.
fn answer_of_clap(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        // It repeats what was on the command line, where a shell may have put the names of files.
        remark(error.render().to_string().trim_end());
        return Exit::Usage;
    }
    match error.print() {
        Err(fault) => CommandError::Output(fault).exit(),
        Ok(()) => Exit::Done,
    }
}

impl Cli {
    fn run(self) -> Result<Exit, CommandError> {
        let mut context = Context::new(self.config);
        let exit = match &self.command {
            Command::Check(args) => check::run(args, &mut context),
            Command::Jobs(args) => jobs::run(args, &mut context),
            Command::Status(args) => status::run(args, &mut context),
            Command::Job(args) => job::run(args, &mut context),
            Command::Retry(args) => retry::run(args, &mut context),
            Command::Cancel(args) => cancel::run(args, &mut context),
            Command::Bump(args) => bump::run(args, &mut context),
            Command::Run(args) => run::run(args, &context),
            #[cfg(feature = "sandbox")]
            Command::Demo(args) => demo::run(args, &mut context),
            Command::Add(args) => add::run(args, &mut context),
            Command::Explain(args) => explain::run(args, &mut context),
            Command::Call(args) => call::run(args, &mut context),
            Command::Restored(args) => restored::run(args, &mut context),
            #[cfg(feature = "sandbox")]
            Command::Sandbox(args) => sandbox::run(args, &mut context),
        }?;
        context.screen.flush()?;
        Ok(exit)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
