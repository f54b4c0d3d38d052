//! The notes beside a video: why it failed, and the key of what became of it.
//!
//! They are written whole or not at all, and never over a file that jw-ingest did not write.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::companions::beside;
use super::hiding::hidden;
use crate::beneath::{Kind, Place};
use crate::config::Watch;
use crate::platform::Status;
use crate::queue::Job;
use crate::queue::afterwards::Case;
use crate::watch::reach;
use crate::watch::select::NOTES;
use crate::{clock, text};

/// How the note of a failure begins.
const MARK: &str = "jw-ingest: this video was not uploaded.";

/// The key in the other note by which that is known for one of ours.
const KEY: &str = "jw_ingest_job";

/// Longer than any note of ours, bytes.
const LONGEST: u64 = 64 * 1024;

/// The name of the note of a failure.
pub(super) fn of_failure(video: &Path) -> PathBuf {
    beside(video, NOTES[0])
}

/// Writes why the job failed; answers where.
pub(super) fn write_failure(watch: Option<&Watch>, case: &Case) -> io::Result<PathBuf> {
    let note = of_failure(&case.job.path);
    let place = reach::place(watch, &note)?;
    write(&place, failure(case).as_bytes(), &case.job)?;
    Ok(note)
}

/// Writes the key of the job's video.
pub(super) fn write_key(watch: &Watch, case: &Case, title: &str) -> io::Result<()> {
    let note = reach::place(Some(watch), &beside(&case.job.path, NOTES[1]))?;
    let text = text::json_pretty(&key(case, title))? + "\n";
    write(&note, text.as_bytes(), &case.job)
}

/// Removes a note, if it is one of ours.
pub(super) fn remove(watch: Option<&Watch>, note: &Path) {
    if let Ok(note) = reach::place(watch, note)
        && is_ours(&note)
    {
        // Should it stay, it is no more than a note too many.
        drop(note.remove());
    }
}

fn failure(case: &Case) -> String {
    let job = &case.job;
    let name = job.path.file_name().unwrap_or_default();
    let name = text::path(Path::new(name));
    let why = job.last_error.as_deref().unwrap_or("no reason was given");
    let at = job.finished_at.unwrap_or(job.created_at);
    let (id, why, at) = (job.id, text::line(why), clock::text(at));
    // The file itself may be moved to a folder that no watch looks at.
    let watched = case.row.came_from.as_ref().unwrap_or(&job.path);
    let folder = text::path(watched.parent().unwrap_or(watched));
    format!(
        "{MARK}\n\nFile:    {name}\nWhy:     {why}\nWhen:    {at} (UTC)\nJob:     {id}\n\n{}{GOOD_COPY} {folder}; it is uploaded by itself.\n",
        WHAT_TO_DO.replace("{id}", &id.to_string())
    )
}

/// What follows the facts; by it, too, a note is known for one of ours.
const WHAT_TO_DO: &str = "What to do: fix the cause, then delete this note. The upload is retried\nwithin a minute. \"jw-ingest job {id}\" shows every attempt. If the file itself is damaged,\n";

/// Before the folder in which a good copy is looked for.
const GOOD_COPY: &str = "put a good copy into";

/// What an earlier release said in its place.
const GOOD_COPY_BEFORE: &str = "put a good copy in its place; it is uploaded by itself.\n";

/// Whether that is all that a note of a failure says: what a person added must stay.
fn is_failure(note: &str) -> bool {
    let facts = |line: &str| {
        ["File:    ", "Why:     ", "When:    ", "Job:     "]
            .iter()
            .any(|fact| line.starts_with(fact))
    };
    let Some((head, rest)) = note.split_once("\n\n") else {
        return false;
    };
    let Some((told, to_do)) = rest.split_once("\n\n") else {
        return false;
    };
    let id = told
        .lines()
        .find_map(|line| line.strip_prefix("Job:     "))
        .unwrap_or_default();
    let Some(last) = to_do.strip_prefix(&WHAT_TO_DO.replace("{id}", id)) else {
        return false;
    };
    let names_a_folder = last.starts_with(GOOD_COPY)
        && last.ends_with("; it is uploaded by itself.\n")
        && last.lines().count() == 1;
    head == MARK
        && told.lines().count() == 4
        && told.lines().all(facts)
        && (names_a_folder || last == GOOD_COPY_BEFORE)
}

/// What the note of a key tells.
const TOLD: [&str; 8] = [
    KEY,
    "file",
    "video_key",
    "title",
    "status",
    "uploaded_at",
    "ready_at",
    "duplicate_of_job",
];

/// Whether this is all that a note of a key tells: what a person added must stay.
fn is_key(note: &Value) -> bool {
    note.as_object().is_some_and(|note| {
        note.contains_key(KEY) && note.keys().all(|key| TOLD.contains(&key.as_str()))
    })
}

