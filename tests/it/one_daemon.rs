//! The table and the folders belong to one daemon: what happens to a daemon that loses its table, and to
//! a second one that wants a folder of the first.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::{Daemon, Dice, Platform, Site, sha1_of, wait_for};

/// More than the sockets between daemon and platform hold.
const BIG: usize = 12_000_000;
const SMALL: usize = 20_000;
const YEAR: Duration = Duration::from_hours(24 * 365);

fn stalled_upload(platform: &Platform, site: &Site) -> (Daemon, PathBuf) {
    platform.fault("s3-put", json!({"kind": "stall", "after_bytes": 3_000_000}));
    let daemon = site.start();
    let file = site.drop_file("big.mp4", &Dice::new().bytes(BIG));
    platform.wait("s3-put", "held", 1);
    (daemon, file)
}

/// The table is lost in the middle of an upload: that is finished, nothing else begins, and it ends.
fn a_lost_table(lose: impl FnOnce(&Path), said: &str) {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let (daemon, file) = stalled_upload(&platform, &site);
    lose(&site.database());
    site.wait_log(said);
    site.drop_file("late.mp4", &Dice::new().bytes(SMALL));
    platform.release();
    assert_eq!(daemon.wait().code(), Some(78), "{}", site.log());
    let videos = platform.videos();
    assert_eq!(videos.len(), 1, "nothing else was begun: {videos:?}");
    assert_eq!(videos[0].sha1, Some(sha1_of(&file)), "it is whole");
    assert!(site.log().contains("jw-ingest restored --new-table"));
}

#[test]
fn a_table_that_is_deleted_under_a_daemon_ends_it_after_what_runs() {
    let delete = |table: &Path| fs::remove_file(table).unwrap();
    a_lost_table(delete, "the job table was deleted while");
}

#[test]
fn a_table_that_is_replaced_under_a_daemon_ends_it_after_what_runs() {
    let replace = |table: &Path| {
        let copy = table.with_extension("copy");
        fs::copy(table, &copy).unwrap();
        fs::rename(&copy, table).unwrap();
    };
    a_lost_table(replace, "the job table was replaced while");
}

#[test]
fn a_log_of_writes_that_is_deleted_ends_the_daemon_too() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let daemon = site.start();
    site.wait_log("watching");
    fs::remove_file(site.root().join("jobs.db-wal")).unwrap();
    // A reader of the table makes another one.
    site.wait_log("while the daemon worked on it");
    assert_eq!(daemon.wait().code(), Some(78));
}

fn watch(name: &str, path: &Path) -> String {
    let path = path.display();
    format!("[[watch]]\nname = \"{name}\"\npath = \"{path}\"\nsettle = \"200ms\"\n")
}

/// A site of its own that watches folders of others.
fn other(platform: &Platform, watches: &str) -> Site {
    let site = Site::new(platform);
    site.configure(platform, watches);
    site
}

