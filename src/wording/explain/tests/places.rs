//! What can lie at a path, the rules that leave it alone, and each kind of answer.

use std::io;

use super::*;
use crate::config::Structure;
use crate::watch::links::Refusal;
use crate::watch::select::Rule;

/// The rule after this one; the first after none.
fn next(rule: Option<&Rule>) -> Option<Rule> {
    let folder = || "old".to_owned();
    Some(match rule {
        None => Rule::Outside,
        Some(Rule::Outside) => Rule::NotRecursive,
        Some(Rule::NotRecursive) => Rule::HiddenFolder(".old".to_owned()),
        Some(Rule::HiddenFolder(_)) => Rule::SystemFolder("@eaDir".to_owned()),
        Some(Rule::SystemFolder(_)) => Rule::ExcludedFolder {
            folder: folder(),
            pattern: "old/**".to_owned(),
        },
        Some(Rule::ExcludedFolder { .. }) => Rule::Hidden,
        Some(Rule::Hidden) => Rule::Rsync,
        Some(Rule::Rsync) => Rule::Partial(".part"),
        Some(Rule::Partial(_)) => Rule::Structure(Structure::YtDlpFormat),
        Some(Rule::Structure(structure)) => match structure {
            Structure::YtDlpFormat => Rule::Structure(Structure::Temporary),
            Structure::Temporary => Rule::Structure(Structure::Transcoder),
            Structure::Transcoder => Rule::Structure(Structure::Export),
            Structure::Export => Rule::Marker,
        },
        Some(Rule::Marker) => Rule::Companion,
        Some(Rule::Companion) => Rule::Note,
        Some(Rule::Note) => Rule::Aside {
            folder: "up".into(),
            key: "move-to",
        },
        Some(Rule::Aside { .. }) => Rule::Editor,
        Some(Rule::Editor) => Rule::Excluded("*-draft.mp4".to_owned()),
        Some(Rule::Excluded(_)) => Rule::NotIncluded,
        Some(Rule::NotIncluded) => Rule::SymbolicLink(Refusal::Disabled),
        Some(Rule::SymbolicLink(refusal)) => match refusal {
            Refusal::Disabled => Rule::SymbolicLink(Refusal::Outside),
            Refusal::Outside => Rule::SymbolicLink(Refusal::Twice),
            Refusal::Twice => Rule::SymbolicLink(Refusal::Circle),
            Refusal::Circle => Rule::SymbolicLink(Refusal::Aside("move-to")),
            Refusal::Aside(_) => Rule::SymbolicLink(Refusal::NoFolder),
            Refusal::NoFolder => Rule::NotAFile,
        },
        Some(Rule::NotAFile) => return None,
    })
}

#[test]
fn each_rule_is_told() {
    let every = std::iter::successors(next(None), |rule| next(Some(rule)));
    let told = every.map(|rule| {
        let mut facts = facts();
        facts.disk.found = None;
        let name = format!("{rule:?}");
        facts.disk.verdict = Some(Verdict::Ignored(rule));
        (name, answer(&facts))
    });
    insta::assert_snapshot!("rules", cases(told));
}

fn refused(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

fn lies(thing: Thing) -> Facts<'static> {
    let mut facts = facts();
    facts.disk.found = None;
    facts.disk.thing = thing;
    facts
}

/// What is there after this; the first after nothing was given.
fn next_thing(thing: Option<&Thing>) -> Option<Thing> {
    let denied = || refused(libc::EACCES);
    Some(match thing {
        None => Thing::Nothing,
        Some(Thing::Nothing) => Thing::File {
            identity: identity(),
            writer: Err(denied()),
        },
        Some(Thing::File { .. }) => Thing::Folder(None),
        Some(Thing::Folder(None)) => Thing::Folder(Some(denied())),
        Some(Thing::Folder(Some(_))) => Thing::Link(PathBuf::from("/mnt/b.mp4")),
        Some(Thing::Link(_)) => Thing::Other,
        Some(Thing::Other) => Thing::OutOfReach(denied()),
        Some(Thing::OutOfReach(_)) => return None,
    })
}

