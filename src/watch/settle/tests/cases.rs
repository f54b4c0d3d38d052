//! The settler, case by case.

use super::*;
use crate::watch::report::Missing;

/// A settler with one waiting file, just looked at.
fn one(identity: Identity, writer: Writer) -> (Settler, Option<Finding>) {
    let mut settler = Settler::new("test".to_owned(), TIMES);
    settler.see(
        Sighting {
            path: path(0),
            identity,
            by: SeenBy::Event,
            ending: Ending::Unseen,
        },
        Duration::ZERO,
    );
    assert_eq!(settler.tick(Duration::ZERO, 9).len(), 1);
    let finding = settler.answer(&path(0), still(identity, writer), Duration::ZERO);
    (settler, finding)
}

fn why(finding: Option<Finding>) -> Option<Waiting> {
    match finding? {
        Finding::Waiting { why, .. } => Some(why),
        other => panic!("{other:?}"),
    }
}

const FILE: Identity = Identity {
    dev: 1,
    ino: 1,
    size: 1,
    mtime_ns: 1,
    ctime_ns: 1,
};

#[test]
fn an_unknown_writer_takes_three_settle_times() {
    let unknown = || Writer::Unknown(Reason::NoLeases);
    let (mut settler, finding) = one(FILE, unknown());
    assert_eq!(why(finding), Some(Waiting::WriterUnknown));
    assert_eq!(settler.next_due(), Some(SETTLE * 3));
    settler.tick(SETTLE * 3, 9);
    let finding = settler.answer(&path(0), still(FILE, unknown()), SETTLE * 3);
    assert!(matches!(finding, Some(Finding::Settled(_))));
    assert_eq!((settler.next_due(), settler.waiting()), (None, 0));
}

#[test]
fn what_it_waits_for_is_told_once_and_again_when_it_changes() {
    let (mut settler, finding) = one(FILE, Writer::Present);
    assert_eq!(why(finding), Some(Waiting::WriterOpen));
    let grown = Identity {
        size: 2,
        ctime_ns: 2,
        ..FILE
    };
    let steps = [
        (still(grown, Writer::Present), None),
        (
            still(grown, Writer::None),
            Some(Waiting::Quiet(Missing::Ending)),
        ),
        (still(FILE, Writer::None), Some(Waiting::Changing)),
        (Look::Moving(grown), None),
        (Look::OutOfReach, Some(Waiting::OutOfReach)),
        (
            still(Identity { size: 0, ..FILE }, Writer::None),
            Some(Waiting::Empty),
        ),
    ];
    for (look, expected) in steps {
        let due = settler.next_due().unwrap();
        settler.tick(due, 9);
        assert_eq!(
            why(settler.answer(&path(0), look.clone(), due)),
            expected,
            "{look:?}"
        );
    }
}

#[test]
fn a_changed_file_tells_what_it_waits_for_before_it_settles() {
    let long = Times {
        settle: Duration::from_mins(1),
        ..TIMES
    };
    let mut settler = Settler::new("test".to_owned(), long);
    let sighting = Sighting {
        path: path(0),
        identity: FILE,
        by: SeenBy::Event,
        ending: Ending::Unseen,
    };
    settler.see(sighting, Duration::ZERO);
    let mut look = |identity: Identity| {
        let due = settler.next_due().unwrap();
        settler.tick(due, 9);
        (
            due,
            settler.answer(&path(0), still(identity, Writer::None), due),
        )
    };
    let changed = Identity {
        ctime_ns: 2,
        ..FILE
    };
    look(FILE);
    let (at, finding) = look(changed);
    assert_eq!(why(finding), Some(Waiting::Changing));
    let (then, finding) = look(changed);
    assert!(then < at + long.settle);
    assert_eq!(why(finding), Some(Waiting::Quiet(Missing::Ending)));
    let (end, finding) = look(changed);
    assert_eq!(
        end,
        at + long.settle,
        "not a moment longer than without the look between"
    );
    assert!(matches!(finding, Some(Finding::Settled(_))));
}

#[test]
fn what_is_missing_under_another_root_is_held() {
    let (mut settler, _) = one(FILE, Writer::None);
    settler.begin_root();
    settler.tick(SETTLE, 9);
    let finding = settler.answer(&path(0), Look::Gone, SETTLE);
    assert_eq!(why(finding), Some(Waiting::OutOfReach));
    assert_eq!((settler.next_due(), settler.waiting()), (None, 0));
    settler.see(
        Sighting {
            path: path(0),
            identity: FILE,
            by: SeenBy::Scan,
            ending: Ending::Unseen,
        },
        SETTLE,
    );
    assert_eq!((settler.next_due(), settler.waiting()), (Some(SETTLE), 1));
    settler.tick(SETTLE, 9);
    let finding = settler.answer(&path(0), Look::Gone, SETTLE);
    assert_eq!(finding, Some(Finding::Gone(path(0))));
}

