//! One reading of one file: its text, what may be looked at beside it, and the faults found.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::problem::{Problem, Problems};

/// What of the world outside the file is looked at.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// The text only: no secret is read, no folder has to exist.
    TextOnly,
    /// Secrets are read, and folders looked at.
    Everything {
        /// `$CREDENTIALS_DIRECTORY`, which systemd sets for `LoadCredential=`.
        credentials: Option<PathBuf>,
        /// Whether a folder may be away for now, as a share that is not mounted yet.
        away: bool,
    },
}

/// One reading of one file: where the faults gather.
pub(super) struct Reader<'a> {
    /// The file, for the messages.
    pub(super) file: &'a Path,
    /// What is in it.
    pub(super) text: &'a str,
    /// What may be looked at.
    pub(super) look: &'a Look,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was asked for, as (kind of section, key).
    asked: RefCell<BTreeSet<(&'static str, &'static str)>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str, look: &'a Look) -> Self {
        Self {
            file,
            text,
            look,
            problems: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// The line of a place in the text, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    /// Notes a fault.
    pub(super) fn fault(
        &self,
        line: Option<usize>,
        section: &str,
        key: Option<&str>,
        message: impl Into<String>,
    ) {
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_path_buf(),
            line,
            section: section.to_owned(),
            key: key.map(str::to_owned),
            message: message.into(),
        });
    }

    /// Notes that the code knows a key.
    pub(super) fn asks(&self, kind: &'static str, key: &'static str) {
        self.asked.borrow_mut().insert((kind, key));
    }

    /// The faults so far, if there are any.
    pub(super) fn problems(&self) -> Option<Problems> {
        let all = self.problems.take();
        (!all.is_empty()).then(|| Problems::new(all))
    }

    /// Every key that the code knows, as (kind of section, key).
    #[cfg(test)]
    pub(super) fn known(&self) -> BTreeSet<(&'static str, &'static str)> {
        self.asked.borrow().clone()
    }
}
