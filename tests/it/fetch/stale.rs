//! A web server that has other bytes of the same length: what was fetched is compared before it counts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::crash::Api;
use super::{SIZE, served, sha1};
use crate::support::{Dice, Platform, Site, Web, wait_for};

const TRASH: &str = "after-upload = \"trash\"\ngrace = \"100ms\"";

/// A site, and a file of which the web server has a stale copy.
struct Case {
    platform: Platform,
    site: Site,
    web: Web,
    dice: Dice,
}

impl Case {
    fn new(api: Api, keys: &str) -> Self {
        let (platform, web) = (Platform::start(), Web::start());
        let site = api.site(&platform, &served(&web, keys));
        Self {
            platform,
            site,
            web,
            dice: Dice::new(),
        }
    }

    /// The content of the file that is dropped.
    fn drop_file(&mut self, name: &str) -> (PathBuf, Vec<u8>) {
        let path = format!("/drop/{name}");
        self.web.serve(&path, &self.dice.bytes(SIZE));
        let content = self.dice.bytes(SIZE);
        (self.site.drop_file(name, &content), content)
    }

    /// One video, with this content.
    fn assert_one(&self, content: &[u8]) {
        let video = wait_for("one video", || {
            let mut videos = self.platform.videos();
            (videos.len() == 1).then(|| videos.remove(0))
        });
        assert_eq!(video.sha1, Some(sha1(content)));
        assert_eq!(self.site.jobs()[0].video_key, Some(video.key));
    }

    fn make_due(&self) {
        let db = rusqlite::Connection::open(self.site.database()).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let sql =
            "UPDATE afterwards SET due_at = '2020-01-01T00:00:00.000Z' WHERE due_at IS NOT NULL";
        db.execute(sql, []).unwrap();
    }
}

const SENT_AFTER_A_FETCH: [&str; 4] = [
    "create done",
    "confirm mismatch",
    "create done",
    "transfer done",
];

fn wait_trashed(file: &Path) {
    wait_for("the file to be put away", || (!file.exists()).then_some(()));
}

#[test]
fn stale_files_are_withdrawn_and_the_right_ones_sent() {
    for api in Api::BOTH {
        let mut case = Case::new(api, "");
        let daemon = case.site.start();
        let mut files = Vec::new();
        for number in 0..7 {
            files.push(case.drop_file(&format!("{number}.mp4")).0);
        }
        case.site.wait_done(7);
        case.site.assert_exactly_one_each(&case.platform, &files);
        assert_eq!(case.site.story(1), SENT_AFTER_A_FETCH);
        drop(daemon);
    }
}

#[test]
fn a_stale_file_is_found_out_before_the_local_one_is_put_away() {
    for api in Api::BOTH {
        let mut case = Case::new(api, TRASH);
        let daemon = case.site.start();
        let (file, content) = case.drop_file("a.mp4");
        wait_trashed(&file);
        case.assert_one(&content);
        assert_eq!(case.site.story(1), SENT_AFTER_A_FETCH);
        drop(daemon);
    }
}

#[test]
fn killed_while_the_platform_is_asked_what_it_fetched() {
    let mut case = Case::new(Api::V2, TRASH);
    let hold = json!({"kind": "hold-before-acting"});
    case.platform.fault("v2-originals", hold.clone());
    let daemon = case.site.start();
    let (file, content) = case.drop_file("a.mp4");
    case.platform.wait("v2-originals", "held", 1);
    daemon.kill9();
    case.platform.release();
    assert_eq!(case.site.jobs()[0].state, "queued");
    // Once more between the withdrawal of the stale one and the create call of the other.
    case.platform.fault("v2-create", hold);
    let daemon = case.site.start();
    case.platform.wait("v2-create", "held", 1);
    daemon.kill9();
    case.platform.release();
    let daemon = case.site.start();
    wait_trashed(&file);
    case.assert_one(&content);
    drop(daemon);
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_and_holds_nobody_else_up() {
    let mut case = Case::new(Api::V2, "");
    let busy = json!({"kind": "status", "status": 503});
    case.platform.faults("v2-originals", None, &busy);
    let daemon = case.site.start();
    case.drop_file("a.mp4");
    case.platform.wait("v2-originals", "answered", 2);
    let sent = case
        .site
        .drop_file("not on the web.mp4", &case.dice.bytes(SIZE));
    case.site.wait_jobs("the other file to be done", |jobs| {
        let job = jobs.iter().find(|job| job.path == sent)?;
        (job.state == "done").then_some(())
    });
    assert_eq!(case.site.jobs()[0].state, "queued");
    case.platform.clear_faults();
    case.site.wait_done(2);
    case.site
        .assert_exactly_one_each(&case.platform, &[case.site.folder().join("a.mp4"), sent]);
    drop(daemon);
}

/// Where the platform reports nothing the job is done and says so, and the file stays.
fn untold() -> (Case, PathBuf, Vec<u8>, crate::support::Daemon) {
    let mut case = Case::new(Api::V2, TRASH);
    let none = json!({"kind": "status", "status": 404});
    case.platform.faults("v2-originals", None, &none);
    let daemon = case.site.start();
    let (file, content) = case.drop_file("a.mp4");
    let job = case.site.wait_done(1).remove(0);
    let says = "nothing proves that the video has the content of this file";
    let why = job.last_error.unwrap_or_default();
    assert!(why.contains(says), "{why}");
    let explained = case.site.output(&["explain", file.to_str().unwrap()]);
    assert!(explained.contains(says), "{explained}");
    wait_for("the reason why the file stays", || {
        let sql = "SELECT last_error FROM afterwards WHERE last_error LIKE 'nothing proves%'";
        case.site.value::<String>(sql)
    });
    assert!(file.exists());
    (case, file, content, daemon)
}

#[test]
fn a_stale_file_that_shows_only_later_is_withdrawn_when_the_right_one_is_sent() {
    let (case, file, content, daemon) = untold();
    case.platform.clear_faults();
    case.make_due();
    case.site.wait_log("that is what the platform fetched");
    wait_trashed(&file);
    case.assert_one(&content);
    assert_eq!(case.site.story(1), SENT_AFTER_A_FETCH);
    drop(daemon);
}

#[test]
fn what_somebody_may_have_put_into_the_video_since_is_left_there() {
    let (case, file, content, daemon) = untold();
    let stale = case.platform.videos().remove(0).key;
    // As a person does in the dashboard.
    let edited = json!({"status": "ready"});
    case.platform
        .control("POST", &format!("videos/{stale}"), &edited);
    case.platform.clear_faults();
    case.make_due();
    wait_trashed(&file);
    let videos = case.platform.videos();
    assert!(videos.iter().any(|video| video.key == stale), "{videos:?}");
    let ours = case.site.jobs()[0].video_key.clone().unwrap();
    let ours = videos.iter().find(|video| video.key == ours).unwrap();
    assert_eq!((videos.len(), &ours.sha1), (2, &Some(sha1(&content))));
    drop(daemon);
}

#[test]
fn the_right_file_is_done_without_being_sent_and_put_away() {
    for api in Api::BOTH {
        let mut case = Case::new(api, TRASH);
        let daemon = case.site.start();
        let content = case.dice.bytes(SIZE);
        case.web.serve("/drop/a.mp4", &content);
        let file = case.site.drop_file("a.mp4", &content);
        wait_trashed(&file);
        case.assert_one(&content);
        assert_eq!(case.site.story(1), ["create done"]);
        assert_eq!(case.site.jobs()[0].last_error, None);
        assert!(fs::exists(case.site.folder().join(".trash")).unwrap());
        drop(daemon);
    }
}
