//! Whether a folder that files are moved to is there: the one that it was, not the empty place of a
//! disk or share that is not mounted.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::beneath::{self, Folder, Kind};
use crate::config::{AfterUpload, TRASH, Watch};
use crate::mounts::{self, Origin};
use crate::queue::Error;
use crate::queue::targets::{self, Seen};
use crate::text;

/// A target, as it is now.
#[derive(Debug)]
pub(crate) struct Target {
    folder: PathBuf,
    /// In the watch folder, where it is made when it is needed.
    is_inside: bool,
    is_there: bool,
    parent_is_there: bool,
    /// A symbolic link in its place or above it, in words.
    link: Option<String>,
    /// What has its name in the watch folder and is no folder.
    obstacle: Option<Kind>,
    /// The mount that it is on, unless that is the machine's own disk or the watch folder's.
    mount: Option<Origin>,
}

impl Target {
    /// Looks at a target of this watch. Blocks.
    pub(crate) fn look(watch: &Watch, folder: &Path) -> Self {
        let is_inside = folder.starts_with(&watch.path);
        // Of one that was deleted, its parent says whether the mount is there.
        let parent = folder.parent().unwrap_or(folder);
        let reached = Folder::root(folder);
        let link = match &reached {
            Err(link @ beneath::Error::RootLink(_)) => Some(link.to_string()),
            Ok(_) | Err(_) => None,
        };
        let obstacle = folder.symlink_metadata().ok();
        let obstacle = obstacle.map(|metadata| Kind::of_metadata(&metadata));
        let mount = mounts::of(folder).or_else(|_| mounts::of(parent));
        let mount = mount.ok().flatten();
        let mount = mount.filter(|mount| {
            let of_watch = || mounts::of(&watch.path).ok().flatten();
            let is_shared = is_inside && of_watch().is_some_and(|other| other.id == mount.id);
            mount.origin.point != Path::new("/") && !is_shared
        });
        Self {
            is_inside,
            is_there: reached.is_ok(),
            parent_is_there: folder
                .parent()
                .is_some_and(|parent| Folder::root(parent).is_ok()),
            // One in the watch folder is named with that, or by the move itself.
            link: link.filter(|_| !is_inside),
            obstacle: obstacle.filter(|kind| is_inside && *kind != Kind::Folder),
            mount: mount.map(|mount| mount.origin),
            folder: folder.to_path_buf(),
        }
    }

    /// Whether files may be moved there; a refusal says why not. Keeps what was seen of it, and what
    /// was found.
    ///
    /// # Errors
    /// The database.
    pub(crate) fn ask(&self, db: &Connection) -> Result<Result<(), String>, Error> {
        let then = targets::of(db, &self.folder)?;
        let answer = self.judge(then.as_ref());
        let (mount, offline) = match &answer {
            // What never was there and is not needed yet leaves no trace.
            Ok(()) if !self.is_there => (then.and_then(|then| then.mount), None),
            Ok(()) => (self.mount.clone(), None),
            Err(why) => match then {
                Some(then) => (then.mount, Some(why.clone())),
                // Whether it is on a mount is not known before it was there.
                None => return Ok(answer),
            },
        };
        if self.is_there || targets::of(db, &self.folder)?.is_some() {
            targets::keep(db, &self.folder, &Seen { mount, offline })?;
        }
        Ok(answer)
    }

    /// As [`ask`](Self::ask), of one that was there before; keeps nothing.
    ///
    /// # Errors
    /// The database.
    pub(crate) fn is_offline(&self, db: &Connection) -> Result<Option<String>, Error> {
        let then = targets::of(db, &self.folder)?;
        Ok(then.and_then(|then| self.judge(Some(&then)).err()))
    }

    /// Why it cannot be made in the watch folder; one elsewhere is a fault of the configuration.
    pub(crate) fn obstacle(&self) -> Option<String> {
        let (shown, kind) = (text::path(&self.folder), self.obstacle?.words());
        Some(format!(
            "{shown} is {kind}, not a folder; move it away, and jw-ingest makes the folder"
        ))
    }

    fn judge(&self, then: Option<&Seen>) -> Result<(), String> {
        let shown = text::path(&self.folder);
        if let Some(link) = &self.link {
            return Err(format!("the folder {shown} is offline: {link}"));
        }
        match then {
            Some(Seen {
                mount: Some(mount), ..
            }) => match &self.mount {
                Some(now) if now.is(mount) && (self.is_there || self.parent_is_there) => Ok(()),
                _ => Err(format!(
                    "the folder {shown} is offline: {} is not mounted there; mount it, or name another \
                     folder in the configuration",
                    mount.words()
                )),
            },
            _ if self.is_there || self.is_inside => Ok(()),
            Some(_) if self.parent_is_there => Ok(()),
            Some(_) => Err(format!(
                "the folder {shown} is offline: the folder that it was in is not there"
            )),
            None => Err(format!(
                "the folder {shown} is not there; is its disk or share mounted?"
            )),
        }
    }
}

