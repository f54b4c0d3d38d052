//! Resumable uploads in progress, as files: `DIR/resumable/<session>` holds the bytes, and
//! `<session>.state` says which of them count.
//!
//! Invariant: a range is in the state only when all of its bytes are in the file. A segment that
//! was cut off, or that a killed sandbox was putting in its place, never was.
//!
//! Like the upload module, this knows sessions and nothing of videos: a request that names a new
//! session begins one, even if it is one that ended.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::ranges::{Ranges, Span};
use super::segment::Place;
use super::sink::Received;
use super::store::held;
use super::token;

/// The sessions that are open.
pub(super) struct Sessions {
    /// Its files' names are credentials: mode 0700.
    dir: PathBuf,
    /// Where a file goes when it is complete.
    whole: PathBuf,
    /// Seconds from a session's first segment to its end.
    lifetime: i64,
    /// Held while a segment is put in its place.
    turn: Mutex<()>,
}

/// What came of a segment.
#[derive(Debug)]
pub(super) enum Added {
    /// It counts, and there is more to come: the list of what is there.
    Incomplete(String),
    /// It was the last one. The session is over; the file is the caller's.
    Complete(PathBuf),
    /// It does not fit the session, which stays as it was.
    RolledBack,
}

#[derive(Serialize, Deserialize)]
struct State {
    /// UNIX seconds.
    opened: i64,
    total: u64,
    ranges: Ranges,
}

impl Sessions {
    /// Opens `DIR/resumable`; drops what is past its time (`now`, in UNIX seconds), and bytes that
    /// no state knows. Files that are complete go to `whole`.
    pub(super) fn open(dir: &Path, whole: PathBuf, lifetime: i64, now: i64) -> io::Result<Self> {
        let dir = dir.join("resumable");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let sessions = Self {
            dir,
            whole,
            lifetime,
            turn: Mutex::default(),
        };
        for entry in fs::read_dir(&sessions.dir)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            match name.split('.').next() {
                Some(session) if !session.is_empty() => {
                    // A state that cannot be read is not nothing: it fails its session for good.
                    if matches!(sessions.state(session, now), Ok(None)) {
                        sessions.forget(session)?;
                    }
                }
                _ => remove(&sessions.dir.join(name))?,
            }
        }
        Ok(sessions)
    }

    /// Puts a segment in its place. Blocks on the disk.
    pub(super) fn add(
        &self,
        session: &str,
        place: Place,
        piece: &Received,
        now: i64,
    ) -> io::Result<Added> {
        let _turn = held(&self.turn);
        let known = self.state(session, now)?;
        if known.is_none() {
            self.forget(session)?;
        }
        let mut state = known.unwrap_or_else(|| State {
            opened: now,
            total: place.total,
            ranges: Ranges::default(),
        });
        if state.total != place.total {
            return Ok(Added::RolledBack);
        }
        let Ok(ranges) = state.ranges.with(place.span) else {
            return Ok(Added::RolledBack);
        };
        self.write(session, place.span, piece)?;
        state.ranges = ranges;
        if !state.ranges.whole(state.total) {
            self.note(session, &state)?;
            return Ok(Added::Incomplete(state.ranges.text(state.total)));
        }
        remove(&self.state_path(session))?;
        let file = self.whole.join(token::alphanumeric(16));
        fs::rename(self.bytes_path(session), &file)?;
        Ok(Added::Complete(file))
    }

    fn write(&self, session: &str, span: Span, piece: &Received) -> io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.bytes_path(session))?;
        file.seek(SeekFrom::Start(span.first))?;
        io::copy(&mut piece.open()?, &mut file)?;
        Ok(())
    }

    /// What is known of a session; nothing where there is none or it is past its time.
    fn state(&self, session: &str, now: i64) -> io::Result<Option<State>> {
        let text = match fs::read(self.state_path(session)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let state: State = serde_json::from_slice(&text)?;
        let alive = now.saturating_sub(state.opened) <= self.lifetime;
        Ok(alive.then_some(state))
    }

    /// Writes the state down, all or nothing.
    fn note(&self, session: &str, state: &State) -> io::Result<()> {
        // No session has a full stop in its name.
        let fresh = self.dir.join(".new");
        fs::write(&fresh, serde_json::to_vec(state)?)?;
        fs::rename(fresh, self.state_path(session))
    }

    fn forget(&self, session: &str) -> io::Result<()> {
        remove(&self.state_path(session))?;
        remove(&self.bytes_path(session))
    }

    fn bytes_path(&self, session: &str) -> PathBuf {
        self.dir.join(session)
    }

    fn state_path(&self, session: &str) -> PathBuf {
        self.dir.join(format!("{session}.state"))
    }
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
