//! The notes beside a video: why it failed, and the key of what became of it.
//!
//! They are written whole or not at all, and never over a file that jw-ingest did not write, or that a person has changed
//! since: each has a checksum of itself.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::beside::beside;
use super::hiding::hidden;
use crate::beneath::{Kind, Place};
use crate::config::Watch;
use crate::platform::Status;
use crate::queue::Job;
use crate::queue::afterwards::Case;
use crate::watch::reach;
use crate::watch::select::NOTES;
use crate::{clock, text};

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
    write(&place, &failure(case), &case.job)?;
    Ok(note)
}

/// Writes the key of the job's video.
pub(super) fn write_key(watch: &Watch, case: &Case, title: &str) -> io::Result<()> {
    let note = reach::place(Some(watch), &beside(&case.job.path, NOTES[1]))?;
    write(&note, &key(case, title)?, &case.job)
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

/// The note of a failure. Each line is known by what is around its `{}`.
const FAILURE: &str = "\
jw-ingest: this video was not uploaded.

File:    {}
Why:     {}
When:    {} (UTC)
Job:     {}

What to do: fix the cause, then delete this note. The upload is retried
within a minute. \"jw-ingest job {}\" shows every attempt. If the file itself is damaged,
put a good copy into {}; it is uploaded by itself.
";

/// The last line of an earlier release.
const GOOD_COPY_BEFORE: &str = "put a good copy in its place; it is uploaded by itself.";

/// What stands before the checksum of a note: at its end, and in the note of a key.
const SEALS: [&str; 2] = ["\nChecksum: ", "\"checksum\": \""];

/// In the place of the checksum while it is computed.
const BLANK: &str = "00000000000000000000000000000000";

fn failure(case: &Case) -> String {
    let job = &case.job;
    let name = job.path.file_name().unwrap_or_default();
    let why = job.last_error.as_deref().unwrap_or("no reason was given");
    let at = job.finished_at.unwrap_or(job.created_at);
    // The file itself may be moved to a folder that no watch looks at.
    let watched = case.row.came_from.as_ref().unwrap_or(&job.path);
    let facts = [
        text::path(Path::new(name)),
        text::line(why),
        clock::text(at),
        job.id.to_string(),
        job.id.to_string(),
        text::path(watched.parent().unwrap_or(watched)),
    ];
    let mut parts = FAILURE.split("{}");
    let mut note = parts.next().unwrap_or_default().to_owned();
    for (fact, part) in facts.iter().zip(parts) {
        note.push_str(fact);
        note.push_str(part);
    }
    note + SEALS[0] + BLANK + "\n"
}

fn key(case: &Case, title: &str) -> io::Result<String> {
    let video = &case.original;
    let note = json!({
        KEY: case.job.id.0,
        "file": case.job.path.file_name().map(|name| name.to_string_lossy()),
        "video_key": video.video_key,
        "title": title,
        "status": video.platform.as_ref().map(Status::word),
        "uploaded_at": video.sent_at.map(clock::text),
        "ready_at": video.finished_at.map(clock::text),
        "duplicate_of_job": case.job.duplicate_of,
        "checksum": BLANK,
    });
    Ok(text::json_pretty(&note)? + "\n")
}

/// Puts the checksum of a note into it: a note is ours as long as it has the very bytes that were written.
fn seal(note: &str) -> String {
    match sealed(note) {
        Some((start, _, end)) => format!("{start}{}{end}", checksum(note)),
        None => note.to_owned(),
    }
}

/// What is before the checksum of a note, that, and what is behind it.
fn sealed(note: &str) -> Option<(&str, &str, &str)> {
    let at = SEALS
        .iter()
        .filter_map(|seal| Some(note.rfind(seal)? + seal.len()));
    let (start, rest) = note.split_at_checked(at.max()?)?;
    let (sum, end) = rest.split_at_checked(BLANK.len())?;
    Some((start, sum, end))
}

fn checksum(note: &str) -> String {
    crate::hex::lower(&Md5::digest(note.as_bytes()))
}

/// Whether a note has the very bytes that were written, or those that an earlier release may have written, without a
/// checksum.
fn is_note(note: &str) -> bool {
    match sealed(note) {
        Some((start, sum, end)) => checksum(&format!("{start}{BLANK}{end}")) == sum,
        None => {
            is_failure_before(note)
                || serde_json::from_str::<Value>(note).is_ok_and(|value| is_key_before(&value))
        }
    }
}

/// Whether that is all that the note of a failure of an earlier release says: what a person added must stay.
fn is_failure_before(note: &str) -> bool {
    let fits = |(line, pattern): (&str, &str)| match pattern.split_once("{}") {
        Some((start, end)) => {
            let rest = line.strip_prefix(start);
            rest.is_some_and(|rest| rest.ends_with(end))
        }
        None => line == pattern,
    };
    let count = FAILURE.lines().count();
    note.ends_with('\n')
        && note.lines().count() == count
        && (note.lines().zip(FAILURE.lines()).all(fits)
            || note.lines().last() == Some(GOOD_COPY_BEFORE)
                && note.lines().zip(FAILURE.lines()).take(count - 1).all(fits))
}

/// What the note of a key of an earlier release says.
const SAID_BEFORE: [&str; 8] = [
    KEY,
    "file",
    "video_key",
    "title",
    "status",
    "uploaded_at",
    "ready_at",
    "duplicate_of_job",
];

/// Whether this is all that it says: what a person added must stay.
fn is_key_before(note: &Value) -> bool {
    note.as_object().is_some_and(|note| {
        note.contains_key(KEY) && note.keys().all(|key| SAID_BEFORE.contains(&key.as_str()))
    })
}

fn write(note: &Place, content: &str, job: &Job) -> io::Result<()> {
    let draft = hidden(note, &job.ingest_id, "note");
    drop(draft.remove());
    let outcome =
        draw_up(&draft, seal(content).as_bytes()).and_then(|()| match draft.rename_new(note) {
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
    str::from_utf8(&content).is_ok_and(is_note)
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

    /// As an earlier release wrote it.
    fn failed(last: &str) -> String {
        let facts = ["a.mp4", "no", "2026-01-01", "7", "7"];
        let mut note = FAILURE.to_owned();
        for fact in facts {
            note = note.replacen("{}", fact, 1);
        }
        note.replace("put a good copy into {}; it is uploaded by itself.", last)
    }

    const INTO: &str = "put a good copy into /srv/video; it is uploaded by itself.";

    #[test]
    fn only_a_note_of_ours_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4.jw.json");
        for (content, expected) in [
            (failed(INTO), true),
            (failed(GOOD_COPY_BEFORE), true),
            (
                failed(GOOD_COPY_BEFORE) + "Anna: I called them, wait for their mail\n",
                false,
            ),
            (
                failed(GOOD_COPY_BEFORE).replace("Job: ", "Anna: wait\nJob: "),
                false,
            ),
            (failed(INTO).replace("video;", "\nAnna: wait;"), false),
            (failed(INTO).replace("not uploaded", "mine"), false),
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

    /// Wherever a person changes a note, it is not ours any more.
    #[test]
    fn a_note_that_was_changed_in_any_place_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4.failed.txt");
        let failure = failed(INTO) + SEALS[0] + BLANK + "\n";
        let key = format!(
            "{{\n  \"{KEY}\": 7,\n  \"checksum\": \"{BLANK}\",\n  \"title\": \"a \\\"checksum\\\": \\\"\"\n}}\n"
        );
        for note in [failure, key].map(|note| seal(&note)) {
            assert!(!note.contains(BLANK), "{note}");
            fs::write(&path, &note).unwrap();
            assert!(is_ours(&path), "{note}");
            for at in 0..note.len() {
                let mut changed = note.clone();
                changed.insert(at, '1');
                fs::write(&path, &changed).unwrap();
                assert!(!is_ours(&path), "{changed}");
                changed.replace_range(at..at + 2, "~");
                fs::write(&path, &changed).unwrap();
                assert!(!is_ours(&path), "{changed}");
            }
            fs::write(&path, note + "\n").unwrap();
            assert!(!is_ours(&path));
        }
    }

    #[test]
    fn what_is_no_file_is_no_note_and_waits_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("a.mp4.failed.txt");
        fs::write(&ours, failed(INTO)).unwrap();
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
