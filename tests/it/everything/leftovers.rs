//! What must be true of sidecars and of everything that is left in the folders.

use std::path::{Path, PathBuf};

use super::places;
use super::verdict::{ENDINGS, Verdict, is_video};

/// So many files are asked about at most.
const ASKED: usize = 120;

impl Verdict<'_> {
    pub(super) fn every_sidecar_is_told(&mut self) {
        for (path, sidecar) in &self.world.books.sidecars {
            let wrong = match (&sidecar.title, path.exists()) {
                (None, true) => self.is_not_named(path),
                // A half one was never told: it stays where it is, or where its video was taken.
                (None, false) => self
                    .is_nowhere(path)
                    .then(|| "was never told, and is gone".to_owned()),
                (Some(title), false) => self.was_deleted_untold(path, title),
                (Some(title), true) => self.is_untold(path, (title, sidecar.mended)),
            };
            if let Some(wrong) = wrong {
                let what = format!("{} {wrong}", path.display());
                self.fault("sidecar", (None, Some(path)), what);
            }
        }
    }

    /// The fault of a half one is named with its video.
    fn is_not_named(&self, path: &Path) -> Option<String> {
        let job = self.table.of(&Self::video_of(path)?)?;
        let is_named = job.state != "done" || job.untold.is_some();
        (!is_named).then(|| format!("is half typed, and its job does not say so: {job:?}"))
    }

    /// The only video of that name; of two each would take the sidecar.
    fn video_of(path: &Path) -> Option<PathBuf> {
        let videos = ENDINGS.map(|ending| path.with_extension(ending));
        let mut here = videos.into_iter().filter(|video| video.exists());
        here.next().filter(|_| here.next().is_none())
    }

    fn was_deleted_untold(&self, path: &Path, title: &str) -> Option<String> {
        // A video may be called otherwise by now, or be deleted.
        let is_told = self.world.titles.contains(title)
            || self.table.videos.iter().any(|video| video.title == title);
        let is_lost = self.is_nowhere(path) && !is_told;
        is_lost.then(|| format!("with {title:?} was deleted, and never told"))
    }

    fn is_untold(&self, path: &Path, (title, mended): (&str, bool)) -> Option<String> {
        let mut gone = ENDINGS
            .map(|ending| path.with_extension(ending))
            .into_iter();
        let video = match Self::video_of(path) {
            Some(video) => video,
            // Mended after its video had gone from the folder.
            None if mended => {
                gone.find(|video| !video.exists() && self.table.of(video).is_some())?
            }
            None => return None,
        };
        let job = self.table.of(&video)?;
        let of_job = self.table.video(job.account, job.key.as_deref()?)?;
        let is_told = job.state != "done" || of_job.title == title;
        (!is_told).then(|| format!("with {title:?} is not told: {of_job:?} {job:?}"))
    }

    /// Whether a sidecar of that name was taken along to the trash or the target.
    fn is_nowhere(&self, path: &Path) -> bool {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        !self.files.iter().any(|(file, _)| {
            let is_json = file.extension().is_some_and(|ending| ending == "json");
            let is_taken = matches!(places::of(&self.world.site, file), Some((_, false)));
            let of_name = file.file_stem().and_then(|name| name.to_str());
            is_json && is_taken && of_name.is_some_and(|of| of.starts_with(name))
        })
    }

    pub(super) fn every_leftover_is_explained(&mut self) {
        let left: Vec<_> = self
            .files
            .iter()
            .map(|(path, _)| path)
            .filter(|path| matches!(places::of(&self.world.site, path), Some((_, true))))
            .collect();
        let step = left.len().div_ceil(ASKED).max(1);
        for path in left.into_iter().step_by(step) {
            let output = self
                .world
                .site
                .command(&["explain", path.to_str().unwrap()]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let answer = said.lines().next().unwrap_or_default();
            let vague = [
                "not noticed",
                "no job has it yet",
                "waits to settle",
                "nothing lies there",
            ];
            let is_definite =
                output.status.success() && !vague.iter().any(|words| said.contains(words));
            if !is_definite || (is_video(path) && answer.is_empty()) {
                let what = format!("explain has no answer for {}: {said}", path.display());
                self.fault("riddle", (None, Some(path)), what);
            }
        }
    }
}
