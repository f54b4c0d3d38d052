//! Moving one file so that nothing is lost, even if other programs move files too, and wherever a
//! kill comes.
//!
//! A name that is taken is never taken over. Between filesystems a copy is made (`copy`), and only
//! then the original goes. It goes by way of a hidden name: what is there is looked at once more,
//! so that a file that took its name in the last moment is put back instead. What goes is the very
//! file that was examined, which is held open all the while. Before anything gets another name, or
//! none, `before` is asked.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use super::ask::Refused;
use super::names::names;
use crate::beneath::{Error, HIDDEN, Place};
use crate::identity::Identity;
use crate::watch::writer::{self, Writer};

/// Why a file did not get to its target.
#[derive(Debug)]
pub(in crate::ingest) enum Trouble {
    /// It stays where it is, for good, for this reason.
    Kept(String),
    /// Not now, for this reason.
    Later(String),
    /// The daemon stops, or the job has other plans by now.
    Stopped,
    /// Not now: the platform was asked at the last moment, and did not say yes.
    NotUp(Box<Refused>),
}

/// One file on its way.
pub(super) struct Errand<'a> {
    /// Where it is.
    pub(super) from: &'a Place,
    /// That file: as long as it is held, no other one can be taken for it.
    pub(super) held: &'a File,
    /// What it was when it was examined.
    pub(super) identity: Identity,
    /// Names what is hidden meanwhile; no other one is the same.
    pub(super) mark: &'a str,
    /// MD5 of its content, where known.
    pub(super) md5: Option<&'a str>,
    /// Whether to break off.
    pub(super) stopped: &'a dyn Fn() -> bool,
    /// Before a file gets this name.
    pub(super) before: &'a dyn Fn(&Path) -> Result<(), Trouble>,
}

pub(super) const CHANGED: &str = "it changed after it was uploaded";

const ONE_FOLDER: &str = "its target is its own folder under another path; choose another folder";

