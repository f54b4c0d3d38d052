//! The folders that do not answer: no other look waits for them.

use std::path::{Path, PathBuf};

use super::finding::Finding;
use crate::config::Watch;
use crate::ingest::targets;
use crate::patience;
use crate::wording::text;

/// Those of all watches.
pub(super) struct Silent(Vec<(String, PathBuf)>);

/// Asks them all at once.
pub(super) fn of(watches: &[Watch]) -> Silent {
    let all = watches.iter().flat_map(|watch| {
        let targets = targets::of(watch).into_iter();
        let folders = std::iter::once(watch.path.clone()).chain(targets);
        folders.map(|folder| (watch.name.clone(), folder))
    });
    let all: Vec<(String, PathBuf)> = all.collect();
    let folders: Vec<PathBuf> = all.iter().map(|(_, folder)| folder.clone()).collect();
    let silent = patience::silent(patience::FOLDER, &folders);
    let is_silent = |(_, folder): &(String, PathBuf)| silent.contains(folder);
    Silent(all.into_iter().filter(is_silent).collect())
}

impl Silent {
    pub(super) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn has(&self, folder: &Path) -> bool {
        self.0.iter().any(|(_, silent)| silent == folder)
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let findings = self.0.iter().map(|(watch, folder)| {
            let (shown, why) = (text::path(folder), patience::unanswered(patience::FOLDER));
            Finding::fail(format!("watch {watch}"), format!("{shown} {why}"))
        });
        findings.collect()
    }
}
