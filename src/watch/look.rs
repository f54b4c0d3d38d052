//! One look at a path: what is there, and does a program write it?
//!
//! A look is `stat`, then the lease probe, then `stat` again, on the open file and on its name: an
//! answer counts only if nothing moved in between. The container is examined in between, too. All of
//! it is done in the folder that was reached first, by its handle; nothing here follows a symbolic
//! link or waits for a pipe.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tracing::warn;

use super::container;
use super::control::{self, Control};
use super::evidence::Evidence;
use super::holes;
use super::links::{self, Leads};
use super::reach;
use super::select::{self, Rule, Verdict};
use super::settle::Look;
use super::writer::{self, Reason, Writer};
use crate::beneath::{Error, Place};
use crate::config::{Marker, Watch};
use crate::identity::Identity;

/// What `lstat` reports about a path, sorted.
#[derive(Debug)]
pub(super) enum Thing {
    /// A regular file.
    File(Identity),
    /// A folder.
    Folder,
    /// A symbolic link, device, pipe or socket.
    Other,
    /// Nothing.
    Nothing,
}

/// Which folder is at a path: its device and inode numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FolderId {
    dev: i64,
    ino: i64,
}

impl FolderId {
    pub(super) fn of(meta: &Metadata) -> Self {
        let Identity { dev, ino, .. } = Identity::of(meta);
        Self { dev, ino }
    }

    /// Whether both lie on one filesystem.
    pub(super) fn is_on_disk_of(&self, other: &Self) -> bool {
        self.dev == other.dev
    }
}

/// What is at a path of this watch. Behind a link that is not followed there is nothing of it.
pub(super) fn thing(watch: &Watch, path: &Path) -> io::Result<Thing> {
    sorted(reach::place(Some(watch), path).and_then(|place| place.metadata()))
}

