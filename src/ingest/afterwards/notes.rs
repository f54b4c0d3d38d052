//! The notes beside a video: why it failed, and the key of what became of it.
//!
//! They are written whole or not at all, and never over a file that is somebody else's.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::companions::beside;
use super::files::hidden;
use super::names::rename_new;
use crate::queue::Job;
use crate::queue::afterwards::Case;
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
pub(super) fn write_failure(job: &Job) -> io::Result<PathBuf> {
    let note = of_failure(&job.path);
    write(&note, failure(job).as_bytes(), job)?;
    Ok(note)
}

/// Writes the key of the job's video.
pub(super) fn write_key(case: &Case, title: &str) -> io::Result<()> {
    let note = beside(&case.job.path, NOTES[1]);
    let text = format!("{:#}\n", key(case, title));
    write(&note, text.as_bytes(), &case.job)
}

/// Removes a note, if it is one of ours.
pub(super) fn remove(note: &Path) {
    if is_ours(note) {
        // Should it stay, it is no more than a note too many.
        drop(fs::remove_file(note));
    }
}

fn failure(job: &Job) -> String {
    let name = job.path.file_name().unwrap_or_default();
    let name = text::path(Path::new(name));
    let why = job.last_error.as_deref().unwrap_or("no reason was given");
    let at = job.finished_at.unwrap_or(job.created_at);
    let (id, why, at) = (job.id, text::line(why), clock::text(at));
    format!(
        "{MARK}\n\n\
         File:    {name}\n\
         Why:     {why}\n\
         When:    {at} (UTC)\n\
         Job:     {id}\n\n\
         What to do: put right what the reason says, then delete this note. The upload is then tried\n\
         again by itself, within a minute. \"jw-ingest job {id}\" shows every try. If the file itself is\n\
         of no use, put a whole one in its place; that one is uploaded without further ado.\n"
    )
}

fn key(case: &Case, title: &str) -> Value {
    let video = &case.original;
    json!({
        KEY: case.job.id.0,
        "file": case.job.path.file_name().map(|name| name.to_string_lossy()),
        "video_key": video.video_key,
        "title": title,
        "status": video.status,
        "uploaded_at": video.sent_at.map(clock::text),
        "ready_at": video.finished_at.map(clock::text),
        "duplicate_of_job": case.job.duplicate_of,
    })
}

fn write(note: &Path, content: &[u8], job: &Job) -> io::Result<()> {
    let draft = hidden(note, &job.ingest_id, "note");
    drop(fs::remove_file(&draft));
    let outcome = draw_up(&draft, content).and_then(|()| match rename_new(&draft, note) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if is_ours(note) {
                fs::rename(&draft, note)
            } else {
                Err(io::Error::new(
                    error.kind(),
                    "a file of that name is not a note of jw-ingest",
                ))
            }
        }
        outcome => outcome,
    });
    if outcome.is_err() {
        drop(fs::remove_file(&draft));
    }
    outcome
}

fn draw_up(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

fn is_ours(note: &Path) -> bool {
    // To open a pipe of that name would wait for its writer, for ever, and all files with it.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(note);
    let Ok(file) = opened else {
        return false;
    };
    let is_file = file.metadata().is_ok_and(|meta| meta.is_file());
    let mut content = Vec::new();
    if !is_file || file.take(LONGEST).read_to_end(&mut content).is_err() {
        return false;
    }
    content.starts_with(MARK.as_bytes())
        || serde_json::from_slice::<Value>(&content).is_ok_and(|value| value.get(KEY).is_some())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

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
        // A thread of its own: one that hangs is to fail the test, not to stop it.
        thread::spawn(move || done.send(paths.map(|path| is_ours(&path))));
        let answer = answers.recv_timeout(Duration::from_secs(20));
        assert_eq!(answer, Ok([false; 3]));
        remove(&pipe);
        assert!(fs::symlink_metadata(&pipe).is_ok());
    }
}
