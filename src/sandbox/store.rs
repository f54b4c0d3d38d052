//! What the stand-in remembers: its videos, the signatures it has seen, and its S3 keys.
//!
//! All of it is in memory and, line by line, in `index.jsonl`: every change is appended before it
//! counts, so a sandbox that was killed knows what it had answered for. On opening, the file is
//! read and written again without what has been superseded. The bytes lie beside it:
//!
//! ```text
//! DIR/index.jsonl            mode 0600: it holds upload tokens
//! DIR/media/<key>/original   the file as received
//! DIR/media/<key>/parts/     parts of a v2 upload (`parts`), until they are joined
//! DIR/incoming/              uploads in progress; emptied on start
//! DIR/resumable/             active resumable uploads (`sessions`); they continue after a start
//! DIR/lock                   held while a sandbox uses the folder
//! ```
//!
//! Nothing is synced to the disk: a killed process loses nothing by that, a power cut may.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::journal::Journal;
use super::keys::Keys;
use super::refusal::{Code, Refusal};
use super::sink::Received;
use super::token;
use super::video::Video;

/// The state and its folder.
pub(super) struct Store {
    dir: PathBuf,
    keys: Keys,
    state: Mutex<State>,
    /// Dropping it lets the next sandbox in.
    _lock: File,
}

/// The part that changes.
#[derive(Default)]
struct State {
    videos: BTreeMap<String, Video>,
    deleted: BTreeSet<String>,
    signatures: HashMap<String, i64>,
    next: u64,
    journal: Option<Journal>,
}

/// One line of the index.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Keys(Keys),
    Video(Box<Video>),
    Deleted(Vec<String>),
    Signature { signature: String, at: i64 },
}

impl Store {
    /// Opens the folder, which is made if it is not there. `now` is in UNIX seconds.
    pub(super) fn open(dir: &Path, now: i64) -> io::Result<Self> {
        for part in [dir.to_owned(), dir.join("media"), dir.join("incoming")] {
            fs::create_dir_all(part)?;
        }
        let lock = File::create(dir.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another sandbox uses the folder",
            ),
            fs::TryLockError::Error(error) => error,
        })?;
        for left in fs::read_dir(dir.join("incoming"))? {
            match fs::remove_file(left?.path()) {
                // An upload of the run before this one may be clearing up after itself.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let index = dir.join("index.jsonl");
        let mut state = State::default();
        let mut keys = None;
        for line in Journal::read(&index)? {
            match line {
                Line::Keys(found) => keys = Some(found),
                other => state.apply(other),
            }
        }
        state
            .signatures
            .retain(|_, at| now.saturating_sub(*at) < SIGNATURE_MEMORY_S);
        let keys = keys.unwrap_or_else(Keys::new);
        state.journal = Some(Journal::replace(&index, state.lines(&keys))?);
        Ok(Self {
            dir: dir.to_owned(),
            keys,
            state: Mutex::new(state),
            _lock: lock,
        })
    }

    /// The credentials of the S3 side.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Where uploads in progress are kept.
    pub(super) fn incoming(&self) -> PathBuf {
        self.dir.join("incoming")
    }

    /// Where the parts of a v2 upload lie until they are joined; they go with their video.
    pub(super) fn parts(&self, key: &str, upload: &str) -> PathBuf {
        self.dir.join("media").join(key).join("parts").join(upload)
    }

    /// Where the received file of a video is.
    pub(super) fn original(&self, key: &str) -> PathBuf {
        self.dir.join("media").join(key).join("original")
    }

    /// One video as it is now.
    pub(super) fn video(&self, key: &str) -> Option<Video> {
        held(&self.state).videos.get(key).cloned()
    }

    /// Looks at all videos, and at the keys of those that were deleted.
    pub(super) fn read<R>(
        &self,
        look: impl FnOnce(&BTreeMap<String, Video>, &BTreeSet<String>) -> R,
    ) -> R {
        let state = held(&self.state);
        look(&state.videos, &state.deleted)
    }

    /// Remembers a signature; `false` where it was used in the last 48 hours.
    pub(super) fn remember(&self, signature: &str, now: i64) -> io::Result<bool> {
        let mut state = held(&self.state);
        let fresh = |at: &i64| now.saturating_sub(*at) < SIGNATURE_MEMORY_S;
        if state.signatures.get(signature).is_some_and(fresh) {
            return Ok(false);
        }
        if state.signatures.len() > SIGNATURES_KEPT {
            state.signatures.retain(|_, at| fresh(at));
        }
        state.write(Line::Signature {
            signature: signature.to_owned(),
            at: now,
        })?;
        Ok(true)
    }

    /// Adds the video that `make` builds from a new key and a running number.
    pub(super) fn create(&self, make: impl FnOnce(String, u64) -> Video) -> io::Result<Video> {
        let mut state = held(&self.state);
        let mut key = token::alphanumeric(KEY_LENGTH);
        while state.videos.contains_key(&key) || state.deleted.contains(&key) {
            key = token::alphanumeric(KEY_LENGTH);
        }
        let video = make(key, state.next);
        state.write(Line::Video(Box::new(video.clone())))?;
        Ok(video)
    }

    /// Changes one video; nothing is changed where `change` refuses or the disk does.
    pub(super) fn change<E: From<Refusal>>(
        &self,
        key: &str,
        change: impl FnOnce(&mut Video) -> Result<(), E>,
    ) -> Result<Video, E> {
        let mut state = held(&self.state);
        let mut video = state.videos.get(key).cloned().ok_or_else(|| unknown(key))?;
        change(&mut video)?;
        let line = Line::Video(Box::new(video.clone()));
        state.write(line).map_err(Refusal::from)?;
        Ok(video)
    }

    /// Puts a received file in the place of what the video had, together with what `change` notes.
    ///
    /// A kill between the two leaves bytes that the index does not know, never the reverse.
    pub(super) fn take_in(
        &self,
        key: &str,
        received: Received,
        change: impl FnOnce(&mut Video) -> Result<(), Refusal>,
    ) -> Result<Video, Refusal> {
        self.change(key, |video| {
            change(video)?;
            video.received = video.received.saturating_add(1);
            let place = self.original(key);
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder)?;
            }
            received.keep(&place)?;
            Ok(())
        })
    }

    /// Deletes all of the videos, or none where one of them is unknown.
    pub(super) fn delete(&self, keys: &[String]) -> Result<(), Refusal> {
        let mut state = held(&self.state);
        if let Some(stranger) = keys.iter().find(|key| !state.videos.contains_key(*key)) {
            return Err(unknown(stranger));
        }
        state.write(Line::Deleted(keys.to_vec()))?;
        for key in keys {
            // A video that never got its file has no folder.
            if let Some(folder) = self.original(key).parent() {
                fs::remove_dir_all(folder).ok();
            }
        }
        Ok(())
    }
}

