//! What is known of the parts of a file, and when it is known no more.

use super::*;
use crate::queue::renames::moved;

fn is_doubted(db: &Connection, id: JobId) -> bool {
    ticket::of(db, id).unwrap().unwrap().is_doubted
}

#[test]
fn what_was_sent_is_doubted_once_the_ctime_moves_and_no_worker_reads_the_file() {
    let db = table();
    let mut seen = file("/w/a.mp4", 1);
    let id = new_job(&db, &seen, at(0));
    let lease = take(&db, at(1));
    create_video(&db, &lease, "tL17msiU", at(1));
    ticket::part_arrived(&db, &lease, 1, "aa").unwrap();
    seen.identity.ctime_ns += 1;
    enqueue(&db, &seen, at(2)).unwrap();
    assert!(!is_doubted(&db, id), "its worker notices for itself");

    claim::reclaim(&db, None, &[], at(3)).unwrap();
    seen.identity = job(&db, id).identity;
    seen.identity.dev += 1;
    enqueue(&db, &seen, at(3)).unwrap();
    assert!(!is_doubted(&db, id), "another boot is no writer");
    seen.identity.ctime_ns += 1;
    enqueue(&db, &seen, at(3)).unwrap();
    assert!(is_doubted(&db, id));
    assert_eq!(job(&db, id).identity, seen.identity);

    let lease = take(&db, at(4));
    assert!(
        lease.ticket.as_ref().unwrap().is_doubted,
        "until it is compared"
    );
    assert!(ticket::last_byte(&db, &lease, at(4)).unwrap());
    assert!(!is_doubted(&db, id), "it was looked at right before");
    claim::reclaim(&db, None, &[], at(5)).unwrap();
    let mut renamed = seen.clone();
    renamed.path = "/w/b.mp4".into();
    renamed.identity.ctime_ns += 1;
    moved(&db, (id, &seen.path), &renamed, at(6)).unwrap();
    assert!(is_doubted(&db, id));
}

/// Even where none of it is noted: the answer to a segment may be lost.
#[test]
fn a_transfer_is_doubted_once_anything_of_it_may_have_been_sent() {
    for (begun, end, expected) in [
        (7, None, true),
        (0, Some("interrupted"), true),
        (0, Some("touched"), false),
    ] {
        let db = table();
        let mut seen = file("/w/a.mp4", 1);
        let id = new_job(&db, &seen, at(0));
        let lease = take(&db, at(1));
        create_video(&db, &lease, "tL17msiU", at(1));
        ticket::confirmed(&db, &lease, begun).unwrap();
        if let Some(end) = end {
            outcome::begin(&db, &lease, Step::Transfer, at(2)).unwrap();
            let ended = (end, &Report::default());
            outcome::again(&db, &lease, (at(3), outcome::Count::No), ended, at(2)).unwrap();
        } else {
            claim::reclaim(&db, None, &[], at(3)).unwrap();
        }
        enqueue(&db, &seen, at(3)).unwrap();
        assert!(!is_doubted(&db, id), "no program touched it");
        seen.identity.ctime_ns += 1;
        enqueue(&db, &seen, at(3)).unwrap();
        assert_eq!(is_doubted(&db, id), expected, "{begun} {end:?}");
    }
}

#[test]
fn the_sum_of_what_was_sent_is_noted_with_the_last_byte_and_goes_with_its_note() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(1));
    create_video(&db, &lease, "tL17msiU", at(1));
    let noted = || ticket::of(&db, id).unwrap().unwrap().md5;
    let sends = |md5: &str| {
        assert!(ticket::last_byte(&db, &lease, at(2)).unwrap());
        assert_eq!(noted(), None, "of an earlier sending");
        ticket::sum_is(&db, &lease, md5).unwrap();
        assert_eq!(noted().as_deref(), Some(md5));
    };
    sends("aa");
    sends("bb");
    ticket::last_byte_was_lost(&db, &lease).unwrap();
    assert_eq!(noted(), None);
    sends("cc");
    ticket::last_byte_counts_as_lost(&db, &lease).unwrap();
    assert_eq!(noted(), None);
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
        let why = ("mismatch", &Report::said("other bytes"));
        crate::queue::confirm::start_over(&db, &waiting, count, why, at(3)).unwrap();
        assert_eq!(job(&db, id).parts_md5, None);
    }
}

#[test]
fn rests_in_a_row_have_one_row_and_what_was_sent_keeps_its_own() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let rests = |step: Step, bytes_sent: i64, second: i64, message: &str| {
        let lease = take(&db, at(second));
        outcome::begin(&db, &lease, step, at(second)).unwrap();
        let report = Report {
            bytes_sent,
            message: Some(message.to_owned()),
            ..Report::default()
        };
        let rest = (second, at(second));
        outcome::touched(&db, &lease, rest, &report, at(second)).unwrap();
        number(&db, "SELECT count(*) FROM attempts")
    };
    let last = || value(&db, "SELECT message FROM attempts ORDER BY id DESC LIMIT 1");
    assert_eq!(rests(Step::Create, 0, 1, "first"), 1);
    assert_eq!(rests(Step::Create, 0, 2, "second"), 1);
    assert_eq!(last(), Value::from("second".to_owned()));
    assert_eq!(rests(Step::Transfer, 0, 3, "third"), 2, "another step");
    assert_eq!(rests(Step::Transfer, 7, 4, "fourth"), 3, "bytes were sent");
    assert_eq!(rests(Step::Transfer, 0, 5, "fifth"), 3);
    let sent = "SELECT sum(bytes_sent) FROM attempts";
    assert_eq!(
        (number(&db, sent), last()),
        (7, Value::from("fifth".to_owned()))
    );
    assert_eq!(job(&db, id).identity.ctime_ns, 5);
}