impl Errand<'_> {
    /// Moves the file to this place, or to a numbered one beside it where another file has that.
    pub(super) fn go(&self, wanted: &Place) -> Result<Place, Trouble> {
        for name in names(wanted.name()) {
            let to = wanted.beside(&name);
            if exists(&to)? {
                if let Some(md5) = self.same(&to)? {
                    (self.before)(to.path())?;
                    self.take_away_beside(&to, &md5)?;
                    return Ok(to);
                }
                continue;
            }
            (self.before)(to.path())?;
            match rename_new(self.from, &self.going(), &to) {
                Ok(()) => return self.arrived(to),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    return self.across(&to);
                }
                Err(error) => return Err(cannot("move it", error)),
            }
        }
        Err(every_name_is_taken(wanted))
    }

    /// It has the name; should it be another file, which had the old name in the last moment, that
    /// is put back.
    fn arrived(&self, to: Place) -> Result<Place, Trouble> {
        if !self.is_there(&to) {
            return Err(self.put_back(&to));
        }
        sync(&to)?;
        sync(self.from)?;
        Ok(to)
    }

    /// Reads a file of this size to its end; answers its MD5. A share may end a file early after an error.
    pub(super) fn pour(
        &self,
        mut file: File,
        mut to: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<String, Trouble> {
        let mut hash = Md5::new();
        let mut buffer = vec![0; 1 << 20];
        let (mut read, size) = (0, self.identity.bytes());
        loop {
            if (self.stopped)() {
                return Err(Trouble::Stopped);
            }
            let count = match file.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Trouble::Later(format!("cannot read it: {error}"))),
            };
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            read += u64::try_from(bytes.len()).unwrap_or_default();
            hash.update(bytes);
            to(bytes)?;
        }
        if read == size {
            Ok(crate::hex::lower(&hash.finalize()))
        } else {
            let why = format!("its filesystem gave {read} of its {size} bytes when it was read");
            Err(Trouble::Later(why))
        }
    }

    /// Deletes the original, and nothing else that may have its name by now: what was read of it is
    /// what goes.
    pub(super) fn take_away(&self) -> Result<(), Trouble> {
        self.take_away_after(&|| Ok(()))
    }

    /// As [`take_away`](Self::take_away); `last` is called once the file has its hidden name, right before it has none.
    pub(super) fn take_away_after(
        &self,
        last: &dyn Fn() -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        (self.before)(self.going().path())?;
        self.take_away_if(|| last().map(|()| true))
    }

    /// Deletes the original where another file has its bytes, with this MD5, unless that is this very file by
    /// another path: a target may be the watch folder itself, mounted twice, or seen through a pool or an overlay.
    fn take_away_beside(&self, other: &Place, md5: &str) -> Result<(), Trouble> {
        self.take_away_if(|| {
            // What a filesystem remembers of a name that is gone has no content any more.
            Ok(!self.shows_beside(other) && !self.is_alias(other) && self.has_bytes(other, md5)?)
        })
    }

    /// Whether the folder of another place is the folder of this file, once that has its hidden name: nothing
    /// remembers that name, and inode numbers may differ.
    pub(super) fn shows_beside(&self, other: &Place) -> bool {
        other.beside(self.going().name()).is_taken()
    }

    /// Whether another place shows this very file: two mounts of one share have two device numbers.
    pub(super) fn is_alias(&self, other: &Place) -> bool {
        other.metadata().is_ok_and(|meta| {
            let theirs = Identity::of(&meta);
            theirs.ino == self.identity.ino && theirs.dev != self.identity.dev
        })
    }

    /// The hidden name by which it goes; it has that already where a kill left it so.
    fn going(&self) -> Place {
        if is_going(self.from.name()) {
            self.from.clone()
        } else {
            hidden(self.from, self.mark, "going")
        }
    }

    /// `is_kept` is asked once the file has lost its name: whether its bytes are elsewhere still.
    pub(super) fn take_away_if(
        &self,
        is_kept: impl FnOnce() -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        let going = self.going();
        self.check_unwritten()?;
        if self.from.name() != going.name() {
            let renamed = self.from.rename_new(&going);
            renamed.map_err(|error| cannot("remove it", error))?;
        }
        if !self.is_there(&going) || is_written(&going) {
            return Err(self.put_back(&going));
        }
        let why = match is_kept() {
            Ok(true) => None,
            Ok(false) => Some(Trouble::Kept(ONE_FOLDER.to_owned())),
            Err(trouble) => Some(trouble),
        };
        if let Some(why) = why {
            return Err(match self.put_back(&going) {
                Trouble::Kept(_) => why,
                other => other,
            });
        }
        going.remove().map_err(|error| cannot("delete it", error))?;
        sync(&going)
    }

    /// Something else had the name in the last moment: it gets it back.
    fn put_back(&self, from: &Place) -> Trouble {
        match rename_new(from, &hidden(from, self.mark, "going"), self.from) {
            Ok(()) => Trouble::Kept(CHANGED.to_owned()),
            Err(error) => cannot("put back", error),
        }
    }

    /// Whether nothing was written to the file since it was examined. That only its rights were
    /// changed must be found out by reading it again.
    fn check_unwritten(&self) -> Result<(), Trouble> {
        let now = self.held.metadata().map(|meta| Identity::of(&meta));
        let now = now.map_err(|error| Trouble::Later(format!("cannot access it: {error}")))?;
        if !is_same_state(&now, &self.identity) || !self.is_there(self.from) {
            return Err(Trouble::Kept(CHANGED.to_owned()));
        }
        if now.ctime_ns != self.identity.ctime_ns {
            let why = "a program touched it while it was compared";
            return Err(Trouble::Later(why.to_owned()));
        }
        Ok(())
    }

    /// Whether the file is at this place, unwritten; a rename moves no more than its ctime.
    pub(super) fn is_there(&self, place: &Place) -> bool {
        is_file(place, &self.identity)
    }

    /// The file, for reading from its start.
    pub(super) fn reader(&self) -> Result<File, Trouble> {
        let unreadable = |error: io::Error| Trouble::Later(format!("cannot read it: {error}"));
        let file = self.from.open().map_err(|error| cannot("read it", error))?;
        let found = Identity::of(&file.metadata().map_err(unreadable)?);
        if (found.dev, found.ino) == (self.identity.dev, self.identity.ino) {
            Ok(file)
        } else {
            Err(Trouble::Kept(CHANGED.to_owned()))
        }
    }

    /// The MD5 of this file, if a regular file has the very bytes of it.
    fn same(&self, other: &Place) -> Result<Option<String>, Trouble> {
        let is_as_long =
            |meta: &std::fs::Metadata| meta.is_file() && meta.len() == self.identity.bytes();
        if !other.metadata().is_ok_and(|meta| is_as_long(&meta)) {
            return Ok(None);
        }
        let ours = self.pour(self.reader()?, |_| Ok(()))?;
        Ok(self.has_bytes(other, &ours)?.then_some(ours))
    }

    /// Whether a regular file is as long as this one and has this MD5.
    pub(super) fn has_bytes(&self, other: &Place, md5: &str) -> Result<bool, Trouble> {
        let Ok(other) = other.open() else {
            return Ok(false);
        };
        let meta = other.metadata();
        if !meta.is_ok_and(|meta| meta.len() == self.identity.bytes()) {
            return Ok(false);
        }
        if let Err(error) = other.sync_all() {
            return Err(Trouble::Later(format!("cannot verify its copy: {error}")));
        }
        Ok(self.pour(other, |_| Ok(()))? == md5)
    }
}

