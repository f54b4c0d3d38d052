//! A video that another file comes to rely on while a replacement is on its way to it keeps its content, and no
//! file counts as uploaded by a video that has other content a moment later.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{BIG, SMALL, assert_replaced, deleted, one_is_up, put_over, wait_job, watch};
use crate::support::{Daemon, Dice, Platform, Site, sha1_of};

/// The first file is uploaded, and another content is about to take its place in the video.
struct Bench {
    platform: Platform,
    site: Site,
    daemon: Option<Daemon>,
    /// The name that both files have one after the other.
    file: PathBuf,
    /// The first file, where no watch sees it.
    first: PathBuf,
    /// Its video.
    key: String,
}

impl Bench {
    /// The second file is dropped while this fault waits for its upload or for the call before that; `length`
    /// bytes long each.
    fn held_at(v2: bool, length: usize, (on, fault): (&str, serde_json::Value)) -> Self {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let more = watch("replace", "");
        let site = if v2 {
            Site::v2(&platform, &more)
        } else {
            Site::with(&platform, &more)
        };
        let (daemon, file, key) = one_is_up(&site, &mut dice, length);
        let first = site.outside().join("first.mp4");
        fs::rename(&file, &first).unwrap();
        let before = platform.count(on, "held");
        platform.fault(on, fault);
        put_over(&site, &file, &dice.bytes(length));
        platform.wait(on, "held", before + 1);
        Self {
            platform,
            site,
            daemon: Some(daemon),
            file,
            first,
            key,
        }
    }

    /// In the middle of the second file.
    fn in_mid_transfer(v2: bool) -> Self {
        let fault = json!({"kind": "stall", "after_bytes": 3_000_000});
        Self::held_at(v2, BIG, ("s3-put", fault))
    }

    fn copy(&self) -> PathBuf {
        let copy = self.site.folder().join("copy.mp4");
        fs::copy(&self.first, &copy).unwrap();
        copy
    }

    /// Waits until the third job waits for the second.
    fn waits_for_replacement(&self) {
        wait_job(&self.site, 3, "the job to wait", |job| {
            let why = job.last_error.as_deref().unwrap_or_default();
            why.starts_with("waits for job 2, which is about to replace the video")
        });
    }

    /// The key of a job's video once it is done.
    fn done(&self, id: i64) -> String {
        let job = wait_job(&self.site, id, "the job to be done", |job| {
            job.state == "done"
        });
        job.video_key.unwrap()
    }

    /// Each of these files is the content of the video beside it, and there are no others.
    fn ends_with(self, files: &[(&Path, &str)]) {
        let seen = self.platform.videos().into_iter();
        let seen: BTreeMap<_, _> = seen.map(|video| (video.key, video.sha1)).collect();
        let expected = files
            .iter()
            .map(|(file, key)| ((*key).to_owned(), Some(sha1_of(file))))
            .collect();
        assert_eq!(seen, expected);
        assert!(deleted(&self.platform).is_empty());
        drop(self.daemon);
    }
}

#[test]
fn a_copy_that_is_recorded_before_the_first_byte_keeps_the_video() {
    for v2 in [false, true] {
        let call = if v2 { "v2-reupload" } else { "update" };
        let bench = Bench::held_at(v2, SMALL, (call, json!({"kind": "hold-before-acting"})));
        let copy = bench.copy();
        wait_job(&bench.site, 3, "the copy to be a duplicate", |job| {
            job.state == "duplicate"
        });
        bench.platform.release();
        let own = bench.done(2);
        assert_ne!(own, bench.key, "the content of copy.mp4 was overwritten");
        assert_eq!(bench.site.jobs()[2].state, "duplicate");
        let story = bench
            .site
            .output(&["explain", bench.file.to_str().unwrap()]);
        assert!(story.contains("another file relies on that"), "{story}");
        let (file, key) = (bench.file.clone(), bench.key.clone());
        bench.ends_with(&[(&copy, &key), (&file, &own)]);
    }
}

/// Until those have arrived the video may keep what it has.
#[test]
fn a_copy_that_comes_while_other_bytes_are_sent_is_uploaded_itself_afterwards() {
    for v2 in [false, true] {
        let bench = Bench::in_mid_transfer(v2);
        let copy = bench.copy();
        bench.waits_for_replacement();
        bench.platform.release();
        assert_eq!(bench.done(2), bench.key);
        let own = bench.done(3);
        let (file, key) = (bench.file.clone(), bench.key.clone());
        bench.ends_with(&[(&copy, &own), (&file, &key)]);
    }
}

#[test]
fn a_file_that_comes_back_under_another_name_before_the_last_byte_keeps_its_video() {
    for v2 in [false, true] {
        let bench = Bench::in_mid_transfer(v2);
        let monday = bench.site.folder().join("monday.mp4");
        fs::rename(&bench.first, &monday).unwrap();
        wait_job(&bench.site, 1, "the job to follow its file", |job| {
            job.path == monday
        });
        bench.platform.release();
        let own = bench.done(2);
        assert_ne!(own, bench.key, "the content of monday.mp4 was overwritten");
        let (file, key) = (bench.file.clone(), bench.key.clone());
        bench.ends_with(&[(&monday, &key), (&file, &own)]);
    }
}

#[test]
fn a_file_that_comes_back_after_the_last_byte_is_uploaded_again() {
    for v2 in [false, true] {
        for killed in [false, true] {
            let hold = json!({"kind": "hold-before-acting"});
            let mut bench = Bench::held_at(v2, SMALL, ("s3-put", hold));
            if killed {
                bench.daemon.take().unwrap().kill9();
            }
            let monday = bench.site.folder().join("monday.mp4");
            fs::rename(&bench.first, &monday).unwrap();
            if killed {
                bench.platform.release();
                bench.daemon = Some(bench.site.start());
            }
            if !killed {
                bench.waits_for_replacement();
            }
            bench.platform.release();
            assert_eq!(bench.done(2), bench.key);
            let own = bench.done(3);
            let (file, key) = (bench.file.clone(), bench.key.clone());
            bench.ends_with(&[(&monday, &own), (&file, &key)]);
        }
    }
}

#[test]
fn a_file_that_is_put_back_in_place_of_its_replacement_is_up_in_the_end() {
    for v2 in [false, true] {
        let bench = Bench::in_mid_transfer(v2);
        let question = if v2 { "v2-get" } else { "show" };
        let before = bench.platform.count(question, "arrived");
        fs::rename(&bench.first, &bench.file).unwrap();
        // Its job takes it back, and asks whether it is still up.
        bench.site.wait_jobs("the file to settle", |_| {
            let returned = "SELECT returned IS NOT NULL FROM afterwards WHERE job_id = 1";
            let is_seen = bench.site.value::<i64>(returned) == Some(1)
                || bench.platform.count(question, "arrived") > before;
            is_seen.then_some(())
        });
        bench.platform.release();
        wait_job(&bench.site, 2, "the job to end", |job| {
            job.state == "cancelled"
        });
        bench.site.wait_jobs("the file to be up", |jobs| {
            let waits = jobs
                .iter()
                .any(|job| job.state != "done" && job.state != "cancelled");
            let is_up = bench.platform.videos()[0].sha1 == Some(sha1_of(&bench.file));
            (!waits && is_up).then_some(())
        });
        assert_replaced(&bench.platform, (&bench.file, &bench.key));
    }
}
