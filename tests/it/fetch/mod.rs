//! What the platform fetches by itself: files that hold an address, and folders that are on the web.

mod crash;
mod later;
mod stale;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use crate::support::{Dice, Platform, Site, Web, wait_for};

const SIZE: usize = 300_000;

/// In every address of these tests; it may be shown nowhere.
const SIGNATURE: &str = "Signature=S3CRET0fTheAddress";

/// A watch that may fetch from this machine, as the tests' web server is here.
fn watch(more: &str) -> String {
    format!(
        "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\nallow-private-urls = true\n{more}\n"
    )
}

fn served(web: &Web, more: &str) -> String {
    watch(&format!("public-url = \"{}\"\n{more}", web.url("/drop")))
}

/// The platform has exactly one video for each file, with this content, and the job says so.
fn assert_fetched(platform: &Platform, site: &Site, files: &[(&Path, &[u8])]) {
    let videos = wait_for("one video for each file", || {
        let videos = platform.videos();
        (videos.len() <= files.len()).then_some(videos)
    });
    assert_eq!(videos.len(), files.len(), "{videos:?}");
    let jobs = site.jobs();
    for (file, content) in files {
        let job = jobs
            .iter()
            .find(|job| job.path == *file && job.state == "done")
            .unwrap_or_else(|| panic!("{} is not done: {jobs:?}", file.display()));
        let key = job.video_key.as_ref().unwrap();
        let video = videos.iter().find(|video| video.key == *key).unwrap();
        assert_eq!(video.sha1, Some(sha1(content)), "{}", file.display());
        assert_eq!((video.status.as_str(), video.received), ("ready", 1));
        assert_eq!(job.method.as_deref(), Some("fetch"));
        let mark = format!("SELECT ingest_id FROM jobs WHERE id = {}", job.id);
        assert_eq!(site.value(&mark), Some(video.ingest_id.clone()));
    }
}

fn sha1(content: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha1::digest(content) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

/// Neither the log, nor what commands say, nor the job table holds more of an address than its host.
fn assert_no_address(site: &Site) {
    site.assert_no_secrets();
    for name in ["jobs.db", "jobs.db-wal"] {
        let bytes = fs::read(site.root().join(name)).unwrap_or_default();
        let found = bytes
            .windows(SIGNATURE.len())
            .any(|part| part == SIGNATURE.as_bytes());
        assert!(!found, "the signature stands in {name}");
    }
}

/// Drops a file with an address in it, of this content on the web.
fn drop_link(web: &Web, site: &Site, name: &str, content: &[u8]) -> PathBuf {
    let path = format!("/{name}.mp4");
    web.serve(&path, content);
    let text = format!("{}?{SIGNATURE}\n", web.url(&path));
    site.drop_file(&format!("{name}.url"), text.as_bytes())
}

#[test]
fn files_with_an_address_become_the_videos_that_lie_there() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &watch(""));
    let daemon = site.start();
    let (one, two) = (dice.bytes(SIZE), dice.bytes(SIZE));
    let plain = drop_link(&web, &site, "plain", &one);
    web.serve("/Two%20words.mp4", &two);
    let text = format!(
        "[InternetShortcut]\r\nURL={}?{SIGNATURE}\r\nIconIndex=0\r\n",
        web.url("/Two%20words.mp4")
    );
    let saved = site.drop_file("Saved.URL", text.as_bytes());
    let jobs = site.wait_done(2);
    assert_fetched(&platform, &site, &[(&plain, &one), (&saved, &two)]);
    let mut titles: Vec<_> = platform.videos().into_iter().map(|v| v.title).collect();
    titles.sort();
    assert_eq!(titles, ["Saved", "plain"]);
    assert_eq!(site.story(jobs[0].id), ["create done"]);
    assert_eq!(web.requests(&format!("GET /plain.mp4?{SIGNATURE}")), 1);
    assert_eq!(platform.bytes_received(), 0, "nothing was sent");
    assert_no_address(&site);
    drop(daemon);
}

/// What a file may hold that is no address to fetch from, and what is said of it.
const BAD: [(&str, &str); 9] = [
    (
        "http://localhost/a.mp4",
        "localhost can be reached from your own network only",
    ),
    (
        "http://169.254.169.254/latest/",
        "169.254.169.254 can be reached",
    ),
    (
        "http://[::ffff:10.0.0.1]/a.mp4",
        "can be reached from your own network only",
    ),
    (
        "http://0x7f.1/a.mp4",
        "127.0.0.1 can be reached from your own network only",
    ),
    (
        "file:///etc/passwd",
        "begins with file:, which the platform does not fetch",
    ),
    ("javascript:alert(1)", "begins with javascript:"),
    (
        "https://user:S3CRET0fTheAddress@media.example/a.mp4",
        "has a user or password in it",
    ),
    (
        " \r\n",
        "the .url file is empty; put one line into a new one",
    ),
    ("a\0b", "is not text in UTF-8"),
];

