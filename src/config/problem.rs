//! What is wrong with a configuration: every fault at once, each with its place and what to write.
//!
//! A list, not an error chain: a person who fixes a file wants to see every problem at once.

use std::fmt;
use std::path::PathBuf;

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Problem {
    /// The configuration file.
    pub file: PathBuf,
    /// The line it is about, from 1; none if it is about the file as a whole.
    pub line: Option<usize>,
    /// The section as it is in the file, such as `[[watch]] "news"`; empty at the top level.
    pub section: String,
    /// The key it is about, if it is about one.
    pub key: Option<String>,
    /// What is wrong, and what was expected or what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.section.is_empty() {
            write!(f, ": {}", self.section)?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Every fault of a configuration, in the order of the file; never empty as an error.
///
/// Its text has one line for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Takes the faults and sorts them by line, those about the whole file first.
    pub(super) fn new(mut all: Vec<Problem>) -> Self {
        all.sort_by_key(|problem| problem.line);
        Self(all)
    }

    /// The faults, in the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