#[test]
fn what_is_forgotten_while_it_waits_counts_as_gone_once() {
    let (mut settler, _) = one(FILE, Writer::None);
    assert_eq!(settler.forget(&path(0)), Some(Finding::Gone(path(0))));
    assert_eq!(settler.forget(&path(0)), None);
}

#[test]
fn a_sighting_of_an_open_file_wants_a_look_at_once() {
    let (mut settler, _) = one(FILE, Writer::Present);
    assert_eq!(settler.next_due(), Some(SETTLE));
    let now = Duration::from_millis(10);
    settler.see(
        Sighting {
            path: path(0),
            identity: FILE,
            by: SeenBy::Event,
            ending: Ending::Unseen,
        },
        now,
    );
    assert_eq!(
        settler.next_due(),
        Some(now),
        "it may mean that the writer has gone"
    );
    settler.tick(now, 9);
    settler.answer(&path(0), still(FILE, Writer::None), now);
    assert_eq!(settler.next_due(), Some(now + SETTLE));
    settler.see(
        Sighting {
            path: path(0),
            identity: FILE,
            by: SeenBy::Event,
            ending: Ending::Unseen,
        },
        now * 2,
    );
    assert_eq!(settler.next_due(), Some(now + SETTLE), "nothing new");
}

/// One look after another, each when it is due; answers what is reported, and when.
fn looks(settler: &mut Settler, found: &Evidence, times: usize) -> Vec<(Duration, Finding)> {
    let mut told = Vec::new();
    for _ in 0..times {
        let Some(due) = settler.next_due() else { break };
        for (path, examine) in settler.tick(due, 9) {
            let container = found.container.filter(|_| examine);
            let look = Look::Still(Evidence {
                container,
                ..found.clone()
            });
            told.extend(
                settler
                    .answer(&path, look, due)
                    .map(|finding| (due, finding)),
            );
        }
    }
    told
}

fn seen(ending: Ending) -> Settler {
    let mut settler = Settler::new("test".to_owned(), TIMES);
    let sighting = Sighting {
        path: path(0),
        identity: FILE,
        by: SeenBy::Event,
        ending,
    };
    settler.see(sighting, Duration::ZERO);
    settler
}

#[test]
fn a_closed_whole_file_settles_after_two_seconds_and_another_not() {
    let whole = evidence(FILE, Writer::None, Some(Verdict::Complete));
    for (ending, found, settles) in [
        (Ending::Closed, whole.clone(), QUICK),
        (Ending::Renamed, whole.clone(), QUICK),
        (Ending::Unseen, whole.clone(), SETTLE),
        (
            Ending::Closed,
            evidence(FILE, Writer::None, Some(Verdict::Unended)),
            SETTLE,
        ),
        (Ending::Closed, Evidence { blocks: 0, ..whole }, SETTLE),
    ] {
        let told = looks(&mut seen(ending), &found, 9);
        let Some((at, Finding::Settled(file))) = told.last() else {
            panic!("{told:?}")
        };
        assert_eq!((*at, file.flaw), (settles, None), "{ending:?} {found:?}");
    }
}

/// That the one before was closed says nothing of it, whether a scan sees it first or a look.
#[test]
fn another_file_of_the_same_size_under_the_name_must_wait_in_full() {
    let other = Identity {
        ino: 2,
        ctime_ns: 2,
        ..FILE
    };
    let whole = evidence(other, Writer::None, Some(Verdict::Complete));
    for seen_first in [true, false] {
        let mut settler = seen(Ending::Closed);
        if seen_first {
            let sighting = Sighting {
                path: path(0),
                identity: other,
                by: SeenBy::Scan,
                ending: Ending::Unseen,
            };
            settler.see(sighting, Duration::ZERO);
        }
        let told = looks(&mut settler, &whole, 9);
        let Some((at, Finding::Settled(_))) = told.last() else {
            panic!("{told:?}")
        };
        assert_eq!(*at, SETTLE);
    }
}

#[test]
fn blocks_that_come_later_are_a_change() {
    let mut settler = seen(Ending::Closed);
    let whole = evidence(FILE, Writer::None, Some(Verdict::Complete));
    looks(&mut settler, &whole, 1);
    assert_eq!(settler.next_due(), Some(QUICK));
    looks(&mut settler, &Evidence { blocks: 9, ..whole }, 1);
    assert_eq!(settler.next_due(), Some(QUICK * 2));
}

