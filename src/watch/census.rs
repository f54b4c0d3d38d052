//! Everything that is in a watch folder, with what the watch makes of it: a walk for people, who
//! want to know of what is left alone, too.
//!
//! It changes nothing and remembers nothing. Folders are listed one at a time and in the order of
//! their names, so that it needs the memory for the names of one folder.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::links::{self, Leads};
use super::look::{self, Thing};
use super::reach;
use super::select::{self, Rule, Verdict};
use crate::beneath::{Error, Folder, Kind};
use crate::config::Watch;
use crate::identity::Identity;

/// One thing in a watch folder.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A file that counts.
    File(PathBuf, Identity),
    /// A file that is left alone.
    Ignored(PathBuf, Rule),
    /// A folder that is left alone, with all that is in it.
    IgnoredFolder(PathBuf, Rule),
    /// A marker, companion or note that belongs to a file that counts.
    Beside(PathBuf),
    /// A file that cannot be looked at.
    Trouble(PathBuf, io::Error),
    /// A folder that cannot be listed, in whole or in part.
    FolderTrouble(PathBuf, io::Error),
    /// The watch folder itself cannot be looked at; nothing follows.
    Offline(PathBuf, io::Error),
}

/// A walk in progress.
#[derive(Debug)]
pub(crate) struct Census {
    watch: Watch,
    /// Still to be listed; the next one last.
    folders: Vec<PathBuf>,
    /// The folders behind links that were walked.
    behind: BTreeSet<PathBuf>,
    open: Option<Listing>,
    listed: usize,
}

/// One folder that was listed.
#[derive(Debug)]
struct Listing {
    folder: PathBuf,
    /// Sorted by name.
    names: Vec<(OsString, Kind)>,
    next: usize,
    /// The folders in it to be listed.
    folders: Vec<PathBuf>,
    /// Where the list broke off.
    trouble: Option<io::Error>,
}

/// What the names of files beside a video may end in: notes of ours after its whole name, and
/// companions after its name without the extension.
const NOTES: [&str; 2] = [".failed.txt", ".jw.json"];
const COMPANIONS: [&str; 2] = [".json", ".toml"];

impl Census {
    /// Begins a walk through the folder of a watch.
    pub(crate) fn new(watch: Watch) -> Self {
        Self {
            folders: vec![watch.path.clone()],
            watch,
            behind: BTreeSet::new(),
            open: None,
            listed: 0,
        }
    }

    /// How many folders were listed so far, the watch folder among them.
    pub(crate) fn folders(&self) -> usize {
        self.listed
    }

    fn list(&mut self, folder: PathBuf) -> Option<Entry> {
        let reached = reach::folder(&self.watch, &folder).map_err(Error::into_source);
        match reached.and_then(|reached| Listing::read(folder.clone(), &reached)) {
            Ok(listing) => {
                self.open = Some(listing);
                self.listed += 1;
                None
            }
            Err(error) if folder == self.watch.path => Some(Entry::Offline(folder, error)),
            // It went while we were on our way to it.
            Err(error) if look::is_nothing(&error) => None,
            Err(error) => Some(Entry::FolderTrouble(folder, error)),
        }
    }

    /// Continues in the folder that is open, and closes it at its end.
    fn listed(&mut self) -> Option<Entry> {
        while let Some(listing) = &mut self.open {
            let at = listing.next;
            listing.next += 1;
            if at < listing.names.len() {
                if let Some(entry) = self.entry(at) {
                    return Some(entry);
                }
                continue;
            }
            let done = self.open.take()?;
            // The first in the order of names is listed next.
            self.folders.extend(done.folders.into_iter().rev());
            if let Some(error) = done.trouble {
                return Some(Entry::FolderTrouble(done.folder, error));
            }
        }
        None
    }

    /// What the watch makes of one name of the open folder.
    fn entry(&mut self, at: usize) -> Option<Entry> {
        let listing = self.open.as_mut()?;
        let (name, kind) = listing.names.get(at)?;
        let (name, kind) = (name.clone(), *kind);
        let path = listing.folder.join(&name);
        if kind == Kind::Link {
            match links::leads(&self.watch, &path) {
                Leads::Inside(target) => {
                    if !self.behind.insert(target) {
                        return None;
                    }
                }
                Leads::Nowhere(refusal) => {
                    return Some(Entry::Ignored(path, Rule::SymbolicLink(refusal)));
                }
            }
        }
        if matches!(kind, Kind::Folder | Kind::Link) {
            if let Verdict::Ignored(rule) = links::descend(&self.watch, &path) {
                return Some(Entry::IgnoredFolder(path, rule));
            }
            listing.folders.push(path);
            return None;
        }
        match select::verdict(&self.watch, &path) {
            Verdict::Ignored(Rule::Marker) => return Some(Entry::Beside(path)),
            Verdict::Ignored(Rule::Companion | Rule::Note | Rule::NotIncluded)
                if listing.is_beside(&self.watch, &name) =>
            {
                return Some(Entry::Beside(path));
            }
            Verdict::Ignored(rule) => return Some(Entry::Ignored(path, rule)),
            Verdict::Taken => {}
        }
        match look::thing(&self.watch, &path) {
            Ok(Thing::File(identity)) => Some(Entry::File(path, identity)),
            Ok(Thing::Nothing) => None,
            Ok(Thing::Folder | Thing::Other) => Some(Entry::Ignored(path, Rule::NotAFile)),
            Err(error) => Some(Entry::Trouble(path, error)),
        }
    }
}