fn is_refused(site: &Site, folder: &Path) {
    let output = site.command(&["run", "--until-idle"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let words = format!("daemon on this machine watches {}", folder.display());
    assert!(said.contains(&words), "{said}");
}

/// Any program can hold such a lock, `flock FOLDER rsync …` among them, and lets go of it: systemd, which
/// does not restart what ends with 78, must try again.
#[test]
fn a_lock_of_another_program_delays_the_start_and_does_not_end_the_service() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let lock = fs::File::open(site.folder()).unwrap();
    lock.lock().unwrap();
    is_refused(&site, &site.folder());
    drop(lock);
    site.drop_file("clip.mp4", &Dice::new().bytes(SMALL));
    site.output(&["run", "--until-idle"]);
    assert_eq!(platform.count("create", "acted"), 1);
}

#[test]
fn a_second_daemon_with_a_folder_in_common_is_refused_whatever_its_table() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let second = other(&platform, &watch("theirs", &site.folder()));
    // No daemon has the folder yet, and looking at it takes no lock.
    assert!(!second.output(&["check", "--offline"]).contains("FAIL"));
    let daemon = site.start();
    let file = site.drop_file("clip.mp4", &Dice::new().bytes(SMALL));
    site.wait_done(1);
    is_refused(&second, &site.folder());
    let around = other(&platform, &watch("around", site.root()));
    is_refused(&around, site.root());
    let check = second.command(&["check", "--offline"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(78), "{said}");
    assert!(said.contains("two daemons would upload"), "{said}");
    // Commands of the first are not in the way, nor kept out.
    assert!(!site.output(&["check", "--offline"]).contains("FAIL"));
    site.output(&["jobs"]);
    site.output(&["explain", file.to_str().unwrap()]);
    site.output(&["add", file.to_str().unwrap()]);
    assert_eq!(platform.count("create", "acted"), 1);
    // The lock ends with the process, however that ends.
    daemon.kill9();
    second.output(&["run", "--until-idle"]);
}

#[test]
fn a_reload_takes_the_locks_of_new_folders_and_gives_up_the_others() {
    let platform = Platform::start();
    let (site, neighbour) = (Site::new(&platform), Site::new(&platform));
    let theirs = neighbour.start();
    neighbour.wait_log("watching");
    let daemon = site.start();
    site.wait_log("watching");
    // A folder that the neighbour has is refused, and all stays as it was.
    let both = watch("drop", &site.folder()) + &watch("theirs", &neighbour.folder());
    site.configure(&platform, &both);
    daemon.signal("HUP");
    site.wait_log("the new configuration is refused, the old one stays: another jw-ingest daemon");
    site.drop_file("a.mp4", &Dice::new().bytes(SMALL));
    site.wait_done(1);
    // One that no daemon has is taken; the old one is free for another.
    let more = site.outside();
    site.configure(&platform, &watch("more", &more));
    daemon.signal("HUP");
    site.wait_log("the configuration was reloaded");
    is_refused(&other(&platform, &watch("late", &more)), &more);
    let heir = other(&platform, &watch("heir", &site.folder()));
    heir.output(&["run", "--until-idle"]);
    drop((daemon, theirs));
}

#[test]
fn a_folder_that_appears_later_is_locked_then() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    fs::remove_dir(site.folder()).unwrap();
    let (daemon, second) = (site.start(), other(&platform, &watch("b", &site.folder())));
    site.wait_log("offline");
    fs::create_dir(site.folder()).unwrap();
    site.drop_file("a.mp4", &Dice::new().bytes(SMALL));
    site.wait_done(1);
    is_refused(&second, &site.folder());
    // Two that wait for one folder: the second finds it taken, says so, and gets it when it is free.
    fs::rename(site.folder(), site.root().join("aside")).unwrap();
    wait_for("the folder to be offline again", || {
        (site.logged("the watch folder is offline") == 2).then_some(())
    });
    let waiting = second.start();
    second.wait_log("offline");
    waiting.signal("STOP");
    fs::rename(site.root().join("aside"), site.folder()).unwrap();
    site.wait_log("the watch folder is back");
    waiting.signal("CONT");
    second.wait_log("another jw-ingest daemon on this machine watches");
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    wait_for("the second to watch it", || {
        (second.value::<i64>("SELECT count(*) FROM jobs")? == 1).then_some(())
    });
    drop(waiting);
}

/// Takes the table away, as if by a mistake.
fn lose_table(site: &Site) {
    for ending in ["", "-wal", "-shm"] {
        fs::remove_file(site.root().join(format!("jobs.db{ending}"))).ok();
    }
}

#[test]
fn a_lost_table_is_made_anew_by_a_person_only_and_uploads_nothing_twice() {
    let platform = Platform::start();
    let site = Site::new(&platform);
    let mut dice = Dice::new();
    let mut files = vec![site.drop_file("up.mp4", &dice.bytes(SMALL))];
    site.output(&["run", "--until-idle"]);
    let key: Option<String> = site.value("SELECT video_key FROM jobs");
    lose_table(&site);
    for command in ["run", "check"] {
        let output = site.command(&[command]);
        let said =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("restored --new-table"), "{said}");
    }
    assert!(!site.database().exists());
    assert_eq!(site.command(&["restored"]).status.code(), Some(2));
    files.push(site.drop_file("new.mp4", &dice.bytes(SMALL)));
    site.output(&["restored", "--new-table"]);
    // A platform that does not answer says neither yes nor no.
    platform.faults("list", None, &json!({"kind": "status", "status": 503}));
    let daemon = site.start();
    site.wait_jobs("both to wait for an answer", |jobs| {
        let waiting = jobs
            .iter()
            .filter(|job| job.state == "queued" && job.last_error.is_some());
        (waiting.count() == 2).then_some(())
    });
    assert_eq!(platform.count("create", "acted"), 1);
    daemon.kill9();
    platform.clear_faults();
    let daemon = site.start();
    site.wait_done(2);
    assert_eq!(platform.count("create", "acted"), 2);
    let again = "SELECT video_key FROM jobs WHERE path LIKE '%up.mp4'";
    assert_eq!(site.value::<Option<String>>(again).flatten(), key);
    assert_eq!(
        site.value::<String>("SELECT method FROM jobs WHERE path LIKE '%up.mp4'")
            .as_deref(),
        Some("found")
    );
    site.assert_exactly_one_each(&platform, &files);
    drop(daemon);
    let refused = site.command(&["restored", "--new-table"]);
    assert_eq!(refused.status.code(), Some(1), "it has jobs now");
}