/// What `lstat` answered, sorted.
pub(super) fn sorted(answer: Result<Metadata, Error>) -> io::Result<Thing> {
    match answer {
        Ok(meta) if meta.is_file() => Ok(Thing::File(Identity::of(&meta))),
        Ok(meta) if meta.is_dir() => Ok(Thing::Folder),
        Ok(_) => Ok(Thing::Other),
        Err(Error::Absent(_) | Error::Link(_)) => Ok(Thing::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Whether an error means that there is nothing at the path.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Looks at a candidate; at its container only where that is wanted.
pub(super) fn look(watch: &Watch, path: &Path, examine: bool) -> Look {
    let found = reach::place(Some(watch), path).and_then(|place| {
        let meta = place.metadata()?;
        Ok((place, meta))
    });
    match found {
        Ok((place, meta)) if meta.is_file() => look_inside(watch, (&place, &meta), examine),
        Ok(_) => Look::Gone,
        Err(error) => unreached(watch, &error),
    }
}

fn look_inside(watch: &Watch, (place, meta): (&Place, &Metadata), examine: bool) -> Look {
    let before = Identity::of(meta);
    let (mut writer, mut container, mut control) = (Writer::Unknown(Reason::NoRight), None, None);
    let marker = watch.watching.done_marker.as_ref();
    let opened = match place.open() {
        Ok(file) => {
            writer = writer::probe(&file);
            if examine && marker.is_none() && writer != Writer::Present {
                let holes = holes::of(&file, before.bytes());
                container = Some(container::verdict(&file, before.bytes(), &holes));
                control = control_file(place);
            }
            file.metadata().map(|meta| Identity::of(&meta)).ok()
        }
        // The upload will say it better, if it still cannot be read when it has settled.
        Err(Error::Denied { .. }) => {
            container = Some(container::Verdict::Unknown);
            control = control_file(place);
            Some(before)
        }
        Err(error) => return unreached(watch, &error),
    };
    match place.metadata() {
        Ok(meta) if meta.is_file() => {
            let after = Identity::of(&meta);
            if opened != Some(before) || after != before {
                return Look::Moving(after);
            }
            Look::Still(Evidence {
                identity: after,
                blocks: meta.blocks(),
                writer,
                container,
                control,
                marker: marker.map(|marker| has_marker(place, marker) == Some(true)),
                lacks_companion: lacks_companion(place, &watch.metadata.wait_for),
            })
        }
        Ok(_) => Look::Gone,
        Err(error) => unreached(watch, &error),
    }
}

/// How to treat a file that cannot be reached. Behind a link there is nothing of this watch.
fn unreached(watch: &Watch, error: &Error) -> Look {
    match error {
        Error::Absent(_) | Error::NotAFolder(..) | Error::NotAFile(_) => Look::Gone,
        Error::Link(_) => {
            warn!(watch.name = %watch.name, "a file is not checked: {error}");
            Look::Gone
        }
        Error::RootLink(_) | Error::Denied { .. } | Error::Other { .. } => Look::OutOfReach,
    }
}

/// The control file beside it of a program that transfers it. What cannot be looked at counts as
/// absent: it would hold the file forever, and could not be told.
fn control_file(place: &Place) -> Option<&'static Control> {
    control::beside(place.path(), |name| place.beside(name).metadata().is_ok())
}

/// Whether the file of this pattern is beside it; `None` where the name has none.
fn has_marker(place: &Place, pattern: &Marker) -> Option<bool> {
    let beside = pattern.of(place.path())?;
    Some(place.beside(beside.file_name()?).metadata().is_ok())
}

/// Whether one of the files beside it that it waits for is not there.
fn lacks_companion(place: &Place, companions: &[Marker]) -> bool {
    let mut found = companions.iter().map(|pattern| has_marker(place, pattern));
    found.any(|found| found == Some(false))
}

/// The verdict on a path, with what only the disk can tell: links that are not followed, and what is no file. Where the
/// path does not exist, or cannot be looked at, the name alone decides.
pub(crate) fn verdict_on_disk(watch: &Watch, path: &Path) -> Verdict {
    let by_name = select::verdict(watch, path);
    let Ok(relative) = path.strip_prefix(&watch.path) else {
        return by_name;
    };
    let below = relative
        .ancestors()
        .filter(|part| !part.as_os_str().is_empty());
    for part in below {
        let part = watch.path.join(part);
        let meta = part.symlink_metadata();
        if meta.is_ok_and(|meta| meta.is_symlink())
            && let Leads::Nowhere(refusal) = links::leads(watch, &part)
        {
            return Verdict::Ignored(Rule::SymbolicLink(refusal));
        }
    }
    let folder = path.parent().unwrap_or(path);
    if let Some(refusal) = links::behind(watch, folder) {
        return Verdict::Ignored(Rule::SymbolicLink(refusal));
    }
    match path.symlink_metadata() {
        Ok(meta) if !meta.is_file() => Verdict::Ignored(Rule::NotAFile),
        _ => by_name,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::super::links::Refusal;
    use super::*;
    use crate::watch::tests::support::watch;

    fn disabled() -> Verdict {
        Verdict::Ignored(Rule::SymbolicLink(Refusal::Disabled))
    }

    #[test]
    fn links_and_strange_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let watch = watch(root);
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/a.mp4"), b"x").unwrap();
        symlink(root.join("real/a.mp4"), root.join("link.mp4")).unwrap();
        symlink(root.join("real"), root.join("way")).unwrap();
        let _socket = UnixListener::bind(root.join("socket.mp4")).unwrap();
        let on_disk = |name: &str| verdict_on_disk(&watch, &root.join(name));
        assert_eq!(on_disk("real/a.mp4"), Verdict::Taken);
        assert_eq!(on_disk("absent.mp4"), Verdict::Taken);
        assert_eq!(on_disk("link.mp4"), disabled());
        assert_eq!(on_disk("way/a.mp4"), disabled());
        assert_eq!(on_disk("socket.mp4"), Verdict::Ignored(Rule::NotAFile));
        assert_eq!(on_disk("real"), Verdict::Ignored(Rule::NotAFile));
        for name in ["socket.mp4", "link.mp4", "way/a.mp4", "real", "absent.mp4"] {
            assert_eq!(look(&watch, &root.join(name), true), Look::Gone, "{name}");
        }
    }
}