/// Renames, unless the name is taken; by way of a hidden name where the filesystem cannot do that in one go.
fn rename_new(from: &Place, hidden: &Place, to: &Place) -> Result<(), Error> {
    match from.rename_new(to) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        outcome => return outcome,
    }
    from.rename_new(hidden)?;
    let outcome = hidden.rename_new(to);
    if outcome.is_err()
        && let Err(trouble) = unhide(hidden, from)
    {
        // The next attempt finds it by that name.
        tracing::warn!("{}: {trouble:?}", crate::text::path(hidden.path()));
    }
    outcome
}

/// Where the file is: under its own name, or under the hidden one that a kill left it with.
pub(super) fn place(own: &Place, mark: &str) -> Place {
    let going = hidden(own, mark, "going");
    let is_there = going.metadata().is_ok_and(|meta| meta.is_file());
    if is_there { going } else { own.clone() }
}

/// A file that a kill left under its hidden name gets its own name back, or a numbered one where another
/// file has that: a watch looks at no hidden name.
pub(in crate::ingest) fn put_back(own: &Place, mark: &str) -> Result<(), Trouble> {
    let at = place(own, mark);
    if at.name() == own.name() {
        return Ok(());
    }
    unhide(&at, own)
}

/// What has a hidden name gets its own, or a numbered one where another file has that.
pub(super) fn unhide(at: &Place, own: &Place) -> Result<(), Trouble> {
    for name in names(own.name()) {
        let to = own.beside(&name);
        match at.rename_new(&to) {
            Ok(()) => {
                tracing::info!("{}: put back", crate::text::path(to.path()));
                return sync(&to);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot("put it back", error)),
        }
    }
    Err(every_name_is_taken(own))
}

/// Whether a name is a hidden one by which a file goes.
pub(super) fn is_going(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(HIDDEN.as_bytes()) && name.ends_with(b".going")
}

/// A name beside a file that no watch looks at.
pub(super) fn hidden(beside: &Place, mark: &str, ending: &str) -> Place {
    beside.beside(&OsString::from(format!("{HIDDEN}{mark}.{ending}")))
}

/// The name of a file that is hidden by its own name: `<ingest id>.<name>`.
pub(super) fn own_name<'a>(name: &'a OsStr, mark: &str) -> Option<&'a str> {
    let marked = name.to_str()?.strip_prefix(HIDDEN)?;
    let own = marked.strip_prefix(mark)?.strip_prefix('.')?;
    own.strip_suffix(".going").filter(|own| !own.is_empty())
}

/// What a file that goes is hidden by, so that its own name can be read from the hidden one; none where it is too
/// long, or no text.
pub(super) fn mark_of(name: &OsStr, mark: &str) -> Option<String> {
    let marked = format!("{mark}.{}", name.to_str()?);
    let length = HIDDEN.len() + marked.len() + ".going".len();
    (length <= LONGEST_NAME).then_some(marked)
}

/// Bytes of a name, on most filesystems.
pub(super) const LONGEST_NAME: usize = 255;

/// Whether this file is at a place, unwritten.
pub(super) fn is_file(place: &Place, identity: &Identity) -> bool {
    place
        .metadata()
        .is_ok_and(|meta| meta.is_file() && is_same_state(&Identity::of(&meta), identity))
}

/// Whether two looks show one file in one state, except for its ctime.
fn is_same_state(one: &Identity, other: &Identity) -> bool {
    let ctime_ns = one.ctime_ns;
    *one == Identity { ctime_ns, ..*other }
}

/// Whether a program has it open for writing. One that cannot be read can be asked nothing.
fn is_written(place: &Place) -> bool {
    place
        .open()
        .is_ok_and(|file| writer::probe(&file) == Writer::Present)
}

fn exists(place: &Place) -> Result<bool, Trouble> {
    match place.metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.is_absence() => Ok(false),
        Err(error) => Err(cannot("check the name", error)),
    }
}

pub(super) fn every_name_is_taken(wanted: &Place) -> Trouble {
    Trouble::Later(format!(
        "every name like {} is taken",
        wanted.path().display()
    ))
}

/// Not now; what is in the way is for a person to take away.
pub(super) fn cannot(what: &str, error: Error) -> Trouble {
    Trouble::Later(match error {
        Error::Link(_) => format!("cannot {what}: {error}; put a folder in its place"),
        Error::NotAFolder(..) => {
            format!("cannot {what}: {error}; move it away, and jw-ingest makes the folder")
        }
        error => format!("cannot {what}: {error}"),
    })
}

/// The names in its folder are on the disk.
pub(super) fn sync(place: &Place) -> Result<(), Trouble> {
    place
        .folder()
        .sync()
        .map_err(|error| cannot("write", error))
}