#[test]
fn what_must_not_be_fetched_fails_with_the_reason_and_without_a_video() {
    let (platform, web) = (Platform::start(), Web::start());
    let site = Site::new(&platform);
    let daemon = site.start();
    let local = format!("{}?{SIGNATURE}", web.url("/a.mp4"));
    let ten = format!("{local}\n").repeat(10);
    let dynamic = [
        (
            local.as_str(),
            "127.0.0.1 can be reached from your own network only; put a public",
        ),
        (ten.as_str(), "there are 10 addresses in the .url file"),
    ];
    let cases: Vec<_> = dynamic.into_iter().chain(BAD).collect();
    for (number, (text, _)) in cases.iter().enumerate() {
        site.drop_file(&format!("{number}.url"), text.as_bytes());
    }
    let huge = site.folder().join("huge.url");
    fs::write(&huge, vec![b'x'; 1 << 24]).unwrap();
    let jobs = site.wait_jobs("all to fail", |jobs| {
        let failed = jobs.iter().filter(|job| job.state == "failed").count();
        (failed == cases.len() + 1).then(|| jobs.to_vec())
    });
    let said = |path: &Path| {
        let job = jobs.iter().find(|job| job.path == path).unwrap();
        assert_eq!(job.attempts, 1, "{job:?}");
        job.last_error.clone().unwrap()
    };
    for (number, (text, says)) in cases.iter().enumerate() {
        let message = said(&site.folder().join(format!("{number}.url")));
        assert!(message.contains(says), "{text:?}: {message}");
        assert!(!message.contains("S3CRET"), "{message}");
    }
    let message = said(&huge);
    assert!(message.contains("longer than 65536 bytes"), "{message}");
    assert_eq!(platform.count("create", "arrived"), 0);
    assert_no_address(&site);
    drop(daemon);
}

#[test]
fn a_file_that_is_on_the_web_is_fetched_from_there() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &served(&web, ""));
    fs::create_dir(site.folder().join("sub")).unwrap();
    let daemon = site.start();
    let content = dice.bytes(SIZE);
    web.serve("/drop/sub/100%25%20%C3%A9%23.mp4", &content);
    let file = site.drop_file("sub/100% é#.mp4", &content);
    site.wait_done(1);
    assert_fetched(&platform, &site, &[(&file, &content)]);
    assert_eq!(platform.bytes_received(), 0, "nothing was sent");
    assert_eq!(web.requests("HEAD /drop/sub/100%25%20%C3%A9%23.mp4"), 1);
    let md5: Option<String> = site.value("SELECT md5 FROM jobs");
    assert_eq!(md5.unwrap().len(), 32);
    drop(daemon);
}

#[test]
fn what_the_web_server_has_not_is_sent_and_the_reason_told() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &served(&web, ""));
    let daemon = site.start();
    web.serve("/drop/short.mp4", b"not all of it");
    let files = ["missing.mp4", "short.mp4"].map(|name| site.drop_file(name, &dice.bytes(SIZE)));
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &files);
    assert!(
        site.jobs()
            .iter()
            .all(|job| job.method.as_deref() == Some("s3"))
    );
    for (file, why) in files.iter().zip([
        "sent rather than fetched, as 127.0.0.1 answered HTTP 404 for it",
        "sent rather than fetched, as 127.0.0.1 has 13 bytes of it, and the file has 300000",
    ]) {
        let told = site.output(&["explain", &file.display().to_string()]);
        assert!(told.contains(why), "{told}");
    }
    drop(daemon);
}

#[test]
fn a_watch_that_only_fetches_waits_until_the_file_is_on_the_web() {
    let (platform, web, mut dice) = (Platform::start(), Web::start(), Dice::new());
    let site = Site::with(&platform, &served(&web, "method = \"fetch\""));
    let daemon = site.start();
    let content = dice.bytes(SIZE);
    let file = site.drop_file("late.mp4", &content);
    let message = site.wait_jobs("a failed attempt", |jobs| {
        let job = jobs.first().filter(|job| job.attempts > 1)?;
        job.last_error.clone()
    });
    let says = "it cannot be fetched now, because 127.0.0.1 answered HTTP 404 for it";
    assert!(message.contains(says), "{message}");
    web.serve("/drop/late.mp4", &content);
    site.wait_done(1);
    assert_fetched(&platform, &site, &[(&file, &content)]);
    drop(daemon);
}
