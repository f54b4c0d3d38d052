//! FTP and FTPS with the real daemon and a real FTP server: whole files, `kill -9`, refusals, and
//! the search for the key.

mod keys;
mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use self::server::{PASSWORD, Server};
use crate::support::{Dice, JobRow, Platform, Site, sha1_of, wait_for};

/// More than the sockets between the two hold.
const LARGE: usize = 24_000_000;
const SMALL: usize = 50_000;
/// What may be on its way when a connection breaks: sockets, and the buffers around them.
const UNDER_WAY: u64 = 9_000_000;

/// A site whose folder goes to the server.
fn site(platform: &Platform, server: &Server, more: &str) -> Site {
    let site = Site::new(platform);
    write_password(&site, PASSWORD);
    site.configure(platform, &server.config(&site, more));
    site
}

fn write_password(site: &Site, password: &str) {
    let path = site.root().join("ftp-password");
    fs::write(&path, password).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits until the job's bytes are on the server, and its key is looked for.
fn wait_sent(site: &Site) -> JobRow {
    site.wait_jobs("a file to be sent by FTP", |jobs| {
        jobs.iter().find(|job| job.step == "confirm").cloned()
    })
}

/// What the platform's own intake does with a file that came by FTP: makes a video of it, here by
/// another daemon that knows nothing of the first one.
fn take_in(platform: &Platform, file: &Path, name: &str) -> String {
    let before: Vec<String> = platform
        .videos()
        .into_iter()
        .map(|video| video.key)
        .collect();
    let intake = Site::new(platform);
    let daemon = intake.start();
    intake.drop_file(name, &fs::read(file).unwrap());
    intake.wait_done(1);
    drop(daemon);
    let videos = platform.videos();
    let new = videos
        .into_iter()
        .find(|video| !before.contains(&video.key));
    new.unwrap().key
}

fn same(one: &Path, other: &Path) {
    assert_eq!(
        sha1_of(one),
        sha1_of(other),
        "{} is damaged",
        other.display()
    );
}

fn whole_file_by(tls: &'static str) {
    let Some(server) = Server::start(tls) else {
        return;
    };
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, &server, "");
    let daemon = site.start();
    let file = site.drop_file("Été at dawn.mp4", &dice.bytes(LARGE));
    let job = wait_sent(&site);
    assert_eq!((job.method.as_deref(), job.video_key), (Some("ftp"), None));
    assert_eq!(server.names(), ["Été at dawn.mp4"]);
    same(&file, &server.path("Été at dawn.mp4"));

    // Another title: only the MD5 says that it is this one.
    let key = take_in(&platform, &file, "renamed by the platform.mp4");
    let done = site.wait_done(1);
    assert_eq!(done[0].video_key.as_deref(), Some(key.as_str()));
    assert_eq!(done[0].last_error, None);
    let check = site.output(&["check"]);
    let grade = if tls == "none" { "warn" } else { "ok" };
    assert!(
        check.contains(&format!("{grade:<5} account main ftp")),
        "{check}"
    );
    site.assert_no_secrets();
    assert_eq!(site.logged(PASSWORD), 0);
    drop(daemon);
}

#[test]
fn a_whole_file_arrives_and_its_video_is_found() {
    whole_file_by("none");
}

#[test]
fn a_whole_file_arrives_by_explicit_tls() {
    whole_file_by("explicit");
}

#[test]
fn a_whole_file_arrives_by_implicit_tls() {
    whole_file_by("implicit");
}

/// Kills the daemon when the server is stalled, restarts it, and expects one file.
fn crash_at(orders: Value, is_released_first: bool) -> Option<(Server, Site, PathBuf)> {
    let mut server = Server::start("none")?;
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, &server, "key-wait = \"1s\"");
    server.order(orders);
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(LARGE));
    server.wait_held();
    daemon.kill9();
    if is_released_first {
        server.release();
    }
    let daemon = site.start();
    if !is_released_first {
        // The new session is there before the old one has come to its end.
        wait_for("the daemon to log in again", || {
            (server.count("login") > 1).then_some(())
        });
        server.release();
    }
    site.wait_done(1);
    drop(daemon);
    assert_eq!(server.names(), ["news.mp4"]);
    same(&file, &server.path("news.mp4"));
    Some((server, site, file))
}

