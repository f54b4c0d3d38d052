//! Which place a path typed on the command line means.
//!
//! Watches have canonical paths. A file's own name is not resolved: a symbolic link is never taken,
//! and must not be mistaken for what it points to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use super::links;
use crate::config::Watch;
use crate::text;

/// The absolute path, canonical except for the last name. What does not exist keeps its names below
/// the deepest folder that does.
///
/// # Errors
/// Where the current folder is gone.
pub(crate) fn absolute(typed: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(typed)?;
    let (Some(parent), Some(Component::Normal(name))) =
        (path.parent(), path.components().next_back())
    else {
        // The root, or a path that ends in `..`: a folder in any case.
        return Ok(path.canonicalize().unwrap_or(path));
    };
    let mut canonical = deepest_existing(parent);
    canonical.push(name);
    Ok(canonical)
}

/// Canonical as far as it exists.
fn deepest_existing(folder: &Path) -> PathBuf {
    for ancestor in folder.ancestors() {
        if let Ok(canonical) = ancestor.canonicalize() {
            let rest = folder.strip_prefix(ancestor).unwrap_or(Path::new(""));
            // Joining nothing would add a slash at the end.
            return if rest.as_os_str().is_empty() {
                canonical
            } else {
                canonical.join(rest)
            };
        }
    }
    folder.to_owned()
}

/// As [`absolute`], but a link that its watch follows is kept: the watch knows what is behind it by
/// the link's path.
pub(crate) fn watched(absolute: &Path, watches: &[Watch]) -> PathBuf {
    let plain = || self::absolute(absolute).unwrap_or_else(|_| absolute.to_owned());
    let within = |ancestor: &Path| {
        let canonical = ancestor.canonicalize().ok()?;
        watches.iter().find(|watch| watch.path == canonical)
    };
    for ancestor in absolute.ancestors().skip(1) {
        let Some(watch) = within(ancestor) else {
            continue;
        };
        let below = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
        return through(watch, below).unwrap_or_else(plain);
    }
    plain()
}

/// The path below a watch's folder, if it has no symlinks in it except those that are followed.
fn through(watch: &Watch, below: &Path) -> Option<PathBuf> {
    let mut path = watch.path.clone();
    let mut components = below.components().peekable();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else {
            return None;
        };
        path.push(name);
        let is_last = components.peek().is_none();
        if !is_last && path.is_symlink() && !links::is_followed(watch, &path) {
            return None;
        }
    }
    Some(path)
}

/// The watch that a path belongs to. Watches never lie in one another, so there is one at most.
pub(crate) fn owner<'a>(watches: &'a [Watch], path: &Path) -> Option<&'a Watch> {
    watches.iter().find(|watch| path.starts_with(&watch.path))
}

/// The names of the watches with their folders, for a message.
pub(crate) fn name_watches(watches: &[Watch]) -> String {
    let named = |watch: &Watch| {
        let folder = text::path(&watch.path);
        format!("{} ({folder})", watch.name)
    };
    watches.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// Opens a regular file to look at it, following no link and waiting for no pipe.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folders_are_resolved_and_the_last_name_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "x").unwrap();
        symlink("real", root.join("link")).unwrap();
        symlink("file", root.join("real/alias")).unwrap();
        for (typed, meant) in [
            ("link/file", "real/file"),
            ("link/alias", "real/alias"),
            ("link", "link"),
            ("link/not/there.mp4", "real/not/there.mp4"),
            ("real/./file", "real/file"),
            ("real/../link/file", "real/file"),
        ] {
            assert_eq!(
                absolute(&root.join(typed)).unwrap(),
                root.join(meant),
                "{typed}"
            );
        }
        assert_eq!(absolute(&root.join("link/..")).unwrap(), root);
        assert_eq!(absolute(Path::new("/")).unwrap(), Path::new("/"));
    }
}
