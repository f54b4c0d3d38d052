//! A restart over files that are done with: they are passed over, and what changed meanwhile is
//! found.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Dice, Platform, Site};

/// From now on the table remembers every file that was ever reported to be settling.
fn remember_settling(site: &Site) {
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.execute_batch(
        "CREATE TABLE seen (path);
         CREATE TRIGGER remember AFTER INSERT ON settling
         BEGIN INSERT INTO seen VALUES (new.path); END;",
    )
    .unwrap();
}

/// The names of the files that settled since.
fn settled(site: &Site) -> BTreeSet<String> {
    let db = rusqlite::Connection::open(site.database()).unwrap();
    let mut statement = db.prepare("SELECT path FROM seen").unwrap();
    let paths = statement.query_map([], |row| row.get::<_, String>(0));
    let name = |path: String| Path::new(&path).file_name().unwrap().to_owned();
    paths
        .unwrap()
        .map(|path| name(path.unwrap()).into_string().unwrap())
        .collect()
}

/// Changes a row of the table as if the daemon had met that file under other circumstances.
fn change_row(site: &Site, path: &Path, change: &str) {
    let db = rusqlite::Connection::open(site.database()).unwrap();
    let sql = format!("UPDATE jobs SET {change} WHERE path = ?1");
    let changed = db.execute(&sql, [path.to_str().unwrap()]).unwrap();
    assert_eq!(changed, 1, "{change}");
}

#[test]
fn a_restart_passes_over_what_is_done_and_finds_what_changed() {
    let (platform, mut dice) = (Platform::start(), Dice::new());
    let site = Site::new(&platform);
    let mut drop_file = |name: &str| site.drop_file(name, &dice.bytes(10_000));
    let [same, reboot, inode, ctime, rights, grown] =
        ["same", "reboot", "inode", "ctime", "rights", "grown"]
            .map(|name| drop_file(&format!("{name}.mp4")));
    assert!(site.command(&["run", "--until-idle"]).status.success());
    assert_eq!(site.jobs().len(), 6);

    remember_settling(&site);
    // Other numbers after a reboot, a new mount, or a restored backup.
    change_row(&site, &reboot, "dev = dev + 1");
    change_row(&site, &inode, "ino = ino + 1000000");
    change_row(&site, &ctime, "ctime_ns = ctime_ns - 1");
    fs::set_permissions(&rights, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::read(&grown).unwrap();
    fs::write(&grown, [before, vec![1; 10]].concat()).unwrap();
    let new = site.drop_file("new.mp4", b"\x01 file that came while no daemon ran");
    assert!(site.command(&["run", "--until-idle"]).status.success());

    let went_the_long_way = ["inode", "ctime", "rights", "grown", "new"];
    let expected: BTreeSet<_> = went_the_long_way.map(|name| format!("{name}.mp4")).into();
    assert_eq!(settled(&site), expected);
    assert_eq!(site.jobs().len(), 8, "{:?}", site.jobs());
    assert_eq!(
        platform.videos().len(),
        8,
        "the old content of the one that grew stays"
    );
    for file in [&same, &reboot, &inode, &ctime, &rights, &new] {
        let jobs = site.jobs();
        assert_eq!(jobs.iter().filter(|job| job.path == *file).count(), 1);
    }

    // The table has taken over what the files are now.
    let seen = settled(&site).len();
    let db = rusqlite::Connection::open(site.database()).unwrap();
    db.execute("DELETE FROM seen", []).unwrap();
    assert!(site.command(&["run", "--until-idle"]).status.success());
    assert_eq!((seen, settled(&site)), (5, BTreeSet::new()));
    assert_eq!(site.jobs().len(), 8);
}