fn key(case: &Case, title: &str) -> Value {
    let video = &case.original;
    json!({
        KEY: case.job.id.0,
        "file": case.job.path.file_name().map(|name| name.to_string_lossy()),
        "video_key": video.video_key,
        "title": title,
        "status": video.platform.as_ref().map(Status::word),
        "uploaded_at": video.sent_at.map(clock::text),
        "ready_at": video.finished_at.map(clock::text),
        "duplicate_of_job": case.job.duplicate_of,
    })
}

fn write(note: &Place, content: &[u8], job: &Job) -> io::Result<()> {
    let draft = hidden(note, &job.ingest_id, "note");
    drop(draft.remove());
    let outcome = draw_up(&draft, content).and_then(|()| match draft.rename_new(note) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if is_ours(note) {
                Ok(draft.rename_over(note)?)
            } else {
                Err(io::Error::new(error.kind(), foreign(note)))
            }
        }
        outcome => Ok(outcome?),
    });
    if outcome.is_err() {
        drop(draft.remove());
    }
    outcome
}

/// What has the name of a note and is none.
fn foreign(note: &Place) -> String {
    let kind = note.metadata().map(|meta| Kind::of_metadata(&meta));
    let kind = kind.map_or("something that cannot be looked at", Kind::words);
    let shown = text::path(Path::new(note.name()));
    format!("{shown} is {kind}, not a note as jw-ingest wrote it; move it away")
}

fn draw_up(draft: &Place, content: &[u8]) -> io::Result<()> {
    let mut file = draft.create(0o666)?;
    file.write_all(content)?;
    file.sync_all()
}

fn is_ours(note: &Place) -> bool {
    let Ok(file) = note.open() else {
        return false;
    };
    let mut content = Vec::new();
    if file.take(LONGEST).read_to_end(&mut content).is_err() {
        return false;
    }
    str::from_utf8(&content).is_ok_and(is_failure)
        || serde_json::from_slice::<Value>(&content).is_ok_and(|value| is_key(&value))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn is_ours(path: &Path) -> bool {
        super::is_ours(&reach::place(None, path).unwrap())
    }

    fn failed(last: &str) -> String {
        let facts = "File:    a.mp4\nWhy:     no\nWhen:    2026-01-01 (UTC)\nJob:     7";
        let to_do = WHAT_TO_DO.replace("{id}", "7");
        format!("{MARK}\n\n{facts}\n\n{to_do}{last}")
    }

    #[test]
    fn only_a_note_of_ours_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4.jw.json");
        for (content, expected) in [
            (
                failed(&format!(
                    "{GOOD_COPY} /srv/video; it is uploaded by itself.\n"
                )),
                true,
            ),
            (failed(GOOD_COPY_BEFORE), true),
            (
                failed(GOOD_COPY_BEFORE) + "Anna: I called them, wait for their mail\n",
                false,
            ),
            (
                failed(GOOD_COPY_BEFORE).replace("Job: ", "Anna: wait\nJob: "),
                false,
            ),
            (
                failed(&format!(
                    "{GOOD_COPY} /srv\nAnna: wait; it is uploaded by itself.\n"
                )),
                false,
            ),
            (format!("{MARK}\nmore"), false),
            (format!("{{\"{KEY}\": 7, \"title\": \"News\"}}"), true),
            (format!("{{\"{KEY}\": 7, \"remark\": \"mine\"}}"), false),
            ("{\"title\": \"mine\"}".to_owned(), false),
            ("buy milk".to_owned(), false),
            (String::new(), false),
        ] {
            fs::write(&path, &content).unwrap();
            assert_eq!(is_ours(&path), expected, "{content}");
        }
        fs::remove_file(&path).unwrap();
        assert!(!is_ours(&path));
    }

    #[test]
    fn what_is_no_file_is_no_note_and_waits_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("a.mp4.failed.txt");
        fs::write(&ours, failed(GOOD_COPY_BEFORE)).unwrap();
        let [pipe, link, directory] =
            ["pipe", "link", "directory"].map(|name| folder.path().join(name));
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink(&ours, &link).unwrap();
        fs::create_dir(&directory).unwrap();
        let (done, answers) = mpsc::channel();
        let paths = [pipe.clone(), link, directory];
        // A thread of its own: one that hangs must fail the test, not to stop it.
        thread::spawn(move || done.send(paths.map(|path| is_ours(&path))));
        let answer = answers.recv_timeout(Duration::from_secs(20));
        assert_eq!(answer, Ok([false; 3]));
        remove(None, &pipe);
        assert!(fs::symlink_metadata(&pipe).is_ok());
    }
}
