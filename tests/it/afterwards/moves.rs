//! Files that are uploaded: move, trash, delete, keep.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jw_ingest::sandbox::Options;

use super::{
    configure, dice, elsewhere, files, nothing_comes_again, outcome, site, wait_outcome,
    wait_there, why_later,
};
use crate::support::{Platform, Site, sha1_of, wait_for};

const MOVE: &str = "after-upload = \"move\"\nmove-to = \"{outside}\"\ngrace = \"0s\"\n";

fn moved(site: &Site, keys: &str) -> String {
    keys.replace("{outside}", &site.outside().display().to_string())
}

/// A video in a folder of its own, with companions.
fn drop_clip(site: &Site, clip: &[u8]) {
    fs::create_dir(site.folder().join("deep")).unwrap();
    site.drop_file("deep/clip.mp4", clip);
    for (name, content) in [("json", "{}"), ("mp4.toml", ""), ("srt", "1")] {
        site.drop_file(&format!("deep/clip.{name}"), content.as_bytes());
    }
}

#[test]
fn a_file_is_moved_with_its_companions_and_never_comes_again() {
    let (platform, mut dice) = (Platform::start(), dice());
    let beside =
        "done-marker = \"{name}.ok\"\nwait-for = [\"{stem}.srt\"]\nwait-timeout = \"100ms\"";
    let keys = format!("{MOVE}notes = true\n{beside}\n");
    let site = site(&platform, &keys);
    let (clip, both) = (dice.bytes(9_000), dice.bytes(8_000));
    drop_clip(&site, &clip);
    site.drop_file("both.mp4", &both);
    site.drop_file("both.toml", b"");
    // It shares the sidecar, and has no marker: it stays, and so must what it shares.
    site.drop_file("both.MP4", &dice.bytes(7_000));
    let daemon = site.start();
    site.drop_file("deep/clip.mp4.ok", b"");
    site.drop_file("both.mp4.ok", b"");
    site.wait_done(2);
    for job in 1..=2 {
        let said = wait_outcome(&site, job);
        assert!(
            said.starts_with("moved to ") && !said.contains("stayed"),
            "{said}"
        );
    }
    let up = site.outside();
    assert_eq!(fs::read(up.join("deep/clip.mp4")).unwrap(), clip);
    assert_eq!(fs::read(up.join("both.mp4")).unwrap(), both);
    for name in [
        "deep/clip.json",
        "deep/clip.mp4.ok",
        "deep/clip.mp4.toml",
        "deep/clip.srt",
        "deep/clip.mp4.jw.json",
        "both.mp4.ok",
    ] {
        assert!(up.join(name).exists(), "{name}: {:?}", files(&up));
    }
    let left = files(&site.folder());
    let expected = ["both.MP4", "both.toml"].map(|name| site.folder().join(name));
    assert_eq!(left, expected);
    let key: serde_json::Value =
        serde_json::from_slice(&fs::read(up.join("deep/clip.mp4.jw.json")).unwrap()).unwrap();
    assert!(
        platform
            .videos()
            .iter()
            .any(|video| key["video_key"] == video.key.as_str()),
        "{key}"
    );
    drop(daemon);
    let shown = site.output(&["job", "1"]);
    assert!(shown.contains("afterwards    moved to "), "{shown}");
    let object = site.objects(&["job", "1", "--json"]).remove(0);
    assert_eq!(object["afterwards"]["action"], "move", "{object}");
    nothing_comes_again(&site, &platform, 2);
    // Back in its old place, it is the same file.
    fs::rename(
        up.join("deep/clip.mp4"),
        site.folder().join("deep/clip.mp4"),
    )
    .unwrap();
    nothing_comes_again(&site, &platform, 2);
}

#[test]
fn the_grace_is_kept_and_a_file_that_changed_stays() {
    let (platform, mut dice) = (Platform::start(), dice());
    let site = site(&platform, &MOVE.replace("0s", "1h"));
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice.bytes(5_000));
    site.wait_done(1);
    let due = wait_for("the plan", || {
        site.value::<String>("SELECT due_at FROM afterwards WHERE action = 'move'")
    });
    let ended: String = site.value("SELECT finished_at FROM jobs").unwrap();
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(at(&due).duration_since(at(&ended)).as_hours(), 1);
    assert!(
        site.output(&["job", "1"])
            .contains("the file is moved to move-to")
    );
    drop(daemon);
    // The same size and mtime, and other bytes: only the checksum can tell.
    let then = fs::metadata(&file).unwrap().modified().unwrap();
    let other = dice.bytes(5_000);
    fs::write(&file, &other).unwrap();
    fs::File::open(&file).unwrap().set_modified(then).unwrap();
    configure(&site, &platform, &moved(&site, MOVE));
    bring_forward(&site);
    let daemon = site.start();
    let said = wait_outcome(&site, 1);
    assert_eq!(said, "kept: it changed after it was uploaded");
    assert_eq!(fs::read(&file).unwrap(), other);
    assert!(files(&site.outside()).is_empty());
    drop(daemon);
}

