//! From which root the path of a file is reached.
//!
//! That is the watch folder, or one that its files are moved to. What is elsewhere (taken by hand,
//! or of a watch that is not configured any more) is reached from `/`, by its canonical path. A
//! root is reached by its canonical path, too: a link that takes its place later, or that of a
//! folder above it, is not followed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::beneath::{Error, Folder, Place};
use crate::config::Watch;

/// The place of a file of this watch, or of none that is configured.
///
/// Links on the way are refused. Where the watch follows links, they are resolved first, and what
/// that gives must lie in the watch folder; it is then reached as anything else.
///
/// # Errors
/// Its folder is not there, is behind a link, or cannot be reached.
pub(crate) fn place(watch: Option<&Watch>, path: &Path) -> Result<Place, Error> {
    match watch {
        Some(watch) if watch.watching.follow_links && path.starts_with(&watch.path) => {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(Error::Absent(path.to_path_buf()));
            };
            Ok(follow_folder(watch, folder)?.place(name))
        }
        _ => {
            let (root, below) = split(watch, path);
            Place::below(&Folder::root(root)?, below)
        }
    }
}

/// Whether the path of a place still leads to the folder that it holds, which a person may have renamed or moved out of
/// its root since.
///
/// # Errors
/// What its path leads to cannot be reached.
pub(crate) fn is_held(watch: Option<&Watch>, held: &Place) -> Result<bool, Error> {
    let now = match place(watch, held.path()) {
        Err(Error::Absent(_)) => return Ok(false),
        now => now?,
    };
    let folder = |place: &Place| {
        let meta = place.folder().metadata()?;
        Ok::<_, Error>((meta.dev(), meta.ino()))
    };
    Ok(folder(&now)? == folder(held)?)
}

/// A folder of this watch: its own, or one below, as [`place`] reaches it.
///
/// # Errors
/// It is not there, is behind a link, or cannot be reached.
pub(crate) fn folder(watch: &Watch, path: &Path) -> Result<Folder, Error> {
    if watch.watching.follow_links && path != watch.path {
        return follow_folder(watch, path);
    }
    let (root, below) = split(Some(watch), path);
    Folder::root(root)?.folder(below)
}

/// The place that a file of this watch will get; its folder is made where it is not there. Links
/// are followed only to where a file of a watch that follows them was seen.
///
/// # Errors
/// Its folder can be neither reached nor made.
pub(crate) fn make_place(watch: &Watch, path: &Path) -> Result<Place, Error> {
    match place(Some(watch), path) {
        Err(Error::Absent(_)) => make_place_beneath(watch, path),
        found => found,
    }
}

/// As [`make_place`], and no symlink is followed, even if the watch follows them.
///
/// # Errors
/// Its folder can be neither reached nor made.
pub(crate) fn make_place_beneath(watch: &Watch, path: &Path) -> Result<Place, Error> {
    let (root, below) = split(Some(watch), path);
    Place::make_below(&Folder::root(root)?, below)
}

/// The root that a path is reached from; `None`: it is in none of the watch's.
pub(crate) fn root<'a>(watch: Option<&'a Watch>, path: &Path) -> Option<&'a Path> {
    let watch = watch?;
    if path.starts_with(&watch.path) {
        return Some(&watch.path);
    }
    let mut folders = watch.afterwards.folders().map(|(_, folder)| folder);
    folders.find(|folder| path.starts_with(folder))
}

fn split<'a>(watch: Option<&'a Watch>, path: &'a Path) -> (&'a Path, &'a Path) {
    let root = root(watch, path).unwrap_or(Path::new("/"));
    (root, path.strip_prefix(root).unwrap_or(path))
}

