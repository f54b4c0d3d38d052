//! What every command gets: where the configuration is, what time it is, and where results go.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::config::{self, Outline, Problems};
use crate::wording::time::Present;
use crate::{clock, text};

/// The surroundings of one command.
pub(crate) struct Context {
    /// The configuration file.
    pub config: PathBuf,
    /// The moment and the place.
    pub present: Present,
    /// Standard output.
    pub screen: Screen,
}

impl Context {
    /// Looks at the clock and at the terminal.
    pub(crate) fn new(config: PathBuf) -> Self {
        Self {
            config,
            present: Present {
                now: clock::now(),
                zone: TimeZone::system(),
            },
            screen: Screen::new(),
        }
    }
}

/// Standard output for results, standard error for remarks.
pub(crate) struct Screen {
    out: BufWriter<StdoutLock<'static>>,
    /// The terminal's width in columns; none where standard output is no terminal.
    pub width: Option<u16>,
}

impl Screen {
    fn new() -> Self {
        let terminal = console::Term::stdout();
        let width = terminal
            .is_term()
            .then(|| terminal.size_checked().map(|(_, columns)| columns))
            .flatten();
        Self {
            out: BufWriter::new(io::stdout().lock()),
            width,
        }
    }

    /// One line of the result.
    ///
    /// # Errors
    /// Standard output's; a closed pipe among them.
    pub(crate) fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}", text::visible(&text.to_string()))
    }

    /// One line of the result that must be seen now: the command continues.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub(crate) fn line_now(&mut self, text: impl Display) -> io::Result<()> {
        self.line(text)?;
        self.out.flush()
    }

    /// One object of the result, on a line of its own.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub(crate) fn object(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let json = text::json(value)?;
        self.line(json)
    }

    /// One object of the result, laid out over several lines.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub(crate) fn object_laid_out(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let json = text::json_pretty(value)?;
        self.line(json)
    }

    /// Hands out what is still held back.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The configuration, for a command that only reads the job table; what is wrong with it is remarked on.
///
/// # Errors
/// The file is not TOML, or its `[database]` is wrong.
pub(crate) fn load_to_read(file: &Path) -> Result<Outline, Problems> {
    let (outline, faults) = config::load_to_read(file)?;
    if let Some(faults) = faults {
        remark(format_args!(
            "the configuration has faults, and what follows is of the job table:\n{faults}"
        ));
    }
    Ok(outline)
}

/// A remark for the operator that is no part of the result; if standard error is closed, it is not
/// wanted.
pub(crate) fn remark(text: impl Display) {
    drop(writeln!(
        io::stderr(),
        "{}",
        text::visible(&text.to_string())
    ));
}
