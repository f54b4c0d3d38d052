//! Moving a file to another filesystem: a copy, under a hidden name until it has been read back and
//! found the same; only then does it get its name, and only after that the original goes.

use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use super::files::{Errand, Trouble, cannot, every_name_is_taken, exists, name_was_taken, sync};
use super::hiding::hidden;
use super::names::names;
use crate::beneath::Place;
use crate::watch::filesystem::forget_pages;

/// Bytes of a copy after which it is brought to the disk: at its end that would take minutes for a large one, without
/// a sign of life.
const SYNC_EACH: usize = 64 << 20;

impl Errand<'_> {
    /// Copies it, reads the copy back, hides the original, gives the copy its name, and only then takes the original
    /// away. A copy that has its name is never removed: another file may have gone because of it.
    pub(super) fn across(&self, wanted: &Place) -> Result<Place, Trouble> {
        let part = hidden(wanted, self.mark, "part");
        self.check_folder(wanted)?;
        (self.copies)(part.path())?;
        let outcome = self.copy(&part);
        let outcome = outcome.and_then(|md5| self.exchange(&part, wanted, &md5));
        if outcome.is_err() && self.has_a_name() {
            // If it cannot be removed, the next attempt overwrites it. Without the original it may be all that is left
            // of its bytes, which `copies` finds out.
            drop(part.remove());
        }
        outcome
    }

    /// The copy is whole: it is asked for while the original has its own name, and the copy gets its name while the
    /// original is hidden. Where another file has the same bytes by now, that one stays in its place.
    fn exchange(&self, part: &Place, wanted: &Place, md5: &str) -> Result<Place, Trouble> {
        for name in names(wanted.name()) {
            let to = wanted.beside(&name);
            if exists(&to)? {
                if self.has_bytes(&to, md5)? {
                    drop(part.remove());
                    self.take_away_beside(&to, md5)?;
                    return Ok(to);
                }
                continue;
            }
            self.ask(&to)?;
            let is_same = |file: &File| self.has_md5(file, md5);
            self.take_away_if(&to, &is_same, || {
                if self.shows_beside(wanted) {
                    return Ok(false);
                }
                name_copy(part, &to)?;
                Ok(true)
            })?;
            return Ok(to);
        }
        Err(every_name_is_taken(wanted))
    }

    /// Answers the MD5 of the copy.
    fn copy(&self, hidden: &Place) -> Result<String, Trouble> {
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
            return Err(Trouble::Changed);
        }
        Ok(read)
    }
}

/// Gives the copy its name.
fn name_copy(part: &Place, to: &Place) -> Result<(), Trouble> {
    match part.rename_new(to) {
        Ok(()) => sync(to),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(name_was_taken(to)),
        Err(error) => Err(cannot("name the copy", error)),
    }
}