impl State {
    /// Writes a line down, then acts on it.
    fn write(&mut self, line: Line) -> io::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(&line)?;
        }
        self.apply(line);
        Ok(())
    }

    fn apply(&mut self, line: Line) {
        match line {
            Line::Keys(_) => {}
            Line::Video(video) => {
                self.next = self.next.max(video.number.saturating_add(1));
                self.videos.insert(video.key.clone(), *video);
            }
            Line::Deleted(keys) => {
                for key in keys {
                    self.videos.remove(&key);
                    self.deleted.insert(key);
                }
            }
            Line::Signature { signature, at } => {
                self.signatures.insert(signature, at);
            }
        }
    }

    fn lines(&self, keys: &Keys) -> Vec<Line> {
        let videos = self
            .videos
            .values()
            .map(|video| Line::Video(Box::new(video.clone())));
        let signatures = self
            .signatures
            .iter()
            .map(|(signature, at)| Line::Signature {
                signature: signature.clone(),
                at: *at,
            });
        let deleted = Line::Deleted(self.deleted.iter().cloned().collect());
        [Line::Keys(keys.clone()), deleted]
            .into_iter()
            .chain(videos)
            .chain(signatures)
            .collect()
    }
}

/// Locks, even after a panic of another thread: every change is whole or not there.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unknown(key: &str) -> Refusal {
    Refusal::new(
        Code::NotFound,
        format!("video_key: Video with the key {key} does not exist"),
    )
}

const KEY_LENGTH: usize = 8;

/// Signatures are remembered for 48 hours (JW docs, v1 authentication), in seconds.
const SIGNATURE_MEMORY_S: i64 = 48 * 3600;

/// Above this many, those that are past their time are looked for at every call.
const SIGNATURES_KEPT: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::link::{Link, Method, Order};

    fn video(key: String, number: u64) -> Video {
        let order = Order::plain(Method::S3);
        Video {
            key,
            number,
            created: 1,
            edited: 1,
            fields: BTreeMap::new(),
            custom: BTreeMap::new(),
            link: Link::issue(order, 9, false),
            media: None,
            received: 0,
            pending: None,
            forced: None,
        }
    }

    #[test]
    fn a_restart_knows_videos_deletions_signatures_and_keys() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        let kept = store.create(video).unwrap().key;
        let gone = store.create(video).unwrap().key;
        store.delete(std::slice::from_ref(&gone)).unwrap();
        store
            .change::<Refusal>(&kept, |video| {
                video.received = 7;
                Ok(())
            })
            .unwrap();
        assert!(store.remember("one", 100).unwrap());
        let access = store.keys().access.clone();
        for _ in 0..2 {
            assert!(Store::open(dir.path(), 0).is_err(), "two at once");
        }
        drop(store);

        let store = Store::open(dir.path(), 100).unwrap();
        assert_eq!(store.video(&kept).unwrap().received, 7);
        assert!(store.video(&gone).is_none());
        assert!(store.read(|_, deleted| deleted.contains(&gone)));
        assert_eq!(store.keys().access, access);
        assert!(!store.remember("one", 100 + SIGNATURE_MEMORY_S - 1).unwrap());
        assert!(store.remember("one", 100 + SIGNATURE_MEMORY_S).unwrap());
        assert!(
            store.create(video).unwrap().number > 0,
            "the order continues"
        );
    }

    #[test]
    fn deleting_is_all_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        let key = store.create(video).unwrap().key;
        let refusal = store.delete(&[key.clone(), "absent00".into()]).unwrap_err();
        assert_eq!(refusal.code, Code::NotFound);
        assert!(store.video(&key).is_some());
    }
}
