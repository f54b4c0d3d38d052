//! Whose video is it: strangers' videos with the file's title, and what follows where one was taken for it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{SMALL, Server, take_in, wait_sent, write_password};
use crate::support::{Daemon, Dice, JobRow, Platform, Site, V2_SECRET, sha1_of, wait_for};

const V2: &str = "[account.main]\napi = \"v2\"\nsite = \"sAnDb0x1\"\nsecret-file = \"{root}/secret\"\n\
                  base-url = \"{v2}\"\n\n";
const DELETE: &str = "after-upload = \"delete\"\ngrace = \"100ms\"\n";
/// The file stays until the test says so.
const DELETE_LATER: &str = "after-upload = \"delete\"\ngrace = \"1h\"\n";

/// A file that goes by FTP, and a stranger's video with its title and its size.
struct Case {
    platform: Platform,
    server: Server,
    site: Site,
    daemon: Option<Daemon>,
    file: PathBuf,
    /// The same content, out of reach.
    copy: PathBuf,
    stranger: String,
}

impl Case {
    /// `None` where there is no FTP server.
    fn new(account: &str, ftp: &str, keys: &str, originals: &Value) -> Option<Self> {
        let server = Server::start("none")?;
        let (platform, mut dice) = (Platform::start(), Dice::new());
        if !originals.is_null() {
            platform.faults("v2-originals", None, originals);
        }
        let site = Site::new(&platform);
        if !account.is_empty() {
            site.write_secret_file("secret", V2_SECRET);
        }
        write_password(&site, super::PASSWORD);
        site.configure(
            &platform,
            &format!("{account}{}{keys}", server.config(&site, ftp)),
        );
        let content = dice.bytes(SMALL);
        let (copy, other) = (site.outside().join("copy"), site.outside().join("other"));
        fs::write(&copy, &content).unwrap();
        fs::write(&other, dice.bytes(SMALL)).unwrap();
        let daemon = Some(site.start());
        let file = site.drop_file("Harbour.mp4", &content);
        wait_sent(&site);
        let stranger = take_in(&platform, &other, "Harbour.mp4");
        Some(Self {
            platform,
            server,
            site,
            daemon,
            file,
            copy,
            stranger,
        })
    }

    fn done(&self) -> JobRow {
        self.site.wait_done(1).remove(0)
    }

    /// The platform makes a video of what came by FTP.
    fn take_in(&self) -> String {
        take_in(&self.platform, &self.copy, "Harbour.mp4")
    }

    /// The file was sent once, and the stranger's video is as it was.
    fn assert_sent_once(&self) {
        assert_eq!(self.server.count("renamed"), 1);
        assert_eq!(self.server.names(), ["Harbour.mp4"]);
        same_content(&self.server.path("Harbour.mp4"), &self.copy);
        let videos = self.platform.videos();
        let stranger = videos.iter().find(|video| video.key == self.stranger);
        let stranger = stranger.expect("the stranger's video is there");
        assert_eq!((&*stranger.title, stranger.received), ("Harbour", 1));
    }

    fn make_due(&self) {
        let db = rusqlite::Connection::open(self.site.database()).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let sql =
            "UPDATE afterwards SET due_at = '2020-01-01T00:00:00.000Z' WHERE due_at IS NOT NULL";
        wait_for("the plan", || {
            let planned = "SELECT 1 FROM afterwards WHERE action = 'delete' AND due_at IS NOT NULL";
            self.site.value::<i64>(planned)
        });
        db.execute(sql, []).unwrap();
    }
}

fn same_content(one: &Path, other: &Path) {
    assert_eq!(sha1_of(one), sha1_of(other));
}

/// The size of every video, and no MD5.
fn sizes_only() -> Value {
    let body = json!({"originals": [{"size": SMALL, "md5": null}]});
    json!({"kind": "status", "status": 200, "body": body.to_string()})
}

