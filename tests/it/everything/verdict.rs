//! What must be true at the end of any sequence.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::books::Id;
use super::places;
use super::record::Record;
use super::table::{Row, Table, Video};
use super::weather::UNPLAYABLE;
use super::world::World;

/// Something that is not as it must be, and the contents that it is about.
#[derive(Debug)]
pub(super) struct Fault {
    /// In one word or two: faults of one kind are reported once or twice.
    pub(super) kind: &'static str,
    pub(super) about: Option<Id>,
    pub(super) path: Option<PathBuf>,
    pub(super) what: String,
}

/// All that is compared.
pub(super) struct Verdict<'a> {
    pub(super) world: &'a World,
    pub(super) table: &'a Table,
    pub(super) record: &'a Record,
    /// Every file on this machine, with its content if people made it.
    pub(super) files: &'a [(PathBuf, Option<Id>)],
    pub(super) faults: Vec<Fault>,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(
        world: &'a World,
        (table, record): (&'a Table, &'a Record),
        files: &'a [(PathBuf, Option<Id>)],
    ) -> Vec<Fault> {
        let mut verdict = Self {
            world,
            table,
            record,
            files,
            faults: Vec::new(),
        };
        verdict.every_file_in_place_is_up_or_named();
        verdict.nothing_that_was_taken_is_not_up();
        verdict.nothing_is_lost();
        verdict.nothing_is_there_twice();
        verdict.nothing_was_ever_half_or_astray();
        verdict.every_video_is_whole_and_has_a_job();
        verdict.every_job_that_is_done_has_its_video();
        verdict.every_sidecar_is_told();
        verdict.every_leftover_is_explained();
        verdict.every_job_that_failed_says_why();
        verdict.the_table_is_sound();
        verdict.faults
    }

    pub(super) fn fault(
        &mut self,
        kind: &'static str,
        (about, path): (Option<Id>, Option<&Path>),
        what: String,
    ) {
        self.faults.push(Fault {
            kind,
            about,
            path: path.map(Path::to_path_buf),
            what,
        });
    }

    fn md5(&self, id: Id) -> &'a str {
        &self.world.books.contents[id].md5
    }

    fn every_file_in_place_is_up_or_named(&mut self) {
        for (path, content) in self.files {
            let Some((place, true)) = places::of(&self.world.site, path) else {
                continue;
            };
            let (Some(id), true) = (*content, is_video(path)) else {
                continue;
            };
            if self.is_up(path, place.account, id) {
                continue;
            }
            if let Err(why) = self.reason(path, id) {
                let what = format!(
                    "{} is not up, and no reason is named: {why}",
                    path.display()
                );
                self.fault("not up", (Some(id), Some(path)), what);
            }
        }
    }

    /// Whether the job of this very file has a video of these bytes, or is a copy of one that has.
    fn is_up(&self, path: &Path, account: usize, id: Id) -> bool {
        let mut job = self.table.of(path);
        while let Some(copy) = job.filter(|job| job.state == "duplicate") {
            job = copy.original.and_then(|first| self.table.job(first));
        }
        let Some(job) = job.filter(|job| job.state == "done" && job.account == account) else {
            return false;
        };
        let mut live = self.table.live(Some(account), self.md5(id));
        live.any(|video| Some(&video.key) == job.key.as_ref())
    }

    /// Why a file is not up, as the table has it.
    fn reason(&self, path: &Path, id: Id) -> Result<(), String> {
        let Some(job) = self.table.of(path) else {
            return Err("there is no job that accounts for it".to_owned());
        };
        let error = job.error.as_deref().unwrap_or_default();
        let told = match job.state.as_str() {
            "failed" => {
                let mut deleted = self.world.books.deleted.iter();
                let by_person = deleted.any(|one| Some(&one.key) == job.key.as_ref());
                job.held
                    || error.contains(UNPLAYABLE)
                    || error.contains(REPLACES_UNPLAYABLE)
                    || (by_person && error.contains(DELETED_EARLY))
            }
            "cancelled" => self.world.books.cancelled.contains(&job.id),
            "done" => self.was_deleted(job, id, path),
            "duplicate" => {
                let original = job.original.and_then(|first| self.table.job(first));
                original.is_some_and(|original| self.was_deleted(original, id, path))
            }
            _ => false,
        };
        if told {
            Ok(())
        } else {
            Err(format!("{job:?}"))
        }
    }

    /// A person deleted the job's video after the file was put there. A file that came back as the very
    /// same one, inode and all, may not have been missed.
    fn was_deleted(&self, job: &Row, id: Id, path: &Path) -> bool {
        let books = &self.world.books;
        let content = &books.contents[id];
        let placed = content.placed_at(path).or(content.placed_in[job.account]);
        let mut deleted = books.deleted.iter();
        let of_job =
            deleted.find(|one| one.account == job.account && Some(&one.key) == job.key.as_ref());
        let mut inodes = books
            .past
            .iter()
            .filter(|(at, of, _)| at == path && *of == id);
        let first = inodes.next().map(|(.., stamp)| stamp.inode);
        let is_same = inodes
            .next_back()
            .is_none_or(|(.., stamp)| Some(stamp.inode) == first);
        of_job.is_some_and(|one| is_same || placed.is_none_or(|placed| placed < one.at))
    }

    fn nothing_that_was_taken_is_not_up(&mut self) {
        for (path, content) in self.files {
            let (Some((place, false)), Some(id)) = (places::of(&self.world.site, path), *content)
            else {
                continue;
            };
            let account = Some(place.account);
            let is_live = self.table.live(account, self.md5(id)).next().is_some();
            let books = &self.world.books;
            // Under a name that is taken again, in a watch with on-replace = "replace", it need not
            // stay in a video.
            let is_wanted = books.contents[id].is_left_in(&place.folder(&self.world.site));
            if !is_live && is_wanted && !books.deleted_after_it_was_taken(id, place.account, path) {
                let what = format!(
                    "{} was taken out of the folder, and is not up",
                    path.display()
                );
                self.fault("taken", (Some(id), Some(path)), what);
            }
        }
    }

    /// What people left for an account and did not take away is in one of its folders, or in one of
    /// its videos; what they put aside is there.
    fn nothing_is_lost(&mut self) {
        let mut here: HashSet<(Id, usize)> = HashSet::new();
        let mut aside: HashSet<(Id, &Path)> = HashSet::new();
        for (path, id) in self.files {
            let Some(id) = *id else { continue };
            match places::of(&self.world.site, path) {
                Some((place, _)) => drop(here.insert((id, place.account))),
                None => drop(aside.insert((id, path))),
            }
        }
        for (id, content) in self.world.books.contents.iter().enumerate() {
            for account in 0..2 {
                let is_left = content.is_left_for(account);
                let is_live = || {
                    self.table
                        .live(Some(account), &content.md5)
                        .next()
                        .is_some()
                };
                let is_safe = here.contains(&(id, account)) || is_live();
                if is_left && !is_safe && !self.world.books.excused(id, account) {
                    let what = format!(
                        "content {id} is LOST: on no disk, and in no video of account {account}"
                    );
                    self.fault("lost", (Some(id), None), what);
                }
            }
            for path in content.aside() {
                if !aside.contains(&(id, path)) {
                    let what = format!("{} was put aside, and is gone", path.display());
                    self.fault("lost", (Some(id), Some(path)), what);
                }
            }
        }
    }

    /// Where v2 does not say what it has, a copy may be uploaded as a video of its own, and the log says so.
    fn copies_without_a_proof(&self) -> HashSet<i64> {
        let log = self.world.site.log();
        let lines = log.lines().filter(|line| line.contains(UNPROVEN));
        let jobs = lines.filter_map(|line| {
            line.split("job.id=")
                .nth(1)?
                .split(' ')
                .next()?
                .parse()
                .ok()
        });
        jobs.filter(|_| !self.world.manners.tells_originals)
            .collect()
    }

    fn nothing_is_there_twice(&mut self) {
        let unproven = self.copies_without_a_proof();
        let by_hand: HashSet<(usize, &str)> = self
            .table
            .jobs
            .iter()
            .filter(|job| self.world.books.by_hand.contains(&job.id) || unproven.contains(&job.id))
            .filter_map(|job| Some((job.account, job.key.as_deref()?)))
            .collect();
        let mut seen: HashMap<(usize, &str), &Video> = HashMap::new();
        for video in &self.table.videos {
            let Some(md5) = video.md5.as_deref().filter(|_| video.status == "ready") else {
                continue;
            };
            if by_hand.contains(&(video.account, video.key.as_str())) {
                continue;
            }
            if let Some(first) = seen.insert((video.account, md5), video) {
                let what = format!("one content is there twice: {first:?} and {video:?}");
                self.fault("twice", (self.world.books.known(md5), None), what);
            }
        }
    }

    fn every_video_is_whole_and_has_a_job(&mut self) {
        let keys: HashSet<(usize, &str)> = self
            .table
            .jobs
            .iter()
            .filter_map(|job| Some((job.account, job.key.as_deref()?)))
            .collect();
        for video in &self.table.videos {
            let known = video.md5.as_deref().map(|md5| self.world.books.known(md5));
            if known == Some(None) {
                self.fault(
                    "half",
                    (None, None),
                    format!("bytes that were never dropped are published: {video:?}"),
                );
            }
            if !keys.contains(&(video.account, video.key.as_str())) {
                let what = format!("a video without a job: {video:?}");
                self.fault("stray", (known.flatten(), None), what);
            }
        }
    }

    fn every_job_that_is_done_has_its_video(&mut self) {
        for job in self.table.jobs.iter().filter(|job| job.state == "done") {
            let key = job.key.as_deref().unwrap_or_default();
            let deleted = &self.world.books.deleted;
            let by_person = deleted
                .iter()
                .any(|one| one.account == job.account && one.key == key);
            if !by_person && self.table.video(job.account, key).is_none() {
                let about = job
                    .md5
                    .as_deref()
                    .and_then(|md5| self.world.books.known(md5));
                let what = format!("its video is gone, and no person deleted it: {job:?}");
                self.fault("video gone", (about, Some(&job.path)), what);
            }
        }
    }

    fn every_job_that_failed_says_why(&mut self) {
        for job in self.table.jobs.iter().filter(|job| job.state == "failed") {
            if job.error.as_deref().is_none_or(str::is_empty) {
                let what = format!("it failed, and does not say why: {job:?}");
                self.fault("riddle", (None, Some(&job.path)), what);
            }
        }
    }

    fn the_table_is_sound(&mut self) {
        let said: Option<String> = self.world.site.value("PRAGMA integrity_check");
        if said.as_deref() != Some("ok") {
            self.fault("table", (None, None), format!("integrity_check: {said:?}"));
        }
    }
}

/// What the log says about a copy that is uploaded, because nothing proves that it is one.
const UNPROVEN: &str = "uploaded as a video of its own, since nothing proves";

/// What a job says whose video a person deleted while the platform worked on its content.
const DELETED_EARLY: &str = "was deleted on the platform before it was ready";

/// What a job says that should have replaced what the platform could not process.
const REPLACES_UNPLAYABLE: &str = "it is `failed` there; jw-ingest retry";

/// How the names of videos end.
pub(super) const ENDINGS: [&str; 3] = ["mp4", "mpg", "mxf"];

pub(super) fn is_video(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}
