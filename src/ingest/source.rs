//! The file behind a job: opening it, and knowing that it is still the one that settled.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use md5::{Digest, Md5};

use crate::beneath::{Error, Folder, Place};
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::identify::{Kind, fingerprint};
use crate::queue::Job;
use crate::watch::filesystem::{forget_pages, may_be_stale};
use crate::watch::reach;
use crate::watch::writer::{self, Writer};
use crate::{hex, text};

/// An open file that was, when it was opened, the one the job speaks of. All that is read of it is
/// read by this handle.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    place: Place,
    identity: Identity,
    /// Whether its attributes may stay the same though it was written to.
    may_be_stale: bool,
    /// What its samples were before anything was sent, and as what they were taken.
    samples: OnceLock<(String, Kind)>,
}

/// Why the file cannot be read now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// It was written, replaced or renamed since it settled.
    #[error(
        "the file changed after it had settled; its new content is uploaded as soon as it settles"
    )]
    Changed,
    /// Its ctime moved since it settled, and this is what it is now: by a `chmod`, a hard link, or a write with a
    /// forged mtime. What it says now has not rested yet.
    #[error(
        "a program touched the file after it had settled; it is uploaded once it has rested again"
    )]
    Touched(i64),
    /// A program writes it.
    #[error("a program has the file open for writing")]
    BeingWritten,
    /// It is no longer at its path.
    #[error("the file is gone: it was deleted, moved or renamed before it was uploaded")]
    Gone,
    /// Its whole folder is away: a share that is not mounted, a disk that is unplugged.
    #[error("the watched folder {} is not there; is its disk or share mounted?", folder.display())]
    Offline {
        /// The watched folder.
        folder: PathBuf,
    },
    /// A symbolic link is in the place of the watched folder, or of one above it.
    #[error("the watched folder {} is offline: {link}", text::path(folder))]
    OfflineByLink {
        /// The watched folder.
        folder: PathBuf,
        /// Which link.
        link: Error,
    },
    /// It cannot be opened or read.
    #[error("cannot read the file; if permission is denied, let the service's user read it")]
    Unreadable(#[source] io::Error),
    /// What was a folder on the way to it is a symbolic link.
    #[error(
        "cannot reach the file: {} is a symbolic link, which is not followed; put the folder itself there",
        text::path(.0)
    )]
    Linked(PathBuf),
    /// Its disk keeps us waiting.
    #[error("its disk or share has not answered for {:.0?}", .0)]
    Silent(Duration),
}

impl Source {
    /// Opens the job's file. `watch` is the one it came from, where that is still configured.
    pub(super) fn open(job: &Job, watch: Option<&Watch>) -> Result<Self, Problem> {
        let root = reach::root(watch, &job.path);
        let place = match reach::place(watch, &job.path) {
            Ok(place) => place,
            Err(Error::Link(link)) => return Err(Problem::Linked(link)),
            Err(error) => return Err(explain_unopened(error, job, root)),
        };
        Self::at(place, job, root)
    }

    /// Opens the job's file, which may have another name for the moment.
    pub(super) fn at(place: Place, job: &Job, root: Option<&Path>) -> Result<Self, Problem> {
        let file = place
            .open()
            .map_err(|error| explain_unopened(error, job, root))?;
        let identity = Identity::now(&file).map_err(Problem::Unreadable)?;
        if !identity.may_still_be(&job.identity) {
            return Err(Problem::Changed);
        }
        if matches!(writer::probe(&file), Writer::Present) {
            return Err(Problem::BeingWritten);
        }
        Ok(Self {
            may_be_stale: may_be_stale(&file),
            file,
            place,
            identity,
            samples: OnceLock::new(),
        })
    }

    /// The file, for reading.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The file, for a look at what it is by now. Where attributes may be stale it is opened again, because a handle that
    /// was open before may give the bytes that this machine remembers; what was renamed or deleted is read by the handle.
    pub(super) fn file_anew(&self) -> io::Result<File> {
        if !self.may_be_stale {
            return self.file();
        }
        let file = match self.place.open() {
            Ok(file) => file,
            Err(Error::Absent(_) | Error::Link(_) | Error::NotAFile(_)) => return self.file(),
            Err(error) => return Err(error.into_source()),
        };
        let now = Identity::now(&file)?;
        if now.ino != self.identity.ino && !now.may_still_be(&self.identity) {
            return self.file();
        }
        // Some FUSE servers let the kernel keep what it has read.
        forget_pages(&file);
        Ok(file)
    }

    /// Notes what its samples are, before anything of it is sent.
    pub(super) fn note_samples(&self, samples: String, kind: Kind) {
        self.samples.get_or_init(|| (samples, kind));
    }