#[test]
fn a_strangers_video_with_the_same_title_and_size_is_not_taken() {
    for account in ["", V2] {
        let Some(case) = Case::new(account, "key-wait = \"1m\"", DELETE, &Value::Null) else {
            return;
        };
        // Several searches have seen it.
        let list = if account.is_empty() {
            "list"
        } else {
            "v2-list"
        };
        let seen = case.platform.count(list, "answered");
        case.platform.wait(list, "answered", seen + 9);
        assert_eq!(case.site.jobs()[0].video_key, None);
        // It gets another of the titles that it may have.
        let key = take_in(&case.platform, &case.copy, "Harbour.mp4.mp4");
        assert_eq!(case.done().video_key.as_ref(), Some(&key));
        wait_for("the file to go", || (!case.file.exists()).then_some(()));
        case.assert_sent_once();
        assert_eq!(case.site.jobs()[0].last_error, None);
        assert_eq!(case.platform.videos().len(), 2);
    }
}

#[test]
fn where_the_platform_tells_nothing_a_title_is_no_proof_and_the_file_stays() {
    let untold = json!({"kind": "status", "status": 404});
    let Some(case) = Case::new(V2, "key-wait = \"3s\"", DELETE, &untold) else {
        return;
    };
    let job = case.done();
    assert_eq!(job.video_key, None);
    let says = format!("the title of video {} is right", case.stranger);
    let why = job.last_error.unwrap_or_default();
    assert!(
        why.contains(&says) && why.contains("nothing proves"),
        "{why}"
    );
    let told = case.site.output(&["explain", case.file.to_str().unwrap()]);
    assert!(told.contains(&says), "{told}");
    wait_for("the reason why the file stays", || {
        let sql =
            "SELECT outcome FROM afterwards WHERE outcome LIKE 'kept: its video was not found%'";
        case.site.value::<String>(sql)
    });
    same_content(&case.file, &case.copy);
    case.assert_sent_once();
}

/// The stranger's video was taken for the file's by its size; then the platform reports its MD5.
/// With `kill -9` while it is asked, and after the job has let go of it.
#[test]
fn a_wrong_key_is_let_go_of_and_the_file_is_not_sent_again() {
    for is_killed in [false, true] {
        let ftp = "key-wait = \"1m\"";
        let Some(mut case) = Case::new(V2, ftp, DELETE_LATER, &sizes_only()) else {
            return;
        };
        assert_eq!(case.done().video_key.as_ref(), Some(&case.stranger));
        case.platform.clear_faults();
        if is_killed {
            let hold = json!({"kind": "hold-before-acting"});
            case.platform.fault("v2-originals", hold);
            case.make_due();
            case.platform.wait("v2-originals", "held", 1);
            case.daemon.take().unwrap().kill9();
            case.platform.release();
            case.daemon = Some(case.site.start());
        } else {
            case.make_due();
        }
        case.site
            .wait_log("it is another video, and that of this file is looked for again");
        // By its size alone it would be taken once more.
        case.platform.faults("v2-originals", None, &sizes_only());
        if is_killed {
            case.daemon.take().unwrap().kill9();
            case.daemon = Some(case.site.start());
        }
        let seen = case.platform.count("v2-list", "answered");
        case.platform.wait("v2-list", "answered", seen + 8);
        let job = case.site.jobs().remove(0);
        assert_eq!((&*job.state, &*job.step), ("queued", "confirm"));
        assert_eq!(job.video_key, None);
        let key = case.take_in();
        assert_eq!(case.done().video_key.as_ref(), Some(&key));
        assert!(case.file.exists(), "its size alone proves nothing");
        case.platform.clear_faults();
        case.make_due();
        wait_for("the file to go", || (!case.file.exists()).then_some(()));
        case.assert_sent_once();
        assert_eq!(case.platform.videos().len(), 2);
    }
}

/// The first delivery never becomes a video: the job says so, and a person decides.
#[test]
fn a_wrong_key_and_no_other_video_end_without_a_key() {
    let ftp = "key-wait = \"2s\"";
    let Some(case) = Case::new(V2, ftp, DELETE_LATER, &sizes_only()) else {
        return;
    };
    assert_eq!(case.done().video_key.as_ref(), Some(&case.stranger));
    case.platform.clear_faults();
    case.make_due();
    let job = case
        .site
        .wait_jobs("the job to be done without a key", |jobs| {
            let job = jobs.first().filter(|job| job.state == "done")?;
            job.video_key.is_none().then(|| job.clone())
        });
    let why = job.last_error.unwrap_or_default();
    assert!(why.contains("no video with its MD5 or title"), "{why}");
    same_content(&case.file, &case.copy);
    case.assert_sent_once();
}
