//! What a file can wait for until it has settled.

use super::super::holder::Holder;
use super::*;
use crate::watch::container::Flaw;
use crate::watch::control;
use crate::watch::writer::Reason;

/// The reason after this one; the first after none.
fn next(waiting: Option<Waiting>) -> Option<Waiting> {
    Some(match waiting {
        None => Waiting::Empty,
        Some(Waiting::Empty) => Waiting::Changing,
        Some(Waiting::Changing) => Waiting::Quiet(Missing::Ending),
        Some(Waiting::Quiet(missing)) => match missing {
            Missing::Ending => Waiting::Quiet(Missing::Blocks),
            Missing::Blocks => Waiting::Quiet(Missing::EndMark),
            Missing::EndMark => Waiting::Quiet(Missing::Container),
            Missing::Container => Waiting::Sure,
        },
        Some(Waiting::Sure) => Waiting::WriterOpen,
        Some(Waiting::WriterOpen) => Waiting::WriterUnknown,
        Some(Waiting::WriterUnknown) => Waiting::Incomplete(Flaw::CutShort),
        Some(Waiting::Incomplete(flaw)) => match flaw {
            Flaw::CutShort => Waiting::Incomplete(Flaw::NoIndex),
            Flaw::NoIndex => Waiting::Incomplete(Flaw::NoData),
            Flaw::NoData => Waiting::Incomplete(Flaw::HalfFragment),
            Flaw::HalfFragment => Waiting::Incomplete(Flaw::Hollow),
            Flaw::Hollow => Waiting::Incomplete(Flaw::Holes),
            Flaw::Holes => Waiting::Control(&control::ALL[0]),
        },
        Some(Waiting::Control(_)) => Waiting::Marker,
        Some(Waiting::Marker) => Waiting::Companion,
        Some(Waiting::Companion) => Waiting::OutOfReach,
        Some(Waiting::OutOfReach) => return None,
    })
}

fn every_reason() -> impl Iterator<Item = Waiting> {
    std::iter::successors(next(None), |waiting| next(Some(*waiting)))
}

#[test]
fn each_reason_of_the_watch_is_told() {
    let told = every_reason().map(|waiting| {
        let facts = with_settling(waiting);
        (format!("{waiting:?}"), answer(&facts))
    });
    insta::assert_snapshot!("settling", cases(told));
}

#[test]
fn whether_its_end_was_announced_follows_from_the_reason() {
    for waiting in every_reason() {
        let told = story(&with_settling(waiting));
        let ending = told
            .lines()
            .find(|line| line.contains("closed after writing, or renamed"));
        let expected = match waiting {
            Waiting::Quiet(Missing::Ending) => Some("place: not reported by the kernel"),
            Waiting::Sure | Waiting::Quiet(_) => Some("renamed into place: reported by the kernel"),
            _ => None,
        };
        match expected {
            Some(words) => assert!(ending.unwrap().ends_with(words), "{waiting:?}: {told}"),
            None => assert_eq!(ending, None, "{waiting:?}"),
        }
    }
}

#[test]
fn the_story_of_a_file_that_settles() {
    let quiet = with_settling(Waiting::Quiet(Missing::EndMark));
    let flaw = Waiting::Incomplete(Flaw::NoIndex);
    let mut incomplete = with_settling(flaw);
    incomplete.disk.found = Some(Found::Still(Box::new(Inspection {
        container: Some(container::Verdict::Incomplete(Flaw::NoIndex)),
        waits_for: flaw,
        rest: Some(std::time::Duration::from_hours(1)),
        ..inspection()
    })));
    let mut former = with_settling(Waiting::Quiet(Missing::Ending));
    former.known.jobs = vec![Job {
        identity: Identity {
            mtime_ns: 1,
            ..identity()
        },
        ..job(State::Done, Step::Confirm)
    }];
    let mut stopped = with_settling(Waiting::WriterOpen);
    stopped.daemon = Some(false);
    let told = [
        ("it settles", story(&quiet)),
        ("it is incomplete", story(&incomplete)),
        ("its former content is uploaded", story(&former)),
        ("the daemon was stopped meanwhile", story(&stopped)),
    ];
    insta::assert_snapshot!("settling_story", cases(told));
}