    /// Where attributes prove nothing: whether its samples still are what they were before anything was sent.
    pub(super) fn check_samples(&self) -> Result<(), Problem> {
        let Some((known, kind)) = self.samples.get().filter(|_| self.may_be_stale) else {
            return Ok(());
        };
        let file = self.file_anew().map_err(Problem::Unreadable)?;
        match fingerprint(&file, self.size(), *kind) {
            Ok(now) if now == *known => Ok(()),
            Ok(_) => Err(Problem::Changed),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Problem::Changed),
            Err(error) => Err(Problem::Unreadable(error)),
        }
    }

    /// The samples of this file, as they were taken before anything of it was sent; none where that was not done.
    pub(super) fn samples_of(&self, file: &File) -> io::Result<Option<String>> {
        let kind = self.samples.get().map(|(_, kind)| *kind);
        kind.map(|kind| fingerprint(file, self.size(), kind))
            .transpose()
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.identity.bytes()
    }

    /// What it is now.
    pub(super) fn now(&self) -> Result<Identity, Problem> {
        Identity::now(&self.file).map_err(Problem::Unreadable)
    }

    /// Whether it cannot have been written since it had this identity, not even by a program that
    /// put its mtime back.
    pub(super) fn is_untouched_since(&self, then: &Identity) -> bool {
        self.identity.ino == then.ino && self.identity.ctime_ns == then.ctime_ns
    }

    /// Whether nothing can have been written to it since it settled, or since a later look from which it rested.
    pub(super) fn check_rested(&self, then: &Identity) -> Result<(), Problem> {
        if self.identity.ctime_ns == then.ctime_ns {
            Ok(())
        } else {
            Err(Problem::Touched(self.identity.ctime_ns))
        }
    }

    /// As [`check`](Self::check), for what must not have been touched either since it was opened.
    pub(super) fn check_unmoved(&self) -> Result<(), Problem> {
        match self.check()? {
            Freshness::Same => Ok(()),
            Freshness::Touched => Err(Problem::Touched(self.now()?.ctime_ns)),
        }
    }

    /// Whether what was read is the file that settled, and whole.
    pub(super) fn check(&self) -> Result<Freshness, Problem> {
        let asked = Identity::now_with_links(&self.file);
        let (open, links) = asked.map_err(Problem::Unreadable)?;
        if !open.may_still_be(&self.identity) {
            return Err(Problem::Changed);
        }
        let named = self.place.hold();
        let named = named.and_then(|held| {
            Identity::now(&held).map_err(|error| Error::of(self.place.path(), error))
        });
        match named {
            // Another file has its name, and it has none any more: it was replaced.
            Ok(now) if !now.may_still_be(&self.identity) && links == 0 => Err(Problem::Changed),
            Err(error) if !error.is_absence() => Err(Problem::Unreadable(error.into_source())),
            // Moved away or deleted after it was opened: that takes nothing from what was read.
            Ok(_) | Err(_) if open == self.identity => Ok(Freshness::Same),
            Ok(_) | Err(_) => Ok(Freshness::Touched),
        }
    }

    /// The first bytes of the file, at most `limit`.
    pub(super) fn start(&self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(limit.min(self.size())).unwrap_or_default()];
        let mut read = 0;
        // By offset: what else reads this file has the same position in it.
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self
                .file
                .read_at(rest, u64::try_from(read).unwrap_or(u64::MAX))?
            {
                0 => break,
                count => read += count,
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    /// MD5 of the file as it is now, lower-case hex. Reads all of it: not for the async runtime.
    /// `None`: broken off, because `stopped` says so.
    pub(super) fn md5(&self, stopped: &dyn Fn() -> bool) -> io::Result<Option<String>> {
        let file = self.file_anew()?;
        let mut hash = Md5::new();
        let mut buffer = vec![0; READ_AT_ONCE];
        let mut offset = 0;
        while !stopped() {
            let count = file.read_at(&mut buffer, offset)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(Some(hex::lower(&hash.finalize())));
            };
            hash.update(bytes);
            offset += u64::try_from(count).unwrap_or_default();
        }
        Ok(None)
    }
}

/// What a file was found to be after it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The very same.
    Same,
    /// Its ctime moved, as by a `chmod`, a rename, or a write with a forged mtime: only its content
    /// can tell.
    Touched,
}

/// Large enough that the calls cost nothing beside the hashing.
const READ_AT_ONCE: usize = 256 * 1024;

/// Why there is nothing to be read.
fn explain_unopened(error: Error, job: &Job, root: Option<&Path>) -> Problem {
    match error {
        Error::Absent(_) => absence((&job.path, &job.identity), root),
        // Another thing has its name.
        Error::Link(_) | Error::NotAFile(_) => Problem::Changed,
        link @ Error::RootLink(_) => Problem::OfflineByLink {
            folder: root.unwrap_or(Path::new("/")).to_owned(),
            link,
        },
        error => Problem::Unreadable(error.into_source()),
    }
}

