//! Files that are not whole, and files whose marker says that they are: what becomes of them, and
//! what people are told.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::support::{Dice, Platform, Site, wait_for};

/// A little MP4 as far as boxes go; with or without its index.
fn mp4(whole: bool) -> Vec<u8> {
    let part = |kind: &[u8; 4]| [&[0, 0, 0, 16], &kind[..], &[7; 8]].concat();
    let half = [part(b"ftyp"), part(b"mdat")].concat();
    if whole {
        return [half, part(b"moov")].concat();
    }
    half
}

fn explained(site: &Site, name: &str) -> String {
    let path = site.folder().join(name);
    let output = site.command(&["explain", path.to_str().unwrap()]);
    String::from_utf8(output.stdout).unwrap()
}

/// A watch with these keys besides.
fn site(platform: &Platform, keys: &str) -> Site {
    let watch = "[[watch]]\nname = \"drop\"\npath = \"{folder}\"\nsettle = \"200ms\"\n";
    Site::with(platform, &format!("{watch}{keys}\n"))
}

#[test]
fn an_incomplete_file_waits_then_fails_with_the_reason_and_can_be_retried() {
    let platform = Platform::start();
    let site = site(&platform, "incomplete-after = \"3s\"");
    let daemon = site.start();
    let file = site.drop_file("half.mp4", &mp4(false));
    let said = wait_for("the reason", || {
        let said = explained(&site, "half.mp4");
        let waits = said.starts_with("waiting to settle");
        (waits && said.contains("counts as failed")).then_some(said)
    });
    assert!(said.contains("it has no index (moov)"), "{said}");
    let container =
        |line: &str| line.contains("container") && line.contains("incomplete: it has no index");
    assert!(said.lines().skip(1).any(container), "{said}");
    let reason = site.wait_jobs("the file to fail", |jobs| {
        let failed = jobs.iter().find(|job| job.state == "failed")?;
        assert_eq!(failed.attempts, 0);
        failed.last_error.clone()
    });
    let says = "not uploaded: it has no index (moov), which many programs write last, and it stayed \
                unchanged for 3s (incomplete-after); if it is whole anyway: jw-ingest retry 1";
    assert_eq!(reason, says);
    assert!(platform.videos().is_empty());
    let retried = site.command(&["retry", "1"]);
    assert!(retried.status.success(), "{retried:?}");
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn a_file_with_a_marker_waits_for_it_and_no_marker_is_uploaded() {
    let platform = Platform::start();
    let site = site(
        &platform,
        "include = [\"*\"]\ndone-marker = \"{name}.done\"",
    );
    let daemon = site.start();
    let files =
        ["a.mp4", "b.mp4"].map(|name| site.drop_file(name, &[&[1], name.as_bytes()].concat()));
    let said = wait_for("the reason", || {
        let said = explained(&site, "a.mp4");
        said.contains("done-marker is not there").then_some(said)
    });
    assert!(
        said.contains("as soon as its done-marker is there"),
        "{said}"
    );
    for name in ["b.mp4.done", "a.mp4.done"] {
        site.drop_file(name, b"");
    }
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &files);
    let said = explained(&site, "a.mp4.done");
    assert!(
        said.contains("it is ignored: it is a done-marker"),
        "{said}"
    );
    drop(daemon);
    assert_eq!(fs::read_dir(site.folder()).unwrap().count(), 4);
}

/// The rest of a copy that set the full length first and broke off was never written.
#[test]
fn a_copy_that_broke_off_waits_then_fails_in_any_format_and_is_uploaded_once_whole() {
    let platform = Platform::start();
    let site = site(&platform, "incomplete-after = \"3s\"");
    let daemon = site.start();
    let bytes = Dice::new().bytes(300_000);
    let path = site.folder().join("a.mpg");
    let file = fs::File::create(&path).unwrap();
    file.set_len(300_000).unwrap();
    file.write_all_at(&bytes[..100_000], 0).unwrap();
    drop(file);
    let says = "parts of it were never written";
    wait_for("the reason", || {
        explained(&site, "a.mpg").contains(says).then_some(())
    });
    let reason = site.wait_jobs("the file to fail", |jobs| {
        let failed = jobs.iter().find(|job| job.state == "failed")?;
        failed.last_error.clone()
    });
    assert!(
        reason.contains(says) && reason.contains("jw-ingest retry 1"),
        "{reason}"
    );
    assert!(platform.videos().is_empty());
    fs::write(&path, &bytes).unwrap();
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[path]);
    drop(daemon);
}

/// As aria2 with several connections leaves it: full size, closed, its container whole.
#[test]
fn a_download_that_was_paused_waits_until_its_control_file_is_gone() {
    let platform = Platform::start();
    let site = site(&platform, "");
    let control = site.drop_file("a.mp4.aria2", b"\0\x01");
    let file = site.drop_file("a.mp4", &mp4(true));
    let other = site.drop_file("b.mp4", &Dice::new().bytes(9_000));
    let daemon = site.start();
    let said = wait_for("the reason", || {
        let said = explained(&site, "a.mp4");
        let waits = said.starts_with("waiting to settle");
        (waits && said.contains("a control file of aria2")).then_some(said)
    });
    assert!(
        said.contains(&format!("the control file {} is there", control.display())),
        "{said}"
    );
    site.wait_done(1);
    assert_eq!(site.jobs().len(), 1, "it has not settled");
    fs::remove_file(&control).unwrap();
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &[file, other]);
    drop(daemon);
}

/// The streams that a program downloads one by one, before it joins them.
#[test]
fn what_a_program_makes_on_its_way_to_a_video_is_left_alone_and_named() {
    let platform = Platform::start();
    let site = site(&platform, "");
    let daemon = site.start();
    let mut dice = Dice::new();
    let stream = site.drop_file("clip.f137.mp4", &dice.bytes(9_000));
    site.drop_file("clip.temp.mp4", &dice.bytes(9_000));
    let clip = site.drop_file("clip.mp4", &dice.bytes(9_000));
    site.wait_done(1);
    let said = explained(&site, "clip.f137.mp4");
    assert!(
        said.contains("it is ignored: its name is one that yt-dlp"),
        "{said}"
    );
    assert!(
        said.contains("leave \"yt-dlp-format\" out of structures"),
        "{said}"
    );
    assert_eq!(site.jobs().len(), 1);
    drop(daemon);
    site.change(|text| text.replace("settle =", "structures = [\"temporary\"]\nsettle ="));
    let daemon = site.start();
    site.wait_done(2);
    site.assert_exactly_one_each(&platform, &[clip, stream]);
    drop(daemon);
}
