//! What follows an upload: what is sent to the platform beside the bytes, and what becomes of the
//! file.

use super::Fact;
use crate::queue::story::{Afterwards, Story, Told};
use crate::wording::text;
use crate::wording::time::Present;

/// The facts.
pub(super) fn facts(story: &Story, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    if let Some(row) = &story.metadata {
        told.extend(metadata(row, present));
    }
    if let Some(row) = &story.afterwards {
        told.extend(tell_afterwards(row, present));
    }
    told
}

fn metadata(row: &Told, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    let at = row.updated_at.unwrap_or(present.now);
    match &row.last_error {
        Some(error) => {
            let tries = match row.attempts {
                0 | 1 => String::new(),
                many => format!(" ({many} attempts)"),
            };
            let text = format!("not sent to the platform{tries}: {}", text::line(error));
            told.push(Fact::new(at, "metadata", text));
        }
        None if !row.is_told => {}
        None if row.has_sidecar => {
            let text =
                "its title and other metadata were sent to the platform, as its sidecar says";
            told.push(Fact::new(at, "metadata", text));
        }
        None => {
            let text = "its title and other metadata were sent to the platform; no sidecar adds to \
                        them";
            told.push(Fact::new(at, "metadata", text));
        }
    }
    if let Some(due) = row.due_at {
        let text = "its sidecar is compared with what was sent to the platform";
        told.push(Fact::new(due.max(present.now), "metadata", text));
    }
    told
}

fn tell_afterwards(row: &Afterwards, present: &Present) -> Vec<Fact> {
    let mut told = Vec::new();
    if let Some(error) = &row.last_error {
        let text = format!(
            "{} (tried {} so far)",
            text::line(error),
            times(row.attempts)
        );
        told.push(Fact::new(present.now, "afterwards", text));
    }
    if let Some(outcome) = &row.outcome {
        let at = row.done_at.unwrap_or(present.now);
        told.push(Fact::new(at, "afterwards", text::line(outcome)));
    }
    if let Some(place) = &row.moved_to {
        let at = row.done_at.unwrap_or(present.now);
        let text = format!("it is at {} now", text::path(place));
        told.push(Fact::new(at, "afterwards", text));
    }
    if let Some((due, plan)) = row.due_at.zip(tell_plan(&row.action)) {
        told.push(Fact::new(due.max(present.now), "afterwards", plan));
    }
    if let Some(note) = &row.note {
        let text = format!("its note: {}", text::path(note));
        told.push(Fact::new(present.now, "note", text));
    }
    told
}

fn times(number: i64) -> String {
    match number {
        1 => "once".to_owned(),
        many => format!("{many} times"),
    }
}

/// What will happen to the file, by the word in the table; nothing, if nothing will.
fn tell_plan(action: &str) -> Option<String> {
    let what = match action {
        "none" | "keep" => return None,
        "undecided" => return Some("jw-ingest decides what happens to the file".to_owned()),
        "move" => "it is moved to the folder for uploaded files (after-upload)".to_owned(),
        "trash" => "it is put into the trash (after-upload)".to_owned(),
        "delete" => "it is deleted (after-upload)".to_owned(),
        "failed-dir" => "it is moved to failed-dir".to_owned(),
        "back" => "it is moved back to where it was".to_owned(),
        other => text::line(other),
    };
    Some(format!("{what}, if it is unchanged by then"))
}
