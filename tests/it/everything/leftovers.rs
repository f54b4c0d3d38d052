//! What must be true of sidecars and of everything that is left in the folders.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::places;
use super::table::Row;
use super::verdict::{ENDINGS, Verdict, is_video};

/// How many files are asked about at most.
const ASKED: usize = 120;

impl Verdict<'_> {
    pub(super) fn every_sidecar_is_told(&mut self) {
        for (path, sidecar) in &self.world.books.sidecars {
            let wrong = match (&sidecar.title, path.exists()) {
                (None, true) => self.is_not_named(path),
                // A half one was never sent: it stays where it is, or where its video was taken.
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
        let is_told = self.record.titles.contains(title);
        let is_lost = self.is_nowhere(path) && !is_told;
        is_lost.then(|| format!("with {title:?} was deleted, and never told"))
    }

    fn is_untold(&self, path: &Path, (title, mended): (&str, bool)) -> Option<String> {
        let mut gone = ENDINGS
            .map(|ending| path.with_extension(ending))
            .into_iter();
        let video = match Self::video_of(path) {
            Some(video) => video,
            // Fixed after the daemon had taken its video from the folder. Where people took it, the
            // job of that name is that of a file before.
            None if mended => gone.find(|video| !video.exists() && self.was_taken(video))?,
            None => return None,
        };
        let job = self.table.of(&video)?;
        let of_job = self.table.video(job.account, job.key.as_deref()?)?;
        let is_told = job.state != "done" || of_job.title == title;
        (!is_told).then(|| format!("with {title:?} is not told: {of_job:?} {job:?}"))
    }

    /// Whether the daemon moved or deleted the last file of that name.
    fn was_taken(&self, video: &Path) -> bool {
        let job = self.table.of(video);
        let outcome = job.and_then(|job| job.afterwards.as_deref());
        outcome.is_some_and(|outcome| {
            outcome.starts_with("deleted") || outcome.starts_with("moved to")
        })
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

    /// Every file in the folders: by the list of all that is not up, and some of them one by one.
    pub(super) fn every_leftover_is_explained(&mut self) {
        let left: Vec<_> = self
            .files
            .iter()
            .map(|(path, _)| path)
            .filter(|path| matches!(places::of(&self.world.site, path), Some((_, true))))
            .collect();
        self.the_list_explains(&left);
        let step = left.len().div_ceil(ASKED).max(1);
        for path in left.into_iter().step_by(step) {
            let said = self.said(&["explain", "--json", path.to_str().unwrap()]);
            let told: Value = serde_json::from_str(&said).unwrap_or_default();
            let verdict = told["verdict"].as_str().unwrap_or_default();
            let is_definite = verdict == "job" || (verdict == "ignored" && !is_video(path));
            if !is_definite || told["answer"].as_str().is_none_or(str::is_empty) {
                let what = format!("explain has no answer for {}: {said}", path.display());
                self.fault("riddle", (None, Some(path)), what);
            }
            if is_video(path) {
                self.says_why_it_is_here(path);
            }
        }
    }

    fn the_list_explains(&mut self, left: &[&PathBuf]) {
        let said = self.said(&["explain", "--all-waiting", "--json"]);
        let mut rows = HashMap::new();
        for line in said.lines() {
            let row: Value = serde_json::from_str(line).unwrap_or_default();
            if let Some(path) = row["path"].as_str() {
                rows.insert(PathBuf::from(path), row);
            }
        }
        for path in left {
            let is_up = |job: &Row| matches!(job.state.as_str(), "done" | "duplicate");
            let wrong = match rows.get(*path) {
                Some(row) => {
                    let kind = row["kind"].as_str().unwrap_or_default();
                    let is_known = kind == "job" || (kind == "ignored" && !is_video(path));
                    let is_said = row["reason"].as_str().is_some_and(|why| !why.is_empty());
                    (!is_known || !is_said).then(|| row.to_string())
                }
                None if is_video(path) && !self.table.of(path).is_some_and(is_up) => {
                    Some("not listed".to_owned())
                }
                None => None,
            };
            if let Some(wrong) = wrong {
                let what = format!("--all-waiting does not explain {}: {wrong}", path.display());
                self.fault("riddle", (None, Some(path)), what);
            }
        }
    }

    /// A file that is uploaded, and is where such files are taken away.
    fn says_why_it_is_here(&mut self, path: &Path) {
        let Some((place, _)) = places::of(&self.world.site, path) else {
            return;
        };
        let job = self.table.of(path);
        let Some(job) = job.filter(|job| matches!(job.state.as_str(), "done" | "duplicate")) else {
            return;
        };
        // What was not sent of it keeps it where it is.
        let mut reasons = [&job.afterwards, &job.untold].into_iter().flatten();
        if place.after != "keep" && reasons.all(String::is_empty) {
            let what = format!(
                "{} is uploaded, still here, and nothing says why: {job:?}",
                path.display()
            );
            self.fault("riddle", (None, Some(path)), what);
        }
    }

    fn said(&self, args: &[&str]) -> String {
        let output = self.world.site.command(args);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