/// A path that is not there: the file is gone, unless all of the folder is away.
pub(super) fn absence((path, then): (&Path, &Identity), root: Option<&Path>) -> Problem {
    let Some(root) = root.filter(|root| path.starts_with(root)) else {
        return Problem::Gone;
    };
    let folder = root.to_owned();
    let found = Folder::root(root).and_then(|root| {
        let meta = root.metadata()?;
        Ok((root, meta))
    });
    match found {
        // An unmounted share leaves its mount point, which is on another device.
        Ok((root, meta)) if meta.dev().cast_signed() == then.dev || has_entries(&root) => {
            Problem::Gone
        }
        Err(link @ Error::RootLink(_)) => Problem::OfflineByLink { folder, link },
        _ => Problem::Offline { folder },
    }
}

/// A mount point without its mount is empty; a folder on several devices is not.
pub(super) fn has_entries(folder: &Folder) -> bool {
    folder
        .list()
        .is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::beneath::tests::{flip_while, goes_on};
    use crate::queue::{self, enqueue};
    use crate::watch::tests::support;

    fn job(path: PathBuf, identity: Identity, folder: &Path) -> Job {
        let db = queue::open(&folder.join("jobs.db")).unwrap();
        let new = enqueue::NewJob {
            watch: "test".to_owned(),
            account: "main".to_owned(),
            identity,
            path,
            priority: 0,
        };
        enqueue::enqueue(&db, &new, crate::clock::now()).unwrap();
        queue::operator::by_id(&db, queue::JobId(1))
            .unwrap()
            .unwrap()
    }

    /// A file with this name, opened for its job.
    pub(in crate::ingest) fn open(path: &Path) -> Source {
        fs::write(path, "content").unwrap();
        let identity = Identity::of(&fs::metadata(path).unwrap());
        let job = job(path.to_owned(), identity, path.parent().unwrap());
        Source::open(&job, None).unwrap()
    }

    /// As [`open`], on a filesystem whose attributes prove nothing.
    pub(in crate::ingest) fn open_stale(path: &Path) -> Source {
        let source = Source {
            may_be_stale: true,
            ..open(path)
        };
        let samples = fingerprint(&source.file, source.size(), Kind::Video).unwrap();
        source.note_samples(samples, Kind::Video);
        source
    }

    /// The job knows even the identity of the file outside.
    #[test]
    fn nothing_outside_is_opened_while_a_folder_flips_into_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let at = |below: &str| root.join(below);
        for folder in ["drop/sub", "outside"] {
            fs::create_dir_all(at(folder)).unwrap();
            fs::write(at(folder).join("a.mp4"), folder).unwrap();
        }
        symlink(at("outside"), at("link")).unwrap();
        let outside = Identity::of(&fs::metadata(at("outside/a.mp4")).unwrap());
        let job = job(at("drop/sub/a.mp4"), outside, &root);
        let watch = support::watch(&at("drop"));
        let (mut other, mut linked) = (0, 0);
        flip_while(&at("drop/sub"), &at("link"), || {
            let mut number = 0;
            while goes_on(number, 4000, (other, linked)) {
                number += 1;
                let watch = (number % 2 == 0).then_some(&watch);
                match Source::open(&job, watch) {
                    Err(Problem::Changed) => other += 1,
                    Err(Problem::Linked(link)) => {
                        assert_eq!(link, at("drop/sub"));
                        linked += 1;
                    }
                    opened => panic!("{opened:?}"),
                }
            }
        });
        assert!(other > 0 && linked > 0, "{other} {linked}");
    }

    /// A file of the job's name is behind the link, and the job knows that one's identity.
    fn open_while_flips(folder: &str, leads_to: &str) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let at = |below: &str| root.join(below);
        for folder in ["base/drop/sub", "vault/drop/sub"] {
            fs::create_dir_all(at(folder)).unwrap();
            fs::write(at(folder).join("a.mp4"), folder).unwrap();
        }
        symlink(at(leads_to), at("link")).unwrap();
        let outside = Identity::of(&fs::metadata(at("vault/drop/sub/a.mp4")).unwrap());
        let job = job(at("base/drop/sub/a.mp4"), outside, &root);
        let watch = support::watch(&at("base/drop"));
        let (mut other, mut linked) = (0, 0);
        flip_while(&at(folder), &at("link"), || {
            let mut number = 0;
            while goes_on(number, 2000, (other, linked)) {
                number += 1;
                match Source::open(&job, Some(&watch)) {
                    Err(Problem::Changed) => other += 1,
                    Err(Problem::OfflineByLink { .. }) => linked += 1,
                    opened => panic!("{opened:?}"),
                }
            }
        });
        assert!(other > 0 && linked > 0, "{other} {linked}");
    }

    #[test]
    fn nothing_outside_is_opened_while_a_root_flips_into_a_link() {
        open_while_flips("base", "vault");
        open_while_flips("base/drop", "vault/drop");
    }
}