#[test]
fn whatever_lies_there_is_told() {
    let mut told = Vec::new();
    let mut thing = next_thing(None);
    while let Some(present) = thing.take() {
        thing = next_thing(Some(&present));
        let name = format!("{present:?}");
        told.push((name, story(&lies(present))));
    }
    insta::assert_snapshot!("things", cases(told));
}

/// A name for each kind of answer: a new kind does not compile before it has one, and the test
/// below fails until it has a case.
fn name(conclusion: &Conclusion<'_>) -> &'static str {
    match conclusion {
        Conclusion::Job(_) => "job",
        Conclusion::Settling(_, None) => "settling",
        Conclusion::Settling(_, Some(_)) => "settling, another content",
        Conclusion::Unseen(None) => "unseen",
        Conclusion::Unseen(Some(_)) => "unseen, another content",
        Conclusion::Outside => "outside",
        Conclusion::Ignored(_) => "ignored",
        Conclusion::Offline(_) => "offline",
        Conclusion::Nothing => "nothing",
        Conclusion::Folder => "folder",
        Conclusion::Unlisted(_) => "unlisted",
        Conclusion::OutOfReach(_) => "out of reach",
    }
}

const NAMES: [&str; 12] = [
    "job",
    "settling",
    "settling, another content",
    "unseen",
    "unseen, another content",
    "outside",
    "ignored",
    "offline",
    "nothing",
    "folder",
    "unlisted",
    "out of reach",
];

/// One case of each kind of answer.
fn one_of_each() -> Vec<Facts<'static>> {
    let changed = || Job {
        identity: Identity {
            mtime_ns: 1,
            ..identity()
        },
        ..job(State::Done, Step::Confirm)
    };
    let quiet = Waiting::Quiet(Missing::Ending);
    let mut settling_again = with_settling(quiet);
    settling_again.known.jobs = vec![changed()];
    let mut outside = facts();
    (outside.disk.owner, outside.disk.verdict) = (None, None);
    let mut ignored = facts();
    ignored.disk.verdict = Some(Verdict::Ignored(Rule::Hidden));
    let mut offline = lies(Thing::Nothing);
    offline.disk.away = Some(refused(libc::ENOENT));
    vec![
        with_job(job(State::Queued, Step::Create), Story::default()),
        with_settling(quiet),
        settling_again,
        facts(),
        with_job(changed(), Story::default()),
        outside,
        ignored,
        offline,
        lies(Thing::Nothing),
        lies(Thing::Folder(None)),
        lies(Thing::Folder(Some(refused(libc::EACCES)))),
        lies(Thing::OutOfReach(refused(libc::EACCES))),
    ]
}

#[test]
fn each_kind_of_answer_is_told_whether_the_daemon_runs_or_not() {
    let all = one_of_each();
    let names: Vec<_> = all
        .iter()
        .map(|facts| name(&Conclusion::of(facts)))
        .collect();
    assert_eq!(names, NAMES);
    let mut told = Vec::new();
    for daemon in [Some(true), Some(false), None] {
        for (mut facts, name) in one_of_each().into_iter().zip(NAMES) {
            facts.daemon = daemon;
            told.push((format!("{name}, daemon {daemon:?}"), answer(&facts)));
        }
    }
    insta::assert_snapshot!("answers", cases(told));
}

#[test]
fn a_folder_that_is_away_and_one_that_hangs() {
    let hangs = "its folder does not answer within 5 s; is the server of its share running?";
    let hung = || {
        lies(Thing::OutOfReach(io::Error::new(
            io::ErrorKind::TimedOut,
            hangs,
        )))
    };
    let mut known = hung();
    known.known.jobs = vec![job(State::Queued, Step::Create)];
    let mut offline = lies(Thing::Nothing);
    offline.disk.away = Some(refused(libc::ENOENT));
    let mut with_job = lies(Thing::Nothing);
    with_job.disk.away = Some(refused(libc::ENOENT));
    with_job.known.jobs = vec![job(State::Queued, Step::Transfer)];
    let told = [
        ("offline", story(&offline)),
        ("offline, with a job", story(&with_job)),
        ("hung", story(&hung())),
        ("hung, with a job", answer(&known)),
    ];
    insta::assert_snapshot!("away", cases(told));
}
