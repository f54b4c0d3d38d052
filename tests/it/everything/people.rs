//! What people do in the folders: they drop, copy, rename, move, delete, rewrite, and put back.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::books::{Id, Stamp};
use super::places::{self, PLACES, Place};
use super::world::{Later, World, Writing};
use crate::support::Dice;
use crate::writers::video::Kind;

/// One of them.
pub(super) fn any<T: Copy>(dice: &mut Dice, of: &[T]) -> Option<T> {
    let count = u64::try_from(of.len()).unwrap();
    (count > 0).then(|| of[usize::try_from(dice.below(count)).unwrap()])
}

/// A name in the place; its ending goes by its number, so that a name keeps its kind.
fn name_in(dice: &mut Dice, place: Place) -> (String, u64) {
    let number = dice.below(place.names);
    let folder = if number % 5 == 4 { "day 1/" } else { "" };
    let ending = ["mp4", "mp4", "mpg", "mxf"][usize::try_from(number % 4).unwrap()];
    (format!("{folder}clip {number}.{ending}"), number)
}

fn kind_of(dice: &mut Dice, path: &Path) -> Kind {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("mpg") => Kind::Programme,
        Some("mxf") => Kind::Mxf,
        _ if dice.below(2) == 0 => Kind::IndexLast,
        _ => Kind::IndexFirst,
    }
}

impl World {
    /// A name to put something under, in any place.
    fn target(&self, dice: &mut Dice) -> (PathBuf, Place) {
        let place = any(dice, &PLACES).unwrap();
        let (name, _) = name_in(dice, place);
        (place.folder(&self.site).join(name), place)
    }

    /// A file that people left in a watched folder and that is still there.
    pub(super) fn some_file(&mut self, dice: &mut Dice) -> Option<(PathBuf, Id)> {
        let here: Vec<&PathBuf> = self.books.present.keys().collect();
        let inside: Vec<&PathBuf> = here
            .into_iter()
            .filter(|path| places::of(&self.site, path).is_some())
            .filter(|path| !self.books.busy.contains(*path))
            .collect();
        for _ in 0..6 {
            let path = any(dice, &inside)?.clone();
            if self.books.present.contains_key(&path) && path.exists() {
                let id = self.books.still_there(&path)?;
                return Some((path, id));
            }
        }
        None
    }

    fn place(&self, path: &Path) -> Option<Place> {
        places::of(&self.site, path).map(|(place, _)| place)
    }

    /// A new content, under a name that may be taken.
    pub(super) fn create(&mut self, dice: &mut Dice) {
        let (path, _) = self.target(dice);
        if self.books.busy.contains(&path) {
            return;
        }
        let kind = kind_of(dice, &path);
        let (id, bytes) = self.books.make(dice, kind);
        self.lay(dice, &path, id, &bytes);
    }

    /// New content in the place of a file that is there.
    pub(super) fn replace(&mut self, dice: &mut Dice) {
        let Some((path, _)) = self.some_file(dice) else {
            return;
        };
        let kind = kind_of(dice, &path);
        let (id, bytes) = self.books.make(dice, kind);
        self.lay(dice, &path, id, &bytes);
    }

    /// Writes a content, one way or the other.
    fn lay(&mut self, dice: &mut Dice, path: &Path, id: Id, bytes: &[u8]) {
        let place = self.place(path);
        let was = self.books.still_there(path);
        let way = dice.below(if was.is_some() { 3 } else { 5 });
        let aside = match way {
            0 => self.aside(),
            1 => path.with_added_extension("part"),
            // In place, by a program that holds it open meanwhile.
            2 | 3 => return self.begin_to_write(dice, path, id, bytes),
            _ => {
                fs::write(path, bytes).unwrap();
                self.books.put(path, id, place, "written to");
                return;
            }
        };
        fs::write(&aside, bytes).unwrap();
        fs::rename(&aside, path).unwrap();
        self.books.end(path, "another file was put over");
        self.books.put(path, id, place, "renamed into place as");
    }

    /// A file outside of all watches.
    fn aside(&mut self) -> PathBuf {
        let number = self.number();
        self.site.outside().join(format!("aside-{number}"))
    }

    fn begin_to_write(&mut self, dice: &mut Dice, path: &Path, id: Id, bytes: &[u8]) {
        // The daemon may hold a lease on a file that is there, and cannot let go while it is stopped.
        if self.stopped.is_some() && path.exists() {
            return;
        }
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .unwrap();
        if !is_at(&file, path) {
            return;
        }
        file.set_len(0).unwrap();
        self.books.end(path, "is written over in place:");
        self.books
            .note(Some(id), format!("begun at {}", path.display()));
        self.books.busy.insert(path.to_path_buf());
        let writing = Writing {
            file,
            path: path.to_path_buf(),
            id,
            left: bytes.to_vec(),
        };
        self.write_on(dice, writing);
    }

    /// Writes the next piece, and the end at last.
    pub(super) fn write_on(&mut self, dice: &mut Dice, mut writing: Writing) {
        let count = match dice.below(3) {
            0 => writing.left.len(),
            _ => writing.left.len() / 2 + 1,
        };
        let rest = writing.left.split_off(count.min(writing.left.len()));
        writing.file.write_all(&writing.left).unwrap();
        writing.left = rest;
        if !writing.left.is_empty() {
            return self.after(50 + dice.below(900), Later::Write(writing));
        }
        let Writing { file, path, id, .. } = writing;
        self.books.busy.remove(&path);
        if !is_at(&file, &path) {
            let what = format!("{} was taken away while it was written", path.display());
            self.wrong.push((Some(id), what));
            return;
        }
        drop(file);
        let place = self.place(&path);
        self.books.put(&path, id, place, "written in pieces to");
    }

