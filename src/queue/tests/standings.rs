//! Where a job is, in Rust and in the column `phase`.

use std::collections::HashSet;

use super::*;
use crate::queue::{Standing, State};

/// Every row that the schema lets in, out of all values that a standing could depend on.
#[test]
fn the_column_and_the_function_agree_on_every_row_that_can_be() {
    let db = table();
    for number in 1..3 {
        new_job(&db, &file(format!("/w/{number}.mp4"), number), at(0));
    }
    let mut seen = HashSet::new();
    for change in changes() {
        if db.execute(&change, []).is_err() {
            continue;
        }
        let job = operator::by_id(&db, JobId(1)).unwrap().unwrap();
        let phase = value(&db, "SELECT phase FROM jobs WHERE id = 1");
        let standing = job.standing();
        assert_eq!(phase, Value::from(standing.word().to_owned()), "{change}");
        assert_eq!(Standing::from_word(standing.word()), Some(standing));
        seen.insert(standing);
    }
    assert_eq!(seen, HashSet::from(Standing::ALL), "each can be");
}

/// All of them.
fn changes() -> Vec<String> {
    let mut all = Vec::new();
    for state in State::ALL {
        for step in ["create", "transfer", "confirm"] {
            for replaced in ["NULL", "'sending'", "'perhaps'", "'yes'"] {
                let flags = 0..64_u32;
                all.extend(
                    flags.map(|flags| {
                        change((state, step), replaced, |bit| flags & (1 << bit) != 0)
                    }),
                );
            }
        }
    }
    all
}

/// Makes job 1 such a row.
fn change((state, step): (State, &str), replaced: &str, is: impl Fn(u32) -> bool) -> String {
    let flag = |bit: u32| u8::from(is(bit));
    let or_null = |is_so: bool, value: &'static str| if is_so { value } else { "NULL" };
    let running = state == State::Running;
    let is_over = !matches!(state, State::Queued | State::Running);
    format!(
        "UPDATE jobs SET state = '{}', step = '{step}', method = 'ftp', video_key = {}, waits_for = {}, superseded = {}, \
         held = {}, by_hand = {}, replaced_by = {}, replaced = {replaced}, duplicate_of = {}, lease_id = {}, \
         lease_until = {}, finished_at = {} WHERE id = 1",
        state.word(),
        or_null(is(0), "'key'"),
        or_null(is(1), "2"),
        flag(2),
        flag(3),
        flag(4),
        or_null(is(5), "2"),
        or_null(state == State::Duplicate, "2"),
        or_null(running, "'lease'"),
        or_null(running, "'2027-01-15T08:00:00.000Z'"),
        or_null(is_over, "'2027-01-15T08:00:00.000Z'"),
    )
}