/// Bytes of data that the server got with each log-in.
fn bytes(server: &Server) -> Vec<u64> {
    let events = server.events("data");
    let counts = events.iter().map(|event| event["bytes"].as_u64().unwrap());
    counts.filter(|count| *count > 0).collect()
}

#[test]
fn killed_in_mid_transfer_it_goes_on_where_the_server_stands() {
    let Some((server, place, _)) = crash_at(json!({"hold-after": 12_000_000}), true) else {
        return;
    };
    let total: u64 = bytes(&server).iter().sum();
    let size = u64::try_from(LARGE).unwrap();
    let second = server.events("stor")[1].clone();
    let resumed_at = second["at"].as_u64().unwrap();
    assert!(resumed_at >= 11_000_000, "{second}");
    assert!(
        total - 12_000_000 < size - 12_000_000 + UNDER_WAY,
        "{total} bytes for {size}"
    );
    let sent = place.value::<i64>(
        "SELECT bytes_sent FROM attempts WHERE step = 'transfer' AND outcome = 'done'",
    );
    assert_eq!(sent, Some(i64::try_from(size - resumed_at).unwrap()));
}

/// An FTP server knows no sums: what it has of other bytes would be published with the rest of these.
#[test]
fn what_is_written_again_in_mid_transfer_is_not_continued() {
    let Some(mut server) = Server::start("none") else {
        return;
    };
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, &server, "key-wait = \"1s\"");
    server.order(json!({"hold-after": 12_000_000}));
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(LARGE));
    server.wait_held();
    daemon.kill9();
    server.release();
    // Of the same size, under the old time, and the same wherever samples are taken.
    let then = fs::metadata(&file).unwrap().modified().unwrap();
    let mut content = fs::read(&file).unwrap();
    let untouched = content.len() / 2;
    content[untouched] ^= 1;
    content[untouched - 1_000_000] ^= 1;
    fs::write(&file, content).unwrap();
    let written = fs::File::options().write(true).open(&file).unwrap();
    written.set_modified(then).unwrap();
    drop(written);
    let daemon = site.start();
    wait_for("the file to have its name", || {
        (server.names() == ["news.mp4"]).then_some(())
    });
    same(&file, &server.path("news.mp4"));
    drop(daemon);
}

#[test]
fn killed_before_the_renaming_it_sends_nothing_again() {
    let Some((server, ..)) = crash_at(json!({"hold-before-rename": true}), true) else {
        return;
    };
    assert_eq!(server.count("stor"), 1, "a transfer that was not needed");
}

#[test]
fn killed_between_the_renaming_and_the_commit_it_sends_nothing_again() {
    let Some((server, site, _)) = crash_at(json!({"hold-after-rename": true}), false) else {
        return;
    };
    assert_eq!(server.count("stor"), 1, "a transfer that was not needed");
    assert_eq!(server.count("renamed"), 1);
    let md5: Option<String> = site.value("SELECT md5 FROM jobs");
    assert_eq!(md5.map(|md5| md5.len()), Some(32));
}

#[test]
fn a_key_that_is_not_found_in_its_time_is_done_without_and_says_so() {
    let Some(server) = Server::start("none") else {
        return;
    };
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, &server, "key-wait = \"2s\"");
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(SMALL));
    wait_sent(&site);
    // The same title, and other bytes: not ours.
    let other = site.outside().join("other.mp4");
    fs::write(&other, dice.bytes(SMALL)).unwrap();
    take_in(&platform, &other, "news.mp4");
    let done = site.wait_done(1);
    assert_eq!(done[0].video_key, None);
    let why = done[0].last_error.clone().unwrap_or_default();
    assert!(
        why.contains("sent by FTP; no video with its MD5 or title appeared within 2s"),
        "{why}"
    );
    let told = site.output(&["explain", file.to_str().unwrap()]);
    assert!(told.contains("look on the platform"), "{told}");
    assert_eq!(platform.videos().len(), 1, "the other video is left alone");
    drop(daemon);
}

