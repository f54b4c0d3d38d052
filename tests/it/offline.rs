//! The watch folder is away: at the start, for a while, or for good.

use std::fs;

use crate::support::{Dice, Platform, Site, wait_for};

/// The log of the newest run.
fn log(site: &Site) -> String {
    let logs = fs::read_dir(site.root()).unwrap().flatten();
    let mut logs: Vec<_> = logs
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    logs.sort();
    fs::read_to_string(logs.last().unwrap()).unwrap()
}

#[test]
fn a_folder_that_is_missing_at_the_start_is_waited_for() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    fs::remove_dir(site.folder()).unwrap();
    let check = site.command(&["check", "--offline"]);
    assert_eq!(check.status.code(), Some(78));
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("does not exist; make the folder"), "{said}");
    // A run that ends when all is done cannot wait for it.
    let idle = site.command(&["run", "--until-idle"]);
    assert_eq!(idle.status.code(), Some(78));
    let daemon = site.start();
    wait_for("the daemon to say so", || {
        log(&site)
            .contains("the watch folder is offline")
            .then_some(())
    });
    fs::create_dir(site.folder()).unwrap();
    let file = site.drop_file("a.mp4", &dice.bytes(20_000));
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    assert_eq!(log(&site).matches("is offline").count(), 1, "said once");
    drop(daemon);
}

#[test]
fn a_folder_that_was_away_and_comes_back_uploads_nothing_twice() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let daemon = site.start();
    let first = site.drop_file("a.mp4", &dice.bytes(20_000));
    site.wait_done(1);
    let aside = site.root().join("aside");
    fs::rename(site.folder(), &aside).unwrap();
    // A fresh, empty one takes its place.
    fs::create_dir(site.folder()).unwrap();
    let second = site.drop_file("b.mp4", &dice.bytes(20_000));
    site.wait_done(2);
    fs::rename(&second, aside.join("b.mp4")).unwrap();
    fs::remove_dir(site.folder()).unwrap();
    fs::rename(&aside, site.folder()).unwrap();
    let third = site.drop_file("c.mp4", &dice.bytes(20_000));
    site.wait_done(3);
    drop(daemon);
    // And at the next start, with the folder away and coming back meanwhile.
    fs::rename(site.folder(), &aside).unwrap();
    let daemon = site.start();
    wait_for("the daemon to say so", || {
        log(&site)
            .contains("the watch folder is offline")
            .then_some(())
    });
    fs::rename(&aside, site.folder()).unwrap();
    let fourth = site.drop_file("d.mp4", &dice.bytes(20_000));
    site.wait_done(4);
    assert_eq!(site.jobs().len(), 4, "{:?}", site.jobs());
    site.assert_exactly_one_each(&platform, &[first, second, third, fourth]);
    drop(daemon);
}
