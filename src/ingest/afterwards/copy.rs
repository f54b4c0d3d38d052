//! Moving a file to another filesystem: a copy, under a hidden name until it has been read back and
//! found the same; only then does it get its name, and only after that the original goes.

use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use super::files::{CHANGED, Errand, Trouble, cannot, every_name_is_taken, hidden, is_file, sync};
use super::names::names;
use crate::beneath::Place;
use crate::identity::Identity;

/// Bytes of a copy after which it is brought to the disk: at its end that would take minutes for a large one, without
/// a sign of life.
const SYNC_EACH: usize = 64 << 20;

impl Errand<'_> {
    /// Copies it, reads the copy back, gives that its name, and only then takes the original away.
    pub(super) fn across(&self, wanted: &Place) -> Result<Place, Trouble> {
        let hidden = hidden(wanted, self.mark, "part");
        let outcome = self.copy(&hidden).and_then(|(copy, md5)| {
            let (to, is_new) = self.name(&hidden, wanted)?;
            Ok((to, md5, is_new.then_some(copy)))
        });
        if outcome.is_err() {
            // A half copy is useless; if it cannot be removed, the next attempt overwrites it.
            drop(hidden.remove());
        }
        let (to, md5, new) = outcome?;
        let md5 = new.is_none().then_some(md5);
        match self.take_away_beside(&to, md5.as_deref()) {
            Err(Trouble::Kept(why)) => {
                if let Some(copy) = new
                    && is_file(&to, &copy)
                {
                    drop(to.remove());
                }
                Err(Trouble::Kept(why))
            }
            Err(other) => Err(other),
            Ok(()) => Ok(to),
        }
    }

    /// Answers what the copy is, and its MD5.
    fn copy(&self, hidden: &Place) -> Result<(Identity, String), Trouble> {
        let unreadable = |error: io::Error| Trouble::Later(format!("cannot read it: {error}"));
        let unwritable = |error: io::Error| {
            Trouble::Later(format!("cannot write {}: {error}", hidden.path().display()))
        };
        let source = self.reader()?;
        let before = source.metadata().map_err(unreadable)?;
        drop(hidden.remove());
        let created = hidden.create(0o600);
        let mut copy = created.map_err(|error| cannot("write the copy", error))?;
        let mut unsynced = 0;
        let read = self.pour(source, |bytes| {
            copy.write_all(bytes).map_err(unwritable)?;
            unsynced += bytes.len();
            if unsynced >= SYNC_EACH {
                unsynced = 0;
                copy.sync_data().map_err(unwritable)?;
            }
            Ok(())
        })?;
        let times = FileTimes::new();
        let times = before.modified().map_or(times, |at| times.set_modified(at));
        let times = before.accessed().map_or(times, |at| times.set_accessed(at));
        copy.set_times(times).map_err(unwritable)?;
        let mode = Permissions::from_mode(before.permissions().mode() & 0o777);
        // Some shares have no such thing.
        drop(copy.set_permissions(mode));
        copy.sync_all().map_err(unwritable)?;
        let identity = copy.metadata().map(|meta| Identity::of(&meta));
        let identity = identity.map_err(unwritable)?;
        forget_pages(&copy);
        drop(copy);
        let copy = hidden
            .open()
            .map_err(|error| cannot("read the copy", error))?;
        let again = self.pour(copy, |_| Ok(()))?;
        if read != again {
            let place = hidden.folder().path().display();
            return Err(Trouble::Later(format!(
                "the copy in {place} differs from the file when it is read back"
            )));
        }
        let differs = self.md5.is_some_and(|md5| md5 != read);
        if differs || !self.is_there(self.from) {
            return Err(Trouble::Kept(CHANGED.to_owned()));
        }
        Ok((identity, read))
    }

    /// Gives the copy its name; answers that, and whether it is the copy's.
    fn name(&self, hidden: &Place, wanted: &Place) -> Result<(Place, bool), Trouble> {
        for name in names(wanted.name()) {
            let to = wanted.beside(&name);
            (self.before)(to.path())?;
            match hidden.rename_new(&to) {
                Ok(()) => {
                    sync(&to)?;
                    return Ok((to, true));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if self.same(&to)?.is_some() {
                        drop(hidden.remove());
                        return Ok((to, false));
                    }
                }
                Err(error) => return Err(cannot("name the copy", error)),
            }
        }
        Err(every_name_is_taken(wanted))
    }
}

/// What is read from now on comes from the disk.
#[expect(unsafe_code, reason = "the standard library has no fadvise")]
fn forget_pages(file: &File) {
    // SAFETY: the descriptor is open; it is advice only, and no memory is passed.
    unsafe {
        libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED);
    }
}
