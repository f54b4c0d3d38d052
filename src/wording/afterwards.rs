//! What becomes of a job's file, in one sentence.

use super::text;
use super::time::Present;
use crate::queue::afterwards::{Action, Row};

/// What became of the file, or will; nothing where it stays as a matter of course.
pub(crate) fn sentence(row: &Row, present: &Present) -> Option<String> {
    if let Some(outcome) = &row.outcome {
        let at = row.done_at.map(|at| format!(", {}", present.both(at)));
        return Some(format!("{}{}", text::line(outcome), at.unwrap_or_default()));
    }
    let due = row.due_at?;
    let will = match row.action {
        Action::Undecided | Action::None | Action::Keep => "is checked",
        Action::Move => "is moved to move-to",
        Action::Trash => "is moved to the trash",
        Action::Delete => "is deleted",
        Action::FailedDir => "is moved to failed-dir",
        Action::Back => "is moved back to where it was",
    };
    Some(match &row.last_error {
        Some(error) => format!(
            "the file {will} at the next attempt, {}; so far: {}",
            present.both(due),
            text::line(error)
        ),
        None if due > present.now => format!("the file {will} {}", present.both(due)),
        None => format!("the file {will} now"),
    })
}
