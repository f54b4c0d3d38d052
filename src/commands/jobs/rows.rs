//! The rows of the table of jobs.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::super::context::Screen;
use crate::commands::table::{self, Column};
use crate::queue::accounts::Paused;
use crate::queue::clocks::Skewed;
use crate::queue::query::Progress;
use crate::queue::story::{self, Other};
use crate::queue::{Job, JobId};
use crate::wording::cells;
use crate::wording::standing::Around;
use crate::wording::text;
use crate::wording::time::Present;

/// A terminal is too narrow for everything side by side: what is wrong comes below.
pub(super) fn for_a_terminal(rows: &[Row], width: u16, screen: &mut Screen) -> io::Result<()> {
    let one_watch = rows
        .iter()
        .all(|row| rows.first().map(|row| &row[WATCH]) == Some(&row[WATCH]));
    let columns = (0..COLUMNS.len())
        .filter(|column| !(matches!(*column, TRIES | WRONG) || one_watch && *column == WATCH));
    screen.line(select_columns(rows, columns, Some(width)))?;
    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| !row[WRONG].is_empty())
        .cloned()
        .collect();
    if !wrong.is_empty() {
        screen.line("")?;
        screen.line(select_columns(&wrong, [ID, TRIES, WRONG], Some(width)))?;
    }
    Ok(())
}

/// The table of all columns, for a pipe or a file.
pub(super) fn in_full(rows: &[Row]) -> String {
    select_columns(rows, 0..COLUMNS.len(), None)
}

/// The table of some of the columns.
fn select_columns(
    rows: &[Row],
    columns: impl IntoIterator<Item = usize>,
    width: Option<u16>,
) -> String {
    let columns: Vec<_> = columns.into_iter().collect();
    let cells = |row: &Row| {
        columns
            .iter()
            .filter_map(|at| row.get(*at).cloned())
            .collect()
    };
    let headings: Vec<_> = columns
        .iter()
        .filter_map(|at| COLUMNS.get(*at).copied())
        .collect();
    table::lay_out(&headings, rows.iter().map(cells).collect(), width)
}

const COLUMNS: [Column; 10] = [
    Column::Number("ID"),
    Column::Text("WATCH"),
    Column::Text("FILE"),
    Column::Number("SIZE"),
    Column::Word("STATE"),
    Column::Text("STEP"),
    Column::Word("KEY"),
    Column::Number("ATTEMPTS"),
    Column::Word("WHEN"),
    Column::Text("PROBLEM"),
];
const ID: usize = 0;
const WATCH: usize = 1;
const TRIES: usize = 7;
const WRONG: usize = 9;

/// The cells of one job, one for each of [`COLUMNS`].
pub(super) type Row = [String; COLUMNS.len()];

/// What the rows need beside the jobs.
pub(super) struct View<'a> {
    pub(super) ahead: HashMap<JobId, usize>,
    pub(super) neighbours: HashMap<i64, Other>,
    pub(super) progress: HashMap<JobId, Progress>,
    pub(super) paused: Vec<Paused>,
    pub(super) clocks: Vec<Skewed>,
    pub(super) daemon: Option<bool>,
    pub(super) folders: HashMap<&'a str, PathBuf>,
}

impl View<'_> {
    pub(super) fn row(&self, job: &Job, present: &Present) -> Row {
        let around = Around {
            present,
            progress: self.progress.get(&job.id),
            paused: self.paused.iter().find(|p| p.account == job.account),
            daemon: self.daemon,
            neighbour: story::neighbour(job).and_then(|id| self.neighbours.get(&id)),
        };
        // A duplicate has the video of its original.
        let original = around.neighbour.filter(|_| job.duplicate_of.is_some());
        let key = original.map_or(&job.video_key, |other| &other.video_key);
        [
            job.id.to_string(),
            text::line(&job.watch),
            text::path(self.below_its_folder(job)),
            text::size(job.identity.size),
            job.standing().state_word().to_owned(),
            cells::step(job, around),
            key.clone().unwrap_or_default(),
            job.attempts.to_string(),
            self.when(job, around),
            text::line(job.last_error.as_deref().unwrap_or_default()),
        ]
    }

    /// When something happens next, and what goes before that.
    fn when(&self, job: &Job, around: Around<'_>) -> String {
        let when = cells::when(job, around);
        match self.ahead.get(&job.id) {
            Some(ahead) if *ahead > 0 => format!("{when}, {ahead} ahead"),
            _ => when,
        }
    }

    /// The path below the watch folder, which the column WATCH names; else the whole path.
    fn below_its_folder<'a>(&self, job: &'a Job) -> &'a Path {
        self.folders
            .get(job.watch.as_str())
            .and_then(|folder| job.path.strip_prefix(folder).ok())
            .unwrap_or(&job.path)
    }
}