/// Makes a target that was never on a mount of its own, and was taken away.
///
/// # Errors
/// It cannot be made.
pub(crate) fn make(folder: &Path) -> Result<(), beneath::Error> {
    match (Folder::root(folder), folder.parent(), folder.file_name()) {
        (Err(beneath::Error::Absent(_)), Some(parent), Some(name)) => {
            Folder::root(parent)?.make_folder(Path::new(name)).map(drop)
        }
        (found, ..) => found.map(drop),
    }
}

/// The folders that a watch moves files to.
pub(crate) fn of(watch: &Watch) -> Vec<PathBuf> {
    let named = watch.afterwards.folders();
    let mut folders: Vec<PathBuf> = named.map(|(_, folder)| folder.to_path_buf()).collect();
    if matches!(
        watch.afterwards.after_upload,
        AfterUpload::Trash | AfterUpload::Delete
    ) {
        folders.push(watch.path.join(TRASH));
    }
    folders
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::queue;
    use crate::watch::tests::support;

    fn target(folder: &Path, mount: Option<&str>) -> Target {
        Target {
            folder: folder.to_path_buf(),
            is_inside: false,
            is_there: true,
            parent_is_there: true,
            link: None,
            obstacle: None,
            mount: mount.map(|source| Origin {
                source: source.to_owned(),
                kind: "nfs4".to_owned(),
                root: "/".to_owned(),
                point: PathBuf::from("/mnt/nas"),
            }),
        }
    }

    #[test]
    fn a_target_is_known_by_its_mount_or_else_by_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let db = queue::open(&dir.path().join("jobs.db")).unwrap();
        let folder = Path::new("/mnt/nas/done");
        let absent = |parent_is_there| Target {
            is_there: false,
            parent_is_there,
            ..target(folder, None)
        };
        let says = |target: &Target| target.ask(&db).unwrap().err().unwrap_or_default();
        // Never seen: it may be on a share.
        assert!(says(&absent(true)).contains("is its disk or share mounted?"));
        assert_eq!(targets::of(&db, folder).unwrap(), None);
        // Seen on its mount; then its place is there without that, or with another, or not at all.
        assert_eq!(says(&target(folder, Some("nas:/vol"))), "");
        for without in [
            target(folder, None),
            target(folder, Some("nas:/2")),
            absent(true),
        ] {
            let why = says(&without);
            let words =
                "/mnt/nas/done is offline: nas:/vol (nfs4, at /mnt/nas) is not mounted there";
            assert!(why.contains(words), "{why}");
            assert_eq!(
                targets::offline(&db).unwrap(),
                [(folder.to_path_buf(), why.clone())]
            );
            assert_eq!(without.is_offline(&db).unwrap(), Some(why));
        }
        assert_eq!(says(&target(folder, Some("nas:/vol"))), "");
        assert_eq!(targets::offline(&db).unwrap(), []);
        // One on the machine's own disk is made again in its parent.
        let local = Path::new("/srv/done");
        let at = |target: Target| Target {
            folder: local.to_path_buf(),
            ..target
        };
        assert_eq!(says(&at(target(local, None))), "");
        assert_eq!(says(&at(absent(true))), "");
        let why = says(&at(absent(false)));
        assert!(
            why.contains("the folder that it was in is not there"),
            "{why}"
        );
        // It gets a mount of its own, by which it is known from then on.
        assert_eq!(says(&at(target(local, Some("nas:/vol")))), "");
        assert!(says(&at(target(local, None))).contains("is offline"));
    }

    #[test]
    fn one_in_the_watch_folder_is_no_mount_of_its_own_and_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let db = queue::open(&dir.path().join("jobs.db")).unwrap();
        let mut watch = support::watch(&dir.path().join("drop"));
        fs::create_dir(&watch.path).unwrap();
        watch.afterwards.after_upload = AfterUpload::Trash;
        let trash = of(&watch).remove(0);
        assert_eq!(trash, watch.path.join(".trash"));
        assert_eq!(Target::look(&watch, &trash).ask(&db).unwrap(), Ok(()));
        assert_eq!(targets::of(&db, &trash).unwrap(), None);
        assert_eq!(Target::look(&watch, &trash).obstacle(), None);
        fs::write(&trash, "").unwrap();
        let why = Target::look(&watch, &trash).obstacle().unwrap();
        assert!(
            why.contains(".trash is a regular file, not a folder"),
            "{why}"
        );
        fs::remove_file(&trash).unwrap();
        fs::create_dir(&trash).unwrap();
        assert_eq!(Target::look(&watch, &trash).ask(&db).unwrap(), Ok(()));
        let seen = targets::of(&db, &trash).unwrap().unwrap();
        assert_eq!((seen.mount, seen.offline), (None, None));
    }
}