#[test]
fn an_incomplete_file_waits_holds_up_nobody_and_fails_in_the_end() {
    let mut settler = seen(Ending::Closed);
    let flaw = Flaw::NoIndex;
    let half = evidence(FILE, Writer::None, Some(Verdict::Incomplete(flaw)));
    let told = looks(&mut settler, &half, 2);
    let why: Vec<_> = told
        .into_iter()
        .map(|(_, finding)| why(Some(finding)))
        .collect();
    assert_eq!(why, [Some(Waiting::Incomplete(flaw))], "told once");
    assert_eq!(
        (settler.next_due(), settler.waiting()),
        (Some(TIMES.incomplete), 0)
    );
    let told = looks(&mut settler, &half, 1);
    let Some((at, Finding::Settled(file))) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!((*at, file.flaw), (TIMES.incomplete, Some(flaw)));
}

#[test]
fn an_incomplete_file_that_goes_on_settles_without_a_flaw() {
    let mut settler = seen(Ending::Closed);
    let half = evidence(
        FILE,
        Writer::None,
        Some(Verdict::Incomplete(Flaw::CutShort)),
    );
    looks(&mut settler, &half, 2);
    let identity = Identity {
        size: 9,
        ctime_ns: 9,
        ..FILE
    };
    let now = Duration::from_secs(30);
    let sighting = Sighting {
        path: path(0),
        identity,
        by: SeenBy::Event,
        ending: Ending::Closed,
    };
    settler.see(sighting, now);
    let told = looks(
        &mut settler,
        &evidence(identity, Writer::None, Some(Verdict::Complete)),
        9,
    );
    let Some((at, Finding::Settled(file))) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!((*at, file.flaw), (now + QUICK, None));
}

#[test]
fn a_marker_wakes_its_video_only() {
    let pattern = Marker::parse("{stem}.ok").unwrap();
    let mut settler = seen(Ending::Closed);
    let without = Evidence {
        marker: Some(false),
        ..evidence(FILE, Writer::None, None)
    };
    let told = looks(&mut settler, &without, 1);
    assert_eq!(
        why(told.into_iter().next().map(|(_, f)| f)),
        Some(Waiting::Marker)
    );
    assert_eq!((settler.next_due(), settler.waiting()), (None, 0));
    let now = Duration::from_secs(9);
    settler.marked(&pattern, &BTreeSet::from([PathBuf::from("/v/1.ok")]), now);
    assert_eq!(settler.next_due(), None);
    settler.marked(&pattern, &BTreeSet::from([PathBuf::from("/v/0.ok")]), now);
    let told = looks(
        &mut settler,
        &Evidence {
            marker: Some(true),
            ..without
        },
        1,
    );
    assert!(
        matches!(told.as_slice(), [(at, Finding::Settled(_))] if *at == now),
        "{told:?}"
    );
}

#[test]
fn a_whole_file_waits_for_its_companion_and_goes_at_once_when_it_comes() {
    let look = |lacks: bool| {
        let mut found = evidence(FILE, Writer::None, Some(Verdict::Complete));
        found.lacks_companion = lacks;
        Look::Still(found)
    };
    let pattern = Marker::parse("{stem}.json").unwrap();
    for comes in [true, false] {
        let mut settler = Settler::new("test".to_owned(), TIMES);
        let sighting = Sighting {
            path: path(0),
            identity: FILE,
            by: SeenBy::Event,
            ending: Ending::Closed,
        };
        settler.see(sighting.clone(), Duration::ZERO);
        settler.tick(Duration::ZERO, 9);
        let finding = settler.answer(&path(0), look(true), Duration::ZERO);
        assert_eq!(why(finding), Some(Waiting::Companion));
        assert_eq!(
            settler.next_due(),
            Some(SETTLE),
            "it counts as waiting until then"
        );
        assert_eq!(settler.waiting(), 1);
        settler.tick(SETTLE, 9);
        assert_eq!(settler.answer(&path(0), look(true), SETTLE), None);
        assert_eq!(settler.waiting(), 0, "nothing happens but the waiting");
        assert_eq!(settler.next_due(), Some(TIMES.companion));
        let mut now = TIMES.companion;
        if comes {
            now = SETTLE * 2;
            let other = BTreeSet::from([PathBuf::from("/v/other.json")]);
            settler.marked(&pattern, &other, now);
            assert_eq!(settler.next_due(), Some(TIMES.companion));
            settler.marked(&pattern, &BTreeSet::from([PathBuf::from("/v/0.json")]), now);
        } else {
            settler.see(sighting, SETTLE * 2);
            assert_eq!(
                settler.next_due(),
                Some(SETTLE * 2),
                "a scan has it looked at"
            );
            settler.tick(SETTLE * 2, 9);
            assert_eq!(settler.answer(&path(0), look(true), SETTLE * 2), None);
        }
        assert_eq!(settler.next_due(), Some(now));
        settler.tick(now, 9);
        let finding = settler.answer(&path(0), look(!comes), now);
        assert!(matches!(finding, Some(Finding::Settled(_))), "{finding:?}");
    }
}
