//! The jobs of a watch that is not in the configuration any more.

use std::path::PathBuf;

use super::*;
use crate::queue::watches::{self, Named};

fn named(name: &str, folder: &str) -> Named {
    Named {
        name: name.to_owned(),
        folder: PathBuf::from(folder),
    }
}

fn watch_of(db: &Connection, id: i64) -> String {
    job(db, JobId(id)).watch
}

#[test]
fn jobs_follow_the_folder_to_the_new_name_of_their_watch() {
    let db = table();
    for (number, path) in (1..).zip([
        "/w/a.mp4",
        "/w/sub/b.mp4",
        "/elsewhere/c.mp4",
        "/w2/d.mp4",
        "/failed/e.mp4",
    ]) {
        new_job(&db, &file(path, number), at(number));
    }
    db.execute_batch(
        "INSERT OR REPLACE INTO afterwards (job_id, action, came_from) VALUES (5, 'failed-dir', '/w/e.mp4')",
    )
    .unwrap();
    let all = [
        named("bulletins", "/w"),
        named("sub", "/w/sub"),
        named("other", "/w2x"),
    ];
    let given = watches::follow(&db, &all).unwrap();
    let names: Vec<String> = (1..=5).map(|id| watch_of(&db, id)).collect();
    assert_eq!(names, ["bulletins", "sub", "news", "news", "bulletins"]);
    let of = |name: &str| given[&("news".to_owned(), name.to_owned())];
    assert_eq!((of("bulletins"), of("sub"), given.len()), (2, 1, 2));
    assert!(watches::follow(&db, &all).unwrap().is_empty());

    // A watch that is there keeps its jobs, wherever its folder is now.
    let moved = [named("bulletins", "/new"), named("twin", "/w")];
    watches::follow(&db, &moved).unwrap();
    assert_eq!(watch_of(&db, 1), "bulletins");
    assert_eq!(watch_of(&db, 2), "twin");
}