impl Listing {
    fn read(folder: PathBuf, reached: &Folder) -> io::Result<Self> {
        let (mut names, mut trouble) = (Vec::new(), None);
        for entry in reached.list().map_err(Error::into_source)? {
            match entry {
                Ok(entry) => names.push(entry),
                Err(error) => {
                    trouble = Some(error);
                    break;
                }
            }
        }
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Self {
            folder,
            names,
            next: 0,
            folders: Vec::new(),
            trouble,
        })
    }

    /// Whether a file of this name is a note or companion of a file in this folder that counts.
    fn is_beside(&self, watch: &Watch, name: &OsStr) -> bool {
        let cut = |suffix: &&str| name.as_bytes().strip_suffix(suffix.as_bytes());
        let counts =
            |name: &OsStr| select::verdict(watch, &self.folder.join(name)) == Verdict::Taken;
        let of_whole_name = NOTES.iter().filter_map(cut).any(|video| {
            let video = OsStr::from_bytes(video);
            let found = self
                .names
                .binary_search_by(|(other, _)| other.as_os_str().cmp(video));
            found.is_ok() && counts(video)
        });
        of_whole_name
            || COMPANIONS.iter().filter_map(cut).any(|stem| {
                let dotted = [stem, b"."].concat();
                let first = self
                    .names
                    .partition_point(|(other, _)| other.as_bytes() < &*dotted);
                let alike = self.names.iter().skip(first).map(|(name, _)| name);
                let mut alike = alike.take_while(|other| other.as_bytes().starts_with(&dotted));
                alike.any(|other| {
                    Path::new(other).file_stem().map(OsStr::as_bytes) == Some(stem) && counts(other)
                })
            })
    }
}

impl Iterator for Census {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.listed() {
                return Some(entry);
            }
            let folder = self.folders.pop()?;
            if let Some(entry) = self.list(folder) {
                return Some(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::Marker;
    use crate::watch::tests::support;

    #[test]
    fn nothing_that_lies_there_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let mut watch = support::watch(&root);
        watch.watching.done_marker = Marker::parse("{name}.done").ok();
        watch.watching.follow_links = true;
        for below in ["in", ".store", "@eaDir"] {
            fs::create_dir(root.join(below)).unwrap();
        }
        for name in [
            "b.mp4",
            "a.mp4",
            "a.mp4.done",
            "a.json",
            "a.mp4.jw.json",
            "b.mp4.failed.txt",
            "c.json",
            "a.mp4.part",
            ".hidden.mp4",
            "in/d.mov",
            "in/notes.txt",
            ".store/e.mp4",
            "@eaDir/f.mp4",
        ] {
            fs::write(root.join(name), name).unwrap();
        }
        symlink(root.join(".store"), root.join("way")).unwrap();
        symlink(root.join("a.mp4"), root.join("link.mp4")).unwrap();
        let told: Vec<_> = Census::new(watch)
            .map(|entry| match entry {
                Entry::File(path, _) => ("file", path),
                Entry::Ignored(path, _) => ("ignored", path),
                Entry::IgnoredFolder(path, _) => ("ignored folder", path),
                Entry::Beside(path) => ("beside", path),
                Entry::Trouble(path, _) | Entry::FolderTrouble(path, _) => ("trouble", path),
                Entry::Offline(_, error) => panic!("{error}"),
            })
            .map(|(kind, path)| {
                let below = path.strip_prefix(&root).unwrap();
                (kind, below.to_str().unwrap().to_owned())
            })
            .collect();
        let expected = [
            ("ignored", ".hidden.mp4"),
            ("ignored folder", ".store"),
            ("ignored folder", "@eaDir"),
            ("beside", "a.json"),
            ("file", "a.mp4"),
            ("beside", "a.mp4.done"),
            ("beside", "a.mp4.jw.json"),
            ("ignored", "a.mp4.part"),
            ("file", "b.mp4"),
            ("beside", "b.mp4.failed.txt"),
            ("ignored", "c.json"),
            ("ignored", "link.mp4"),
            ("file", "in/d.mov"),
            ("ignored", "in/notes.txt"),
            ("file", "way/e.mp4"),
        ];
        assert_eq!(told, expected.map(|(kind, name)| (kind, name.to_owned())));
    }

    #[test]
    fn a_folder_that_is_away_is_said_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut census = Census::new(support::watch(&folder.path().join("away")));
        assert!(matches!(census.next(), Some(Entry::Offline(..))));
        assert!(census.next().is_none());
    }
}
