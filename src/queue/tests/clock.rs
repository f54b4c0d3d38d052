//! What a clock that was set leaves in the table, and how that is mended.

use std::time::Duration;

use super::*;
use crate::queue::accounts::{self, Cause};

#[test]
fn nothing_waits_for_a_time_that_only_a_wrong_clock_can_have_written() {
    let db = table();
    let hour = Duration::from_hours(1);
    let far = new_job(&db, &file("/w/far.mp4", 1), at(90_000));
    let near = new_job(&db, &file("/w/near.mp4", 2), at(1_800));
    accounts::pause(
        &db,
        "main",
        (Cause::Refused, "the clock was wrong"),
        (at(90_000), at(89_000)),
    )
    .unwrap();
    assert_eq!(claim::clock_was_mended(&db, at(0), hour).unwrap(), 2);
    assert_eq!(job(&db, far).run_at, at(0));
    assert_eq!(job(&db, near).run_at, at(1_800), "a wait that may be stays");
    assert_eq!(accounts::paused(&db).unwrap()[0].probe_at, at(0));
    assert_eq!(claim::clock_was_mended(&db, at(0), hour).unwrap(), 0);
}

#[test]
fn the_time_a_machine_was_off_is_no_time_of_failing() {
    let db = table();
    let id = new_job(&db, &file("/w/a.mp4", 1), at(0));
    let lease = take(&db, at(1));
    let report = Report::default();
    let later = (at(2), outcome::Count::Yes);
    outcome::again(&db, &lease, later, ("transient", &report), at(1)).unwrap();
    assert_eq!(job(&db, id).failing_since, Some(at(1)));
    claim::forgive_the_past(&db, at(500_000)).unwrap();
    assert_eq!(job(&db, id).failing_since, Some(at(500_000)));
}
