//! Moving one file so that nothing is lost, even if other programs move files too, and wherever a
//! kill comes.
//!
//! A name that is taken is never taken over. Between filesystems a copy is made (`copy`), and only
//! then the original goes. It goes by way of a hidden name: what is there is looked at once more,
//! so that a file that took its name in the last moment is put back instead. What goes is the very
//! file that was examined, which is held open all the while. Before anything gets another name, or
//! none, `before` is asked.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use md5::{Digest, Md5};

use super::ask::Refused;
use super::hiding::{hidden, is_going, unhide};
use super::names::names;
use super::still::Still;
use crate::beneath::{Error, Place};
use crate::identity::Identity;
use crate::watch::filesystem::{forget_pages, may_be_stale};

/// Why a file did not get to its target.
#[derive(Debug)]
pub(in crate::ingest) enum Trouble {
    /// It stays where it is, for good: it is not what was uploaded, or another file has its name.
    Changed,
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
    /// Before a copy is begun under this hidden name.
    pub(super) copies: &'a dyn Fn(&Path) -> Result<(), Trouble>,
    /// What shows that it is still that file when it goes.
    pub(super) still: Still<'a>,
}

impl Errand<'_> {
    /// Moves the file to this place, or to a numbered one beside it where another file has that.
    pub(super) fn go(&self, wanted: &Place) -> Result<Place, Trouble> {
        let there = self.go_to(wanted)?;
        forget_copy(&there, self.mark);
        Ok(there)
    }

    fn go_to(&self, wanted: &Place) -> Result<Place, Trouble> {
        let is_elsewhere = device(self.from)? != device(wanted)?;
        for name in names(wanted.name()) {
            let to = wanted.beside(&name);
            if exists(&to)? {
                if let Some(md5) = self.same(&to)? {
                    self.take_away_beside(&to, &md5)?;
                    return Ok(to);
                }
                continue;
            }
            if is_elsewhere {
                return self.across(&to);
            }
            self.ask(&to)?;
            self.check_unwritten()?;
            (self.still.is_fresh)()?;
            match rename_new(self.from, &self.going(), &to) {
                Ok(()) => return self.arrived(to),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if self.check_unwritten().is_err() {
                        // It had to be hidden for that, which moved its ctime.
                        return Err(name_was_taken(&to));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    return self.across(&to);
                }
                Err(error) => return Err(cannot("move it", error)),
            }
        }
        Err(every_name_is_taken(wanted))
    }

    /// It has the name. Should it be another file, which had the old name in the last moment, or have been written to
    /// or be in another folder meanwhile, it gets its own name back.
    fn arrived(&self, to: Place) -> Result<Place, Trouble> {
        if let Err(why) = self.check_arrived(&to) {
            return Err(self.put_back_because(&to, why));
        }
        sync(&to)?;
        sync(self.from)?;
        Ok(to)
    }

    /// Reads a file of this size to its end; answers its MD5.
    pub(super) fn pour(
        &self,
        file: File,
        to: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<String, Trouble> {
        pour((file, self.identity.bytes()), self.stopped, to)
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
        let going = self.going();
        self.ask(&going)?;
        self.take_away_if(&going, self.still.is_sent, || last().map(|()| true))
    }

    /// Deletes the original where another file has its bytes, with this MD5, unless that is this very file by
    /// another path: a target may be the watch folder itself, mounted twice, or seen through a pool or an overlay.
    pub(super) fn take_away_beside(&self, other: &Place, md5: &str) -> Result<(), Trouble> {
        self.ask(other)?;
        let is_same = |file: &File| self.has_md5(file, md5);
        self.take_away_if(other, &is_same, || {
            // What a filesystem remembers of a name that is gone has no content any more.
            let is_kept =
                !self.shows_beside(other) && !self.is_alias(other) && self.has_bytes(other, md5)?;
            // That was read, which may have taken minutes.
            if is_kept {
                self.ask(other)?;
            }
            Ok(is_kept)
        })
    }

    /// Whether the folder of another place is another one than that of this file: found out before anything is read or
    /// hidden, since both move the file's times or names, and a watch looks at it again then.
    ///
    /// The empty file that is made for it has the name of a copy, and goes as such where a kill leaves it.
    pub(super) fn check_folder(&self, other: &Place) -> Result<(), Trouble> {
        let probe = hidden(other, self.mark, "part");
        drop(probe.remove());
        let is_made = probe.create(0o600).is_ok();
        let is_shown = is_made && self.from.beside(probe.name()).metadata().is_ok();
        drop(probe.remove());
        if is_shown { Err(one_folder()) } else { Ok(()) }
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

    /// Unlinks the original by way of its hidden name, after it was asked whether it may get the name `asked`.
    ///
    /// `is_same` compares the content. `is_kept` is asked once the file has lost its name: whether its bytes are
    /// elsewhere still.
    pub(super) fn take_away_if(
        &self,
        asked: &Place,
        is_same: &dyn Fn(&File) -> Result<bool, Trouble>,
        is_kept: impl FnOnce() -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        let going = self.going();
        self.check_unwritten()?;
        if self.from.name() != going.name() {
            let renamed = self.from.rename_new(&going);
            renamed.map_err(|error| cannot("remove it", error))?;
        }
        let gone_on = || {
            let seen = self.look_hidden((&going, asked), is_same)?;
            if !is_kept()? {
                return Err(one_folder());
            }
            self.check_unmoved(&going, &seen)?;
            (self.still.is_fresh)()
        };
        if let Err(why) = gone_on() {
            // Where a kill had left it hidden, the attempt as a whole gives it its own name.
            let was_hidden = self.from.name() == going.name();
            return Err(if was_hidden {
                why
            } else {
                self.put_back_because(&going, why)
            });
        }
        going.remove().map_err(|error| cannot("delete it", error))?;
        sync(&going)
    }

    /// What has this name gets its own back, wherever its folder is by now; answers why, or why it has it not.
    fn put_back_because(&self, from: &Place, why: Trouble) -> Trouble {
        match rename_new(from, &hidden(from, self.mark, "going"), self.from) {
            Ok(()) => why,
            Err(error) => cannot("put back", error),
        }
    }

    /// Whether the file has a name, its own or the hidden one.
    pub(super) fn has_a_name(&self) -> bool {
        self.is_there(self.from) || self.is_there(&self.going())
    }

    /// Whether the file is at this place, unwritten; a rename moves no more than its ctime.
    pub(super) fn is_there(&self, place: &Place) -> bool {
        is_file(place, &self.identity)
    }

    /// The file, for reading from its start.
    pub(super) fn reader(&self) -> Result<File, Trouble> {
        let unreadable = |error: io::Error| Trouble::Later(format!("cannot read it: {error}"));
        let file = self.from.open().map_err(|error| cannot("read it", error))?;
        let found = Identity::now(&file).map_err(unreadable)?;
        if (found.dev, found.ino) == (self.identity.dev, self.identity.ino) {
            Ok(file)
        } else {
            Err(Trouble::Changed)
        }
    }

    /// The MD5 of this file, if a regular file has the very bytes of it.
    fn same(&self, other: &Place) -> Result<Option<String>, Trouble> {
        let is_as_long =
            |meta: &std::fs::Metadata| meta.is_file() && meta.len() == self.identity.bytes();
        if !other.metadata().is_ok_and(|meta| is_as_long(&meta)) {
            return Ok(None);
        }
        self.check_folder(other)?;
        let ours = self.pour(self.reader()?, |_| Ok(()))?;
        Ok(self.has_bytes(other, &ours)?.then_some(ours))
    }

    /// Whether an open file has this MD5.
    pub(super) fn has_md5(&self, file: &File, md5: &str) -> Result<bool, Trouble> {
        let file = file.try_clone();
        let file = file.map_err(|error| Trouble::Later(format!("cannot read it: {error}")))?;
        Ok(self.pour(file, |_| Ok(()))? == md5)
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

/// Reads a file of this size to its end; answers its MD5. A share may end a file early after an error.
fn pour(
    (mut file, size): (File, u64),
    stopped: &dyn Fn() -> bool,
    mut to: impl FnMut(&[u8]) -> Result<(), Trouble>,
) -> Result<String, Trouble> {
    if may_be_stale(&file) {
        forget_pages(&file);
    }
    let mut hash = Md5::new();
    let mut buffer = vec![0; 1 << 20];
    let mut read = 0;
    loop {
        if stopped() {
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

/// The MD5 of a file of this size.
pub(super) fn md5_of(file: File, size: u64, stopped: &dyn Fn() -> bool) -> Result<String, Trouble> {
    pour((file, size), stopped, |_| Ok(()))
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

/// Whether this file is at a place, unwritten.
pub(super) fn is_file(place: &Place, identity: &Identity) -> bool {
    place
        .metadata()
        .is_ok_and(|meta| meta.is_file() && is_same_state(&Identity::of(&meta), identity))
}

/// Whether two looks show one file in one state, except for its ctime.
pub(super) fn is_same_state(one: &Identity, other: &Identity) -> bool {
    let ctime_ns = one.ctime_ns;
    *one == Identity { ctime_ns, ..*other }
}

/// The device of its folder: between two, a rename is refused.
fn device(place: &Place) -> Result<u64, Trouble> {
    let meta = place.folder().metadata();
    Ok(meta.map_err(|error| cannot("reach it", error))?.dev())
}

/// Removes the hidden second name of a copy that has its own: a kill came between the two.
pub(super) fn forget_copy(there: &Place, mark: &str) {
    drop(hidden(there, mark, "part").remove());
}

pub(super) fn exists(place: &Place) -> Result<bool, Trouble> {
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

fn one_folder() -> Trouble {
    let why = "its target is its own folder under another path; choose another folder";
    Trouble::Later(why.to_owned())
}

/// Another program was faster.
pub(super) fn name_was_taken(to: &Place) -> Trouble {
    Trouble::Later(format!(
        "another file took the name {} in the last moment",
        to.path().display()
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