#[test]
fn a_wrong_password_pauses_the_account_until_it_is_mended() {
    let Some(server) = Server::start("none") else {
        return;
    };
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, &server, "key-wait = \"1s\"");
    write_password(&site, "not it");
    let check = site.command(&["check"]);
    let shown = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(78), "{shown}");
    assert!(
        shown.contains("FAIL  account main ftp") && shown.contains("(530)"),
        "{shown}"
    );
    let daemon = site.start();
    site.drop_file("news.mp4", &dice.bytes(SMALL));
    wait_for("the account to be paused", || {
        (site.value::<i64>("SELECT probes FROM paused_accounts")? > 0).then_some(())
    });
    assert_eq!(site.logged("is paused, its files wait"), 1);
    assert!(
        site.jobs()
            .iter()
            .all(|job| job.attempts <= 1 && job.state != "failed")
    );
    write_password(&site, PASSWORD);
    daemon.signal("HUP");
    site.wait_done(1);
    assert_eq!(server.names(), ["news.mp4"]);
    assert_eq!(site.logged("not it"), 0);
    drop(daemon);
}

#[test]
fn a_full_disk_is_waited_out_and_the_file_goes_on() {
    let Some(mut server) = Server::start("none") else {
        return;
    };
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, &server, "key-wait = \"1s\"");
    server.order(json!({"full-after": 8_000_000}));
    let daemon = site.start();
    let file = site.drop_file("news.mp4", &dice.bytes(LARGE));
    site.wait_done(1);
    assert_eq!(server.count("full"), 1);
    let why: Option<String> =
        site.value("SELECT message FROM attempts WHERE outcome = 'transient'");
    assert!(
        why.clone()
            .unwrap_or_default()
            .contains("No space left on device"),
        "{why:?}"
    );
    assert_eq!(server.names(), ["news.mp4"]);
    same(&file, &server.path("news.mp4"));
    drop(daemon);
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    let Some(server) = Server::start("none") else {
        return;
    };
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = site(&platform, &server, "key-wait = \"1s\"");
    let theirs = dice.bytes(SMALL);
    fs::write(server.path("news.mp4"), &theirs).unwrap();
    let daemon = site.start();
    let mut files = vec![site.drop_file("news.mp4", &dice.bytes(SMALL))];
    // Two of the same name from two folders, at the same time.
    for folder in ["a", "b"] {
        let path = site.folder().join(folder).join("twin.mp4");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, dice.bytes(LARGE)).unwrap();
        files.push(path);
    }
    site.wait_done(3);
    assert_eq!(fs::read(server.path("news.mp4")).unwrap(), theirs);
    let names = server.names();
    assert_eq!(names.len(), 4, "{names:?}");
    let there: Vec<String> = names
        .iter()
        .map(|name| sha1_of(&server.path(name)))
        .collect();
    for file in &files {
        assert!(
            there.contains(&sha1_of(file)),
            "{} is lost: {names:?}",
            file.display()
        );
    }
    assert!(names.iter().any(|name| name.starts_with("news-")));
    drop(daemon);
}

#[test]
fn a_video_that_came_by_ftp_is_told_all_once_it_is_known_for_ours() {
    let Some(server) = Server::start("none") else {
        return;
    };
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    write_password(&site, PASSWORD);
    let rules = "title = \"{stem} by FTP\"\ntags = [\"{watch}\"]\n";
    site.configure(
        &platform,
        &format!("{}{rules}", server.config(&site, "key-wait = \"1m\"")),
    );
    fs::write(
        site.folder().join("clip.json"),
        r#"{"author": "me", "custom": {"desk": "west"}}"#,
    )
    .unwrap();
    let daemon = site.start();
    let file = site.drop_file("clip.mp4", &dice.bytes(SMALL));
    wait_sent(&site);
    take_in(&platform, &file, "clip.mp4");
    site.wait_done(1);
    let video = wait_for("all to be told", || {
        let seen = platform.control("GET", "videos", &Value::Null);
        let video = seen["videos"][0].clone();
        (video["fields"]["title"] == "clip by FTP").then_some(video)
    });
    assert_eq!(video["fields"]["tags"], "drop");
    assert_eq!(video["fields"]["author"], "me");
    assert_eq!(video["custom"]["desk"], "west");
    // A daemon that is ended before it recorded the answer tells it again.
    wait_for("the record", || {
        let sql = "SELECT digest FROM metadata WHERE due_at IS NULL AND digest IS NOT NULL";
        site.value::<String>(sql)
    });
    daemon.signal("TERM");
    daemon.wait();
    assert!(site.command(&["run", "--until-idle"]).status.success());
    assert_eq!(platform.count("update", "answered"), 1);
}
