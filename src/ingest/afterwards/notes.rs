//! The notes beside a video: why it failed, and the key of what became of it.
//!
//! They are written whole or not at all, and never over a file that jw-ingest did not write.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::companions::beside;
use super::files::hidden;
use crate::beneath::{Kind, Place};
use crate::config::Watch;
use crate::platform::Status;
use crate::queue::Job;
use crate::queue::afterwards::Case;
use crate::watch::reach;
use crate::watch::select::NOTES;
use crate::{clock, text};

/// How the note of a failure begins; by this it is known for one of ours.
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
pub(super) fn write_failure(watch: Option<&Watch>, job: &Job) -> io::Result<PathBuf> {
    let note = of_failure(&job.path);
    let place = reach::place(watch, &note)?;
    write(&place, failure(job).as_bytes(), job)?;
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

fn failure(job: &Job) -> String {
    let name = job.path.file_name().unwrap_or_default();
    let name = text::path(Path::new(name));
    let why = job.last_error.as_deref().unwrap_or("no reason was given");
    let at = job.finished_at.unwrap_or(job.created_at);
    let (id, why, at) = (job.id, text::line(why), clock::text(at));
    format!(
        "{MARK}\n\nFile:    {name}\nWhy:     {why}\nWhen:    {at} (UTC)\nJob:     {id}\n\nWhat to do: fix the cause, then delete this note. The upload is retried\nwithin a minute. \"jw-ingest job {id}\" shows every attempt. If the file itself is damaged,\nput a good copy in its place; it is uploaded by itself.\n"
    )
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
    format!("{shown} is {kind}, not a note of jw-ingest; move it away")
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
    content.starts_with(MARK.as_bytes())
        || serde_json::from_slice::<Value>(&content).is_ok_and(|value| value.get(KEY).is_some())
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

    #[test]
    fn only_a_note_of_ours_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4.jw.json");
        for (content, expected) in [
            (format!("{MARK}\nmore"), true),
            (format!("{{\"{KEY}\": 7}}"), true),
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
        fs::write(&ours, MARK).unwrap();
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
