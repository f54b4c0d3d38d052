//! Why a file is uploaded, or is not.
//!
//! `disk` and `facts` look at the world once, `conclusion` decides from what was seen, `answer` and
//! `story` put it into words, and `report` lays them out. [`waiting`] does it in short for every file
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
pub(crate) mod waiting;

use std::io;
use std::path::Path;

use jiff::civil::DateTime;
use serde_json::Value;

use super::time::Present;
use crate::config::Outline;
use crate::queue;

use conclusion::Conclusion;
use facts::Facts;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The current folder is gone.
    #[error("cannot tell what the path is relative to")]
    NoFolder(#[source] io::Error),
    /// The job table cannot be read.
    #[error(transparent)]
    Table(#[from] queue::Error),
    /// No thread can be started to walk the folders.
    #[error("cannot start a thread")]
    NoThread(#[source] io::Error),
    /// The result cannot be handed out.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// What is known about one path.
#[derive(Debug)]
pub(crate) struct Explanation {
    /// The answer, and the story that it rests on, one fact a line.
    pub lines: Vec<String>,
    /// The same as JSON.
    pub object: Value,
}

impl Explanation {
    /// Looks at the world, and explains the path, which need not exist. `local` is what the clock on the wall shows.
    ///
    /// # Errors
    /// The table cannot be read, or the path is relative to a folder that is gone.
    pub(crate) fn of(
        outline: &Outline,
        path: &Path,
        present: &Present,
        local: DateTime,
    ) -> Result<Self, Error> {
        let facts = Facts::gather(outline, path, (present.now, local))?;
        let conclusion = Conclusion::of(&facts);
        Ok(Self {
            lines: report::lines(&facts, &conclusion, present),
            object: report::object(&facts, &conclusion, present),
        })
    }
}