/// The writer after this one; the first after none.
fn next_writer(writer: Option<&Writer>) -> Option<Writer> {
    Some(match writer {
        None => Writer::None,
        Some(Writer::None) => Writer::Present,
        Some(Writer::Present) => Writer::Unknown(Reason::Remote("nfs")),
        Some(Writer::Unknown(reason)) => match reason {
            Reason::Remote(_) => Writer::Unknown(Reason::NoRight),
            Reason::NoRight => Writer::Unknown(Reason::NoLeases),
            Reason::NoLeases => Writer::Unknown(Reason::Errno(libc::EIO)),
            Reason::Errno(_) => return None,
        },
    })
}

#[test]
fn whoever_has_it_open_is_named_where_that_may_be_seen() {
    let mut told = Vec::new();
    let every = std::iter::successors(next_writer(None), |writer| next_writer(Some(writer)));
    for writer in every {
        let mut facts = facts();
        facts.disk.found = None;
        let name = format!("{writer:?}");
        facts.disk.thing = Thing::File {
            identity: identity(),
            writer: Ok(writer),
        };
        told.push((name, story(&facts)));
    }
    let with = |holders: Holders| {
        let mut facts = with_settling(Waiting::WriterOpen);
        facts.disk.found = None;
        facts.disk.thing = Thing::File {
            identity: identity(),
            writer: Ok(Writer::Present),
        };
        facts.disk.holders = holders;
        answer(&facts)
    };
    let rsync = Holder {
        pid: 4711,
        program: "rsync".to_owned(),
    };
    let named = Holders {
        known: vec![rsync],
        some_hidden: true,
    };
    let hidden = Holders {
        known: Vec::new(),
        some_hidden: true,
    };
    told.push(("a program that may be seen".to_owned(), with(named)));
    told.push(("one of another user".to_owned(), with(hidden)));
    told.push(("one in a container".to_owned(), with(Holders::default())));
    insta::assert_snapshot!("writers", cases(told));
}

#[test]
fn what_one_look_finds_is_told_where_no_daemon_has_seen_it() {
    let still = |waits_for, rest: Option<u64>| {
        let mut facts = facts();
        facts.daemon = Some(false);
        let found = Inspection {
            waits_for,
            rest: rest.map(std::time::Duration::from_secs),
            ..inspection()
        };
        facts.disk.found = Some(Found::Still(Box::new(found)));
        facts
    };
    let mut told = vec![(
        "nothing but rest".to_owned(),
        answer(&still(Waiting::Quiet(Missing::Ending), Some(10))),
    )];
    let incomplete = Waiting::Incomplete(Flaw::NoIndex);
    told.push((
        "incomplete".to_owned(),
        answer(&still(incomplete, Some(3600))),
    ));
    told.push((
        "no marker".to_owned(),
        answer(&still(Waiting::Marker, None)),
    ));
    let mut transferred = still(Waiting::Control(&control::ALL[0]), None);
    if let Some(Found::Still(found)) = &mut transferred.disk.found {
        found.control = Some(PathBuf::from("/srv/video/news/a.mp4.aria2"));
    }
    told.push(("still transferred".to_owned(), story(&transferred)));
    let mut facts = facts();
    facts.disk.found = Some(Found::Moving);
    told.push(("it changes right now".to_owned(), story(&facts)));
    let verdicts = [
        container::Verdict::Complete,
        container::Verdict::Unended,
        container::Verdict::Incomplete(Flaw::Hollow),
        container::Verdict::Unknown,
    ];
    for verdict in verdicts {
        let mut facts = still(Waiting::Quiet(Missing::Ending), Some(10));
        facts.disk.found = Some(Found::Still(Box::new(Inspection {
            container: Some(verdict),
            allocated: 1_000_000_000,
            marker: Some((PathBuf::from("/srv/video/news/a.mp4.done"), false)),
            ..inspection()
        })));
        let all = story(&facts);
        let evidence: Vec<_> = all
            .lines()
            .filter(|line| line.contains(" evidence "))
            .collect();
        told.push((format!("{verdict:?}"), evidence.join("\n")));
    }
    insta::assert_snapshot!("one_look", cases(told));
}