/// The look at what was touched takes samples; the last look before a file goes reads all of it.
#[test]
fn what_was_rewritten_between_the_samples_is_uploaded_in_the_end() {
    let (platform, mut dice) = (Platform::start(), dice());
    let site = site(&platform, &MOVE.replace("0s", "1h"));
    let daemon = site.start();
    let mut content = dice.bytes(3_000_000);
    let file = site.drop_file("a.mp4", &content);
    site.wait_done(1);
    wait_for("the plan", || {
        site.value::<String>("SELECT due_at FROM afterwards WHERE action = 'move'")
    });
    drop(daemon);
    let then = fs::metadata(&file).unwrap().modified().unwrap();
    content[300_000] ^= 1;
    fs::write(&file, &content).unwrap();
    fs::File::open(&file).unwrap().set_modified(then).unwrap();
    bring_forward(&site);
    let daemon = site.start();
    let said = wait_outcome(&site, 1);
    assert_eq!(said, "kept: it changed after it was uploaded");
    site.wait_done(2);
    let now = Some(sha1_of(&file));
    assert!(platform.videos().iter().any(|video| video.sha1 == now));
    drop(daemon);
}

/// Everything is due now, as if the grace had passed.
fn bring_forward(site: &Site) {
    let db = rusqlite::Connection::open(site.database()).unwrap();
    let sql = "UPDATE afterwards SET due_at = '2020-01-01T00:00:00.000Z' WHERE due_at IS NOT NULL";
    db.execute(sql, []).unwrap();
}

#[test]
fn a_taken_name_is_left_and_move_to_may_lie_inside_the_watch() {
    let (platform, mut dice) = (Platform::start(), dice());
    let site = Site::with(&platform, "");
    let up = site.folder().join("up");
    let keys = format!(
        "after-upload = \"move\"\nmove-to = \"{}\"\ngrace = \"0s\"\n",
        up.display()
    );
    configure(&site, &platform, &keys);
    fs::create_dir(&up).unwrap();
    fs::write(up.join("a.mp4"), b"another's").unwrap();
    let daemon = site.start();
    let (first, second) = (dice.bytes(5_000), dice.bytes(6_000));
    let file = site.drop_file("a.mp4", &first);
    wait_outcome(&site, 1);
    fs::write(&file, &second).unwrap();
    let said = wait_outcome(&site, 2);
    assert!(said.ends_with("up/a (3).mp4"), "{said}");
    assert_eq!(fs::read(up.join("a.mp4")).unwrap(), b"another's");
    assert_eq!(fs::read(up.join("a (2).mp4")).unwrap(), first);
    assert_eq!(fs::read(up.join("a (3).mp4")).unwrap(), second);
    drop(daemon);
    nothing_comes_again(&site, &platform, 2);
    let paths: Vec<_> = site.jobs().into_iter().map(|job| job.path).collect();
    assert_eq!(paths, [file.clone(), file], "the jobs did not follow");
    let explained = site.output(&["explain", up.join("a.mp4").to_str().unwrap()]);
    assert!(
        explained.contains("where this watch moves files to (move-to)"),
        "{explained}"
    );
}

#[test]
fn trash_and_delete_do_what_they_say() {
    let (platform, mut dice) = (Platform::start(), dice());
    let trash = site(&platform, "after-upload = \"trash\"\ngrace = \"0s\"\n");
    fs::create_dir(trash.folder().join("deep")).unwrap();
    trash.drop_file("deep/a.mp4", &dice.bytes(4_000));
    let daemon = trash.start();
    let said = wait_outcome(&trash, 1);
    assert!(
        said.contains("/drop/.trash/20") && said.ends_with("/deep/a.mp4"),
        "{said}"
    );
    assert_eq!(files(&trash.folder()).len(), 1);
    drop(daemon);
    nothing_comes_again(&trash, &platform, 1);

    let delete = site(
        &platform,
        "after-upload = \"delete\"\ngrace = \"0s\"\nnotes = true\nwait-for = [\"{stem}.srt\"]\n",
    );
    delete.drop_file("b.json", b"{}");
    delete.drop_file("b.srt", b"not on the platform");
    delete.drop_file("b.mp4", &dice.bytes(4_001));
    let daemon = delete.start();
    assert_eq!(wait_outcome(&delete, 1), "deleted");
    let left: Vec<_> = files(&delete.folder());
    let expected = ["b.mp4.jw.json", "b.srt"].map(|name| delete.folder().join(name));
    assert_eq!(left, expected);
    drop(daemon);
    nothing_comes_again(&delete, &platform, 2);
}

