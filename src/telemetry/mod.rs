//! The log: to standard error, as text or JSON, in the journal's own way under systemd.
//!
//! Only this crate logs below `warn` unless `RUST_LOG` asks for more: what libraries say is for
//! their developers. A log that cannot be written, or not at once, stops nothing.

mod beside;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::registry::LookupSpan;

use self::beside::Lines;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether what is done waits until a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As in a command, whose lines keep their order with what it prints.
    Waits,
    /// As in the daemon.
    Beside,
}

/// Where the lines of the daemon go.
static BESIDE: OnceLock<Lines> = OnceLock::new();

/// Starts logging, once for the process. The level on the command line goes before `RUST_LOG`;
/// without either, it is the `usual` one of the command.
///
/// `writer` makes the stream that the lines go to, so that it can take care of progress bars.
pub(crate) fn start_logging<W: io::Write + Send + 'static>(
    (level, usual): (Option<Level>, Level),
    (format, pace): (Format, Pace),
    writer: impl Fn() -> W + Send + Sync + 'static,
) {
    let lines = match pace {
        // Without a thread the lines are written as by a command.
        Pace::Beside => Lines::start(writer(), say_what_is_lost).ok(),
        Pace::Waits => None,
    };
    let writer = match lines {
        Some(lines) => {
            let lines = BESIDE.get_or_init(|| lines).clone();
            BoxMakeWriter::new(move || lines.clone())
        }
        None => BoxMakeWriter::new(writer),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(level, usual))
        // It would say so on standard error, and panic where that is what cannot be written.
        .log_internal_errors(false)
        .with_writer(writer);
    match format {
        Format::Json => builder.json().flatten_event(true).init(),
        Format::Text if is_journal() => builder.event_format(Journal::default()).init(),
        Format::Text => builder
            .compact()
            .with_target(false)
            .with_ansi(console::Term::stderr().is_term())
            .init(),
    }
}

fn say_what_is_lost(lines: u64) {
    tracing::warn!(
        "{lines} lines of the log are missing before this one: standard error did not take them"
    );
}

/// Before the process ends: what was logged is written, where it can be.
pub(crate) fn flush() {
    if let Some(lines) = BESIDE.get() {
        lines.flush();
    }
}

fn filter(level: Option<Level>, usual: Level) -> EnvFilter {
    let of_this_crate =
        |level: Level| EnvFilter::new(format!("warn,jw_ingest={}", level.as_str().to_lowercase()));
    match level {
        Some(level) => of_this_crate(level),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| of_this_crate(usual)),
    }
}

/// Whether standard error goes straight into the journal: systemd names that stream by device and
/// inode in `$JOURNAL_STREAM` (systemd.exec(5)), which child processes inherit even when redirected.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let meta = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|descriptor| File::from(descriptor).metadata());
    meta.is_ok_and(|meta| stream == format!("{}:{}", meta.dev(), meta.ino()))
}

/// Lines as the journal takes them: a priority in front (sd-daemon(3)), and no time, since the
/// journal has its own.
struct Journal {
    line: format::Format<format::Compact, ()>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            line: format::format()
                .compact()
                .without_time()
                .with_ansi(false)
                .with_level(false)
                .with_target(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => ERROR,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        let mut record = String::new();
        self.line
            .format_event(context, Writer::new(&mut record), event)?;
        writer.write_str(&prefixed(priority, &record))
    }
}

/// The journal makes an entry of each line, and looks for its priority there.
fn prefixed(priority: u8, record: &str) -> String {
    let lines = record.lines().map(|line| format!("<{priority}>{line}\n"));
    lines.collect()
}

/// The last words of a program that cannot continue, as standard error takes them.
pub(crate) fn fatal(message: &str) -> String {
    if is_journal() {
        prefixed(ERROR, message)
    } else {
        format!("{message}\n")
    }
}

/// The journal's priority of errors (sd-daemon(3), `SD_ERR`).
const ERROR: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_priority() {
        assert_eq!(prefixed(4, "one\n  two\n"), "<4>one\n<4>  two\n");
        assert_eq!(prefixed(ERROR, "one"), "<3>one\n");
    }
}