fn follow_folder(watch: &Watch, folder: &Path) -> Result<Folder, Error> {
    let root = Folder::root(&watch.path)?;
    let real = folder.canonicalize();
    let real = real.map_err(|error| Error::of(folder, error))?;
    let Ok(below) = real.strip_prefix(&watch.path) else {
        return Err(Error::Link(folder.to_path_buf()));
    };
    Ok(root.folder(below)?.known_as(folder))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::watch::tests::support;

    fn content(place: &Result<Place, Error>) -> Option<String> {
        let file = place.as_ref().ok()?.open().ok()?;
        io::read_to_string(file).ok()
    }

    /// Nothing of the watch on `base/drop`, and of its target `base/up`, is reached.
    fn check_refused(watch: &Watch, dir: &Path) {
        let is_refused = |error: Option<Error>| matches!(error, Some(Error::RootLink(_)));
        for path in ["base/drop/sub/a.mp4", "base/drop/a.mp4", "base/up/a.mp4"] {
            let path = dir.join(path);
            assert!(is_refused(place(Some(watch), &path).err()), "{path:?}");
            assert!(is_refused(make_place(watch, &path).err()), "{path:?}");
            assert!(
                is_refused(make_place_beneath(watch, &path).err()),
                "{path:?}"
            );
        }
        for path in ["base/drop", "base/drop/sub"] {
            assert!(is_refused(folder(watch, &dir.join(path)).err()), "{path}");
        }
    }

    #[test]
    fn no_root_is_reached_through_a_link_that_took_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let at = |below: &str| -> PathBuf { dir.join(below) };
        for folder in ["base/drop/sub", "vault/drop/sub", "base/up", "vault/up"] {
            fs::create_dir_all(at(folder)).unwrap();
            fs::write(at(folder).join("a.mp4"), folder).unwrap();
        }
        let mut watch = support::watch(&at("base/drop"));
        watch.afterwards.move_to = Some(at("base/up"));
        // A folder above; then the folders themselves.
        for swapped in [&["base"][..], &["base/drop", "base/up"]] {
            let vaults = swapped.iter().map(|name| name.replace("base", "vault"));
            for (name, vault) in swapped.iter().zip(vaults) {
                fs::rename(at(name), at("aside")).unwrap();
                symlink(at(&vault), at(name)).unwrap();
                fs::rename(at("aside"), at(name).with_extension("old")).unwrap();
            }
            for follow in [false, true] {
                watch.watching.follow_links = follow;
                check_refused(&watch, &dir);
            }
            for name in swapped {
                fs::remove_file(at(name)).unwrap();
                fs::rename(at(name).with_extension("old"), at(name)).unwrap();
            }
            let found = place(Some(&watch), &at("base/drop/sub/a.mp4"));
            assert_eq!(content(&found).as_deref(), Some("base/drop/sub"));
        }
        assert_eq!(fs::read_dir(at("vault/drop")).unwrap().count(), 1);
    }

    #[test]
    fn each_path_is_reached_from_its_own_root_and_by_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let at = |below: &str| -> PathBuf { dir.join(below) };
        for folder in ["drop/sub", "up/sub", "else/sub"] {
            fs::create_dir_all(at(folder)).unwrap();
            fs::write(at(folder).join("a.mp4"), folder).unwrap();
            symlink(at("else"), at(folder).join("way")).unwrap();
        }
        symlink(at("drop/sub"), at("drop/inner")).unwrap();
        let mut watch = support::watch(&at("drop"));
        watch.afterwards.move_to = Some(at("up"));
        for (path, expected) in [
            ("drop/sub/a.mp4", Some("drop/sub")),
            ("up/sub/a.mp4", Some("up/sub")),
            ("else/sub/a.mp4", Some("else/sub")),
            ("drop/sub/way/sub/a.mp4", None),
            ("up/sub/way/sub/a.mp4", None),
            ("else/sub/way/sub/a.mp4", None),
            ("drop/inner/a.mp4", None),
        ] {
            let found = place(Some(&watch), &at(path));
            assert_eq!(content(&found).as_deref(), expected, "{path}: {found:?}");
            let found = place(None, &at(path));
            assert_eq!(content(&found).as_deref(), expected, "{path}: {found:?}");
        }
        // The link to a folder inside is followed on request, and the one that leads out is not.
        watch.watching.follow_links = true;
        let inner = place(Some(&watch), &at("drop/inner/a.mp4"));
        assert_eq!(content(&inner).as_deref(), Some("drop/sub"));
        assert_eq!(inner.unwrap().path(), at("drop/inner/a.mp4"));
        let out = place(Some(&watch), &at("drop/sub/way/sub/a.mp4"));
        assert!(matches!(out, Err(Error::Link(_))), "{out:?}");
    }
}
