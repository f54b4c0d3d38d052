//! What is known of the parts of a file, and when it is known no more.

use super::*;
use crate::queue::renames::moved;

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

/// Neither can be compared with the file: what is there may be of other bytes.
#[test]
fn what_arrived_without_sums_is_not_continued_once_the_ctime_moves() {
    for (method, begun, is_doubted) in [
        ("ftp", 7, true),
        ("resumable", 7, true),
        ("resumable", 0, false),
        ("s3", 0, false),
    ] {
        let db = table();
        let mut seen = file("/w/a.mp4", 1);
        let id = new_job(&db, &seen, at(0));
        let lease = take(&db, at(1));
        create_video(&db, &lease, "tL17msiU", at(1));
        ticket::confirmed(&db, &lease, begun).unwrap();
        db.execute("UPDATE jobs SET method = ?1", [method]).unwrap();
        let tickets = || number(&db, "SELECT count(*) FROM tickets");
        let confirmed = || crate::queue::ftp::confirmed(&db, id).unwrap();
        claim::reclaim(&db, None, &[], at(3)).unwrap();
        enqueue(&db, &seen, at(3)).unwrap();
        assert_eq!(
            (tickets(), confirmed()),
            (1, begun.cast_unsigned()),
            "{method}: no one touched it"
        );
        seen.identity.ctime_ns += 1;
        enqueue(&db, &seen, at(3)).unwrap();
        let is_there = tickets() == 1 && confirmed() <= seen.identity.bytes();
        assert_eq!(!is_there, is_doubted, "{method} {begun}");
    }
}

#[test]
fn what_went_in_parts_leaves_the_sum_of_their_sums_if_all_are_known() {
    let sums = [
        "0cc175b9c0f1b6a831c399e269772661",
        "92EB5FFEE6AE2FEC3AD71C777531578F",
    ];
    for (part_size, known, expected) in [
        // MD5 over the sixteen bytes of each, as the ETag of such an object on S3.
        (
            Some(600),
            vec![(1, 0), (2, 1)],
            Some("600:96e024ba2074fe77e8e965ba43a704be"),
        ),
        (Some(600), vec![(1, 0)], None),
        (Some(600), vec![(1, 0), (3, 1)], None),
        (Some(400), vec![(1, 0), (2, 1)], None),
        (None, vec![(1, 0), (2, 1)], None),
    ] {
        let db = table();
        let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
        let lease = take(&db, at(1));
        outcome::begin(&db, &lease, Step::Create, at(1)).unwrap();
        let ticket = NewTicket {
            video_key: "tL17msiU",
            link: "https://upload.example",
            expires_at: None,
            part_size,
        };
        outcome::created(&db, &lease, &ticket, &Report::default(), at(1)).unwrap();
        for (number, sum) in &known {
            ticket::part_arrived(&db, &lease, *number, sums[*sum]).unwrap();
        }
        outcome::transferred(&db, &lease, None, at(2), (&Report::default(), at(2))).unwrap();
        assert_eq!(
            job(&db, id).parts_md5.as_deref(),
            expected,
            "{part_size:?} {known:?}"
        );
        // Another video of the job has other parts.
        let waiting = crate::queue::confirm::waiting(&db, "main")
            .unwrap()
            .remove(0);
        let count = (at(3), outcome::Count::Yes);
        let why = ("mismatch", "other bytes");
        crate::queue::confirm::start_over(&db, &waiting, count, why, at(3)).unwrap();
        assert_eq!(job(&db, id).parts_md5, None);
    }
}