    pub(super) fn rewrite(&mut self, dice: &mut Dice) {
        let Some((path, _)) = self.some_file(dice) else {
            return;
        };
        let kind = kind_of(dice, &path);
        let (id, bytes) = self.books.make(dice, kind);
        self.begin_to_write(dice, &path, id, &bytes);
    }

    /// Other bytes in place, as many, and the file's time put back: only its ctime tells.
    pub(super) fn rewrite_unseen(&mut self, dice: &mut Dice) {
        let Some((path, was)) = self.some_file(dice) else {
            return;
        };
        // An MP4's index has a length of its own.
        if self.stopped.is_some() || path.extension().is_some_and(|ending| ending == "mp4") {
            return;
        }
        let (id, bytes) = self.books.make_like(dice, was);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let meta = file.metadata().unwrap();
        if !is_at(&file, &path) || usize::try_from(meta.len()).unwrap() != bytes.len() {
            return;
        }
        self.books
            .end(&path, "is written over in place, and its time put back:");
        (&file).write_all(&bytes).unwrap();
        file.set_modified(meta.modified().unwrap()).unwrap();
        drop(file);
        let place = self.place(&path);
        self.books.put(&path, id, place, "written over");
    }

    /// Another name: in the same watch, or in any, also one that is taken.
    pub(super) fn rename(&mut self, dice: &mut Dice) {
        let Some((from, id)) = self.some_file(dice) else {
            return;
        };
        let (near, _) = places::of(&self.site, &from).unwrap();
        let place = if dice.below(2) == 0 {
            near
        } else {
            any(dice, &PLACES).unwrap()
        };
        let (name, _) = name_in(dice, place);
        let ending = from.extension().unwrap();
        let to = place.folder(&self.site).join(name).with_extension(ending);
        if to == from || self.books.busy.contains(&to) {
            return;
        }
        self.books.still_there(&to);
        if fs::rename(&from, &to).is_err() {
            return;
        }
        self.books.end(&to, "another file was renamed over");
        self.books.end(&from, "renamed from");
        self.books.put(&to, id, Some(place), "renamed to");
        if dice.below(2) == 0 {
            self.move_sidecar(&from, &to);
        }
    }

    pub(super) fn copy(&mut self, dice: &mut Dice) {
        let Some((from, id)) = self.some_file(dice) else {
            return;
        };
        let (to, place) = self.target(dice);
        let to = to.with_extension(from.extension().unwrap());
        if to.exists() || self.books.busy.contains(&to) {
            return;
        }
        self.books.still_there(&to);
        let aside = self.aside();
        let target = if dice.below(2) == 0 { &aside } else { &to };
        if fs::copy(&from, target).is_err() {
            return;
        }
        if *target == aside {
            fs::rename(&aside, &to).unwrap();
        }
        self.books.put(&to, id, Some(place), "copied to");
    }

    pub(super) fn delete(&mut self, dice: &mut Dice) {
        if let Some((path, _)) = self.some_file(dice)
            && fs::remove_file(&path).is_ok()
        {
            self.books.end(&path, "deleted from");
        }
    }

    /// What was there once comes back with its old times, as by rsync -a.
    pub(super) fn put_back(&mut self, dice: &mut Dice) {
        let past = &self.books.past;
        let mut drawn: Vec<(PathBuf, Id, Stamp)> = (0..8)
            .filter_map(|_| {
                let at = dice.below(u64::try_from(past.len()).unwrap().max(1));
                past.get(usize::try_from(at).unwrap()).cloned()
            })
            .filter(|(path, ..)| !path.exists() && !self.books.busy.contains(path))
            .collect();
        // Rather one whose video a person deleted.
        let deleted = &self.books.deleted;
        drawn.sort_by_key(|(_, id, _)| !deleted.iter().any(|one| one.content == Some(*id)));
        let Some((path, id, stamp)) = drawn.into_iter().next() else {
            return;
        };
        self.books.still_there(&path);
        let aside = self.aside();
        fs::write(&aside, self.books.bytes(id)).unwrap();
        let file = OpenOptions::new().write(true).open(&aside).unwrap();
        file.set_modified(stamp.modified).unwrap();
        drop(file);
        fs::rename(&aside, &path).unwrap();
        let place = self.place(&path);
        self.books
            .put(&path, id, place, "put back with its old times to");
    }

    /// A file goes out of the watch for a while.
    pub(super) fn take_away(&mut self, dice: &mut Dice) {
        let Some((path, id)) = self.some_file(dice) else {
            return;
        };
        let away = self.aside();
        if fs::rename(&path, &away).is_ok() {
            self.books.end(&path, "taken away from");
            self.books.put(&away, id, None, "is aside as");
            self.after(100 + dice.below(4_000), Later::Return(away, path));
        }
    }

    pub(super) fn bring_back(&mut self, from: &Path, to: &Path) {
        let place = self.place(to);
        let Some(id) = self.books.still_there(from) else {
            return;
        };
        if to.exists() || self.books.busy.contains(to) {
            return;
        }
        self.books.still_there(to);
        fs::rename(from, to).unwrap();
        self.books.end(from, "is aside no more");
        self.books.put(to, id, place, "came back to");
    }
}

/// Whether the open file is the one of that name.
fn is_at(file: &File, path: &Path) -> bool {
    let open = file.metadata().unwrap().ino();
    fs::symlink_metadata(path).is_ok_and(|meta| meta.ino() == open)
}