#[test]
fn nothing_is_deleted_before_the_platform_is_ready() {
    let platform = Platform::with(|options: &mut Options| {
        options.processing = Duration::from_hours(1);
    });
    let site = site(&platform, "after-upload = \"delete\"\ngrace = \"0s\"\n");
    let file = site.drop_file("a.mp4", &dice().bytes(4_000));
    let daemon = site.start();
    site.wait_jobs("the bytes to be there", |jobs| {
        jobs.iter().any(|job| job.step == "confirm").then_some(())
    });
    wait_for("a look at the platform", || {
        (platform.count("list", "answered") > 3 || platform.count("show", "answered") > 3)
            .then_some(())
    });
    assert!(file.exists() && outcome(&site, 1).is_none());
    drop(daemon);
}

#[test]
fn a_target_that_is_away_or_closed_is_waited_for() {
    let (platform, mut dice) = (Platform::start(), dice());
    let site = site(&platform, MOVE);
    let away = site.root().join("away");
    fs::rename(site.outside(), &away).unwrap();
    let daemon = site.start();
    let file = site.drop_file("a.mp4", &dice.bytes(4_000));
    let why = wait_for("the reason", || why_later(&site, 1));
    assert!(why.contains("is its disk or share mounted?"), "{why}");
    assert!(file.exists());
    let shown = site.output(&["job", "1"]);
    assert!(shown.contains("at the next attempt"), "{shown}");
    // Something is in the way of the folder below, and then is not.
    fs::rename(&away, site.root().join("outside")).unwrap();
    wait_there(&site.outside().join("a.mp4"));
    fs::write(site.outside().join("deep"), "no folder").unwrap();
    fs::create_dir(site.folder().join("deep")).unwrap();
    let deep = site.drop_file("deep/b.mp4", &dice.bytes(4_001));
    wait_for("the reason", || why_later(&site, 2));
    assert!(deep.exists());
    fs::remove_file(site.outside().join("deep")).unwrap();
    wait_there(&site.outside().join("deep/b.mp4"));
    drop(daemon);
    nothing_comes_again(&site, &platform, 2);
}

#[test]
fn a_kill_in_the_middle_of_a_copy_loses_nothing() {
    let (platform, mut dice) = (Platform::start(), dice());
    let site = Site::with(&platform, "");
    let Some(other) = elsewhere(&site) else {
        return;
    };
    let keys = format!(
        "after-upload = \"move\"\nmove-to = \"{}\"\ngrace = \"0s\"\n",
        other.path().display()
    );
    configure(&site, &platform, "");
    let content = dice.bytes(40_000_000);
    let file = site.drop_file("a.mp4", &content);
    let target = other.path().join("a.mp4");
    configure(&site, &platform, &keys);
    let mut daemon = site.start();
    site.wait_done(1);
    let whole = |path: &Path| fs::read(path).is_ok_and(|found| found == content);
    for _ in 0..12 {
        std::thread::park_timeout(Duration::from_millis(dice.below(250)));
        daemon.kill9();
        assert!(whole(&file) || whole(&target) || hidden_is_whole(&site, &content));
        if target.exists() && !file.exists() {
            daemon = site.start();
            break;
        }
        daemon = site.start();
    }
    wait_outcome(&site, 1);
    assert!(whole(&target) && !file.exists());
    assert_eq!(files(other.path()), [target], "nothing is left over");
    assert!(files(&site.folder()).is_empty());
    drop(daemon);
    nothing_comes_again(&site, &platform, 1);
}

/// The original, in the moment before it goes.
fn hidden_is_whole(site: &Site, content: &[u8]) -> bool {
    let found = files(&site.folder());
    found.iter().any(|path| {
        path.extension().is_some_and(|ending| ending == "going")
            && fs::read(path).is_ok_and(|found| found == content)
    })
}

#[test]
fn an_uploaded_file_that_is_moved_to_another_watch_goes_by_that_one() {
    let platform = Platform::start();
    let site = Site::with(&platform, "");
    let other = site.outside();
    let watch = |name: &str, path: &Path, more: &str| {
        let path = path.display();
        format!("[[watch]]\nname = \"{name}\"\npath = \"{path}\"\nsettle = \"200ms\"\n{more}\n")
    };
    let watches = watch("drop", &site.folder(), "")
        + &watch(
            "delete",
            &other,
            "after-upload = \"delete\"\ngrace = \"0s\"",
        );
    site.configure(&platform, &watches);
    let daemon = site.start();
    let file = site.drop_file("clip.mp4", b"\x01ne");
    site.wait_done(1);
    fs::rename(&file, other.join("clip.mp4")).unwrap();
    assert_eq!(wait_outcome(&site, 1), "deleted");
    assert!(!other.join("clip.mp4").exists());
    assert_eq!((site.jobs().len(), platform.videos().len()), (1, 1));
    drop(daemon);
}