#[test]
fn after_a_lost_table_a_person_decides_where_v2_cannot_tell() {
    let platform = Platform::start();
    let untold = json!({"kind": "status", "status": 404});
    platform.faults("v2-originals", None, &untold);
    let site = Site::v2(&platform, "");
    let file = site.drop_file("up.mp4", &Dice::new().bytes(SMALL));
    site.output(&["run", "--until-idle"]);
    lose_table(&site);
    site.output(&["restored", "--new-table"]);
    site.command(&["run", "--until-idle"]);
    let said: Option<String> = site.value("SELECT last_error FROM jobs WHERE held = 1");
    assert!(said.is_some_and(|said| said.contains("has the same title")));
    assert_eq!(platform.videos().len(), 1);
    assert!(file.exists());
}

#[test]
fn after_a_lost_table_v2_tells_by_the_originals_what_is_there() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::v2(&platform, "");
    let up = site.drop_file("up.mp4", &dice.bytes(SMALL));
    site.output(&["run", "--until-idle"]);
    let key: Option<String> = site.value("SELECT video_key FROM jobs");
    lose_table(&site);
    // The same title and the same size, and other content.
    let folder = site.folder().join("other");
    fs::create_dir(&folder).unwrap();
    let other = site.drop_file("other/up.mp4", &dice.bytes(SMALL));
    site.output(&["restored", "--new-table"]);
    site.output(&["run", "--until-idle"]);
    let again = "SELECT video_key FROM jobs WHERE method = 'found'";
    assert_eq!(site.value::<Option<String>>(again).flatten(), key);
    site.assert_exactly_one_each(&platform, &[up, other]);
}

#[test]
fn what_came_after_a_lost_table_is_not_asked_for() {
    let platform = Platform::start();
    let site = Site::v2(&platform, "");
    let mut dice = Dice::new();
    site.drop_file("bulletin.mp4", &dice.bytes(SMALL));
    site.output(&["run", "--until-idle"]);
    lose_table(&site);
    site.output(&["restored", "--new-table"]);
    // The same title as a video of before the loss, as that of a daily bulletin.
    let folder = site.folder().join("later");
    fs::create_dir(&folder).unwrap();
    let later = site.drop_file("later/bulletin.mp4", &dice.bytes(SMALL));
    site.command(&["run", "--until-idle"]);
    let state = "SELECT state FROM jobs WHERE path LIKE '%later/bulletin.mp4'";
    assert_eq!(site.value::<String>(state).as_deref(), Some("done"));
    // Videos of this table's own jobs are no question either, for a file with old times.
    for video in platform.videos() {
        if video.sha1 != Some(sha1_of(&later)) {
            platform.control("DELETE", &format!("videos/{}", video.key), &Value::Null);
        }
    }
    fs::create_dir(site.folder().join("old")).unwrap();
    let old = site.folder().join("old/.bulletin.part");
    fs::write(&old, dice.bytes(SMALL)).unwrap();
    let times = fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + YEAR);
    fs::File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_times(times)
        .unwrap();
    fs::rename(&old, old.with_file_name("bulletin.mp4")).unwrap();
    site.command(&["run", "--until-idle"]);
    let state = "SELECT state FROM jobs WHERE path LIKE '%old/bulletin.mp4'";
    assert_eq!(site.value::<String>(state).as_deref(), Some("done"));
}
