//! What is known of the parts of a file, and when it is known no more.

use super::*;
use crate::queue::enqueue::moved;

fn known(db: &Connection, id: JobId) -> usize {
    ticket::parts(db, id).unwrap().len()
}

#[test]
fn parts_are_doubted_once_the_ctime_moves_and_nobody_reads_the_file() {
    let db = table();
    let mut seen = file("/w/a.mp4", 1);
    let id = new_job(&db, &seen, at(0));
    let lease = take(&db, at(1));
    create_video(&db, &lease, "tL17msiU", at(1));
    let arrives = || ticket::part_arrived(&db, &lease, 1, "aa").unwrap();

    arrives();
    seen.identity.ctime_ns += 1;
    enqueue(&db, &seen, at(2)).unwrap();
    assert_eq!(known(&db, id), 1, "its worker notices for itself");

    claim::reclaim(&db, None, &[], at(3)).unwrap();
    seen.identity = job(&db, id).identity;
    seen.identity.dev += 1;
    enqueue(&db, &seen, at(3)).unwrap();
    assert_eq!(known(&db, id), 1, "another boot is no writer");
    seen.identity.ctime_ns += 1;
    enqueue(&db, &seen, at(3)).unwrap();
    assert_eq!(known(&db, id), 0);
    assert_eq!(job(&db, id).identity, seen.identity);

    let lease = take(&db, at(4));
    ticket::part_arrived(&db, &lease, 1, "aa").unwrap();
    claim::reclaim(&db, None, &[], at(5)).unwrap();
    let mut renamed = seen.clone();
    renamed.path = "/w/b.mp4".into();
    renamed.identity.ctime_ns += 1;
    moved(&db, (id, &seen.path), &renamed, at(6)).unwrap();
    assert_eq!(known(&db, id), 0);
}
