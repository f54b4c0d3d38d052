//! From which root the path of a file is reached.
//!
//! That is the watch folder, or one that its files are moved to. What lies elsewhere (taken by hand, or of a watch that is not configured any more) is reached
//! from `/`, by its canonical path.

use std::path::Path;

use crate::beneath::{Error, Folder, Place};
use crate::config::Watch;

/// The place of a file of this watch, or of none that is configured.
///
/// Links on the way are refused. Where the watch follows links, they are resolved first, and what
/// that gives must lie in the watch folder; it is then reached as anything else.
///
/// # Errors
/// Its folder is not there, lies behind a link, or cannot be reached.
pub fn place(watch: Option<&Watch>, path: &Path) -> Result<Place, Error> {
    match watch {
        Some(watch) if watch.watching.follow_links && path.starts_with(&watch.path) => {
            followed(watch, path)
        }
        _ => {
            let (root, below) = split(watch, path);
            Place::below(&Folder::root(root)?, below)
        }
    }
}

/// The place that a file of this watch is to get; its folder is made where it is not there. Links
/// are followed only to where a file of a watch that follows them was seen.
///
/// # Errors
/// Its folder can be neither reached nor made.
pub fn make_place(watch: &Watch, path: &Path) -> Result<Place, Error> {
    match place(Some(watch), path) {
        Err(Error::Absent(_)) => make_place_beneath(watch, path),
        found => found,
    }
}

/// As [`make_place`], and no link is followed, whatever the watch does.
///
/// # Errors
/// Its folder can be neither reached nor made.
pub fn make_place_beneath(watch: &Watch, path: &Path) -> Result<Place, Error> {
    let (root, below) = split(Some(watch), path);
    Place::make_below(&Folder::root(root)?, below)
}

/// The root that a path is reached from; `None`: it lies in none of the watch's.
pub fn root<'a>(watch: Option<&'a Watch>, path: &Path) -> Option<&'a Path> {
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

fn followed(watch: &Watch, path: &Path) -> Result<Place, Error> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::Absent(path.to_path_buf()));
    };
    let canonical = |path: &Path| path.canonicalize().map_err(|error| Error::of(path, error));
    let (base, real) = (canonical(&watch.path)?, canonical(folder)?);
    let Ok(below) = real.strip_prefix(&base) else {
        return Err(Error::Link(folder.to_path_buf()));
    };
    let reached = Folder::root(&watch.path)?.folder(below)?;
    Ok(reached.known_as(folder).place(name))
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
