//! Files that are done since an earlier run: they need not settle again.
//!
//! The code that starts a watch may report them; a restart then costs one `stat` for each file that
//! did not change, and not two looks, a report and a question to the queue. Only a file whose
//! inode, size and both times are the very same counts: about any other the queue is asked. The
//! device is left out, as it changes with a reboot. They are kept as digests, and only until the
//! first scan is done: of many, the files are long gone.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::identity::Identity;

/// Takes one file.
type Take<'a> = dyn FnMut(&Path, &Identity) + 'a;

/// Tells a watch of the files that need not settle again. It is asked once, on the watch's own
/// thread, before anything is looked at.
pub(crate) struct KnownFiles(Box<dyn FnOnce(&mut Take<'_>) + Send>);

impl KnownFiles {
    /// They are told by this function, which calls the one that it is given for each of them.
    pub(crate) fn told_by(tell: impl FnOnce(&mut Take<'_>) + Send + 'static) -> Self {
        Self(Box::new(tell))
    }

    /// No file is known.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::told_by(|_| {})
    }

    pub(super) fn tell(self, take: &mut Take<'_>) {
        (self.0)(take);
    }
}

impl fmt::Debug for KnownFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownFiles")
    }
}

/// The files that were reported.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    /// Random keys, so that no one can choose names whose digests are the same.
    keys: RandomState,
    /// Digests of the path and of the identity; sorted.
    files: Vec<(u64, u64)>,
    /// Paths of which nothing is known any more, as digests.
    revoked: HashSet<u64>,
}

impl Seeds {
    /// Takes in what is told of the files below a folder.
    pub(super) fn of(known: KnownFiles, root: &Path) -> Self {
        let mut seeds = Self::default();
        known.tell(&mut |path, identity| {
            if path.starts_with(root) {
                let digests = seeds.digests(path, identity);
                seeds.files.push(digests);
            }
        });
        seeds.files.sort_unstable();
        seeds.files.shrink_to_fit();
        seeds
    }

    /// Whether this very file was reported.
    pub(super) fn has(&self, path: &Path, identity: &Identity) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let digests = self.digests(path, identity);
        !self.revoked.contains(&digests.0) && self.files.binary_search(&digests).is_ok()
    }

    /// Nothing counts any more that was reported this path.
    pub(super) fn revoke(&mut self, path: &Path) {
        if !self.files.is_empty() {
            let path = self.path(path);
            self.revoked.insert(path);
        }
    }

    fn digests(&self, path: &Path, identity: &Identity) -> (u64, u64) {
        let Identity {
            dev: _,
            ino,
            size,
            mtime_ns,
            ctime_ns,
        } = identity;
        let file = self.keys.hash_one([ino, size, mtime_ns, ctime_ns]);
        (self.path(path), file)
    }

    fn path(&self, path: &Path) -> u64 {
        self.keys.hash_one(path.as_os_str().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Identity = Identity {
        dev: 1,
        ino: 2,
        size: 3,
        mtime_ns: 4,
        ctime_ns: 5,
    };

    #[test]
    fn only_the_very_same_file_is_known() {
        let at = Path::new("/v/a.mp4");
        let before = Identity {
            mtime_ns: 1,
            ..FILE
        };
        let told = KnownFiles::told_by(move |take| {
            take(at, &FILE);
            take(at, &before);
            take(Path::new("/w/a.mp4"), &FILE);
        });
        let mut seeds = Seeds::of(told, Path::new("/v"));
        assert!(seeds.has(at, &FILE) && seeds.has(at, &before));
        assert!(seeds.has(at, &Identity { dev: 9, ..FILE }), "a reboot");
        for other in [
            Identity { ino: 9, ..FILE },
            Identity { size: 9, ..FILE },
            Identity {
                mtime_ns: 9,
                ..FILE
            },
            Identity {
                ctime_ns: 9,
                ..FILE
            },
        ] {
            assert!(!seeds.has(at, &other), "{other:?}");
        }
        assert!(!seeds.has(Path::new("/v/b.mp4"), &FILE));
        assert!(!seeds.has(Path::new("/w/a.mp4"), &FILE), "another folder");
        seeds.revoke(Path::new("/v/b.mp4"));
        assert!(seeds.has(at, &FILE));
        seeds.revoke(at);
        assert!(!seeds.has(at, &FILE) && !seeds.has(at, &before));
    }
}
