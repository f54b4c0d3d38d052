//! What the thread of a watch makes of messages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tracing::debug;

use super::super::control;
use super::super::evidence::Ending;
use super::super::inbox::Message;
use super::super::links::{self, Leads};
use super::super::look::{self, Thing};
use super::super::outbox::Closed;
use super::super::report::SeenBy;
use super::super::select::{self, Verdict};
use super::super::sighting::Sighting;
use super::Folder;
use crate::identity::Identity;

/// How many sidecars one turn looks at.
const COMPANIONS: usize = 256;

/// What was announced of a path; the greater says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// Its rights or times changed.
    Attributes,
    /// It came or went, and perhaps that was the end of its writing.
    CameOrWent(Ending),
}

impl Folder {
    /// Works off messages. What is at a path is read from the disk, so that of many messages on one
    /// path one is enough.
    pub(super) fn work_off(&mut self, messages: Vec<Message>) -> Result<(), Closed> {
        let mut changed = BTreeMap::new();
        for message in messages {
            let (path, news) = match message {
                Message::Changed(path) => (path, News::CameOrWent(Ending::Unseen)),
                Message::Renamed(path) => (path, News::CameOrWent(Ending::Renamed)),
                Message::Closed(path) => (path, News::CameOrWent(Ending::Closed)),
                Message::Attributes(path) => (path, News::Attributes),
                Message::Recheck(path) => {
                    let finding = self.settler.forget(&path);
                    self.report(finding)?;
                    (path, News::CameOrWent(Ending::Unseen))
                }
                #[cfg(test)]
                Message::Scan => {
                    self.schedule.wanted();
                    continue;
                }
                Message::Wake => continue,
            };
            let known = changed.entry(path).or_insert(news);
            *known = news.max(*known);
        }
        self.markers(&changed);
        self.controls(&changed);
        for (path, news) in changed {
            self.changed(path, news)?;
        }
        Ok(())
    }

    /// Looks at those whose done-markers or companions are among what changed.
    fn markers(&mut self, changed: &BTreeMap<PathBuf, News>) {
        let marker = self.watch.watching.done_marker.iter();
        for pattern in marker.chain(&self.watch.metadata.wait_for) {
            let is_one =
                |path: &&PathBuf| path.file_name().is_some_and(|name| pattern.is_one(name));
            let came: BTreeSet<PathBuf> = changed.keys().filter(is_one).cloned().collect();
            if !came.is_empty() {
                self.settler.marked(pattern, &came, self.started.elapsed());
            }
        }
    }

    /// Looks at those that wait until a control file among what changed is gone.
    fn controls(&mut self, changed: &BTreeMap<PathBuf, News>) {
        let is_one = |path: &&PathBuf| path.file_name().and_then(control::suffix).is_some();
        let controls: BTreeSet<PathBuf> = changed.keys().filter(is_one).cloned().collect();
        if !controls.is_empty() {
            self.settler.controlled(&controls, self.started.elapsed());
        }
    }

    /// Reports the sidecars that were left alone since they changed.
    pub(super) fn tell_of_companions(&mut self) -> Result<(), Closed> {
        for _ in 0..COMPANIONS {
            let Some(path) = self.companions.next(self.now()) else {
                break;
            };
            let found = match look::thing(&self.watch, &path) {
                Ok(Thing::File(identity)) => Some(identity),
                Ok(Thing::Folder | Thing::Other | Thing::Nothing) | Err(_) => None,
            };
            if self.companions.answer(&path, found, self.now()) {
                self.outbox.companion(path)?;
            }
        }
        Ok(())
    }

    fn changed(&mut self, path: PathBuf, news: News) -> Result<(), Closed> {
        self.audit.announced(&path);
        if path == self.watch.path {
            self.root.suspect();
            return Ok(());
        }
        match look::thing(&self.watch, &path) {
            Ok(Thing::File(identity)) => self.file(path, identity, news),
            // A new folder, or one that could not be read before. Of a watched one only the rights
            // changed.
            Ok(Thing::Folder) if news != News::Attributes || !self.events.has(&path) => {
                self.folder(path);
            }
            Ok(Thing::Folder) => {}
            Ok(Thing::Other) if matches!(links::leads(&self.watch, &path), Leads::Inside(_)) => {
                self.folder(path);
            }
            Ok(Thing::Other) => {
                debug!(watch.name = %self.watch.name, ?path, "no regular file; ignored");
            }
            Ok(Thing::Nothing) => self.nothing(&path)?,
            Err(error) => debug!(watch.name = %self.watch.name, ?path, %error, "cannot access it"),
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, identity: Identity, news: News) {
        let now = self.now();
        if links::behind(&self.watch, path.parent().unwrap_or(&path)).is_some() {
            return;
        }
        if select::is_sidecar(&self.watch, &path) {
            self.companions.see(path, identity, now);
        } else if select::verdict(&self.watch, &path) == Verdict::Taken {
            let ending = match news {
                News::Attributes => Ending::Unseen,
                News::CameOrWent(ending) => ending,
            };
            self.settler.see(
                Sighting {
                    path,
                    identity,
                    by: SeenBy::Event,
                    ending,
                },
                now,
            );
        }
    }

    fn folder(&mut self, path: PathBuf) {
        if links::descend(&self.watch, &path) == Verdict::Taken {
            self.events.came(&path);
            self.walks.begin_folder(path);
        }
    }

    fn nothing(&mut self, path: &Path) -> Result<(), Closed> {
        if !self.root.is_unchanged() {
            self.root.suspect();
            return Ok(());
        }
        self.events.forget(path);
        self.companions.forget(path);
        let finding = self.settler.vanished(path);
        self.report(finding)
    }
}
