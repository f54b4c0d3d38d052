//! Every reason that can hold a file, and what is said of it.
//!
//! The facts are made up here, so that nothing depends on the machine; what the machine gives is
//! tested from outside, by the command itself. Closed sets are gone through by a `match` without a
//! wildcard: a new reason does not compile before it is here, and is in no snapshot before a person
//! has read its sentence.

mod after;
mod jobs;
mod places;
mod settling;
mod waiting;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::conclusion::Conclusion;
use super::disk::{Disk, Thing};
use super::facts::{Facts, Known};
use super::holder::Holders;
use super::report;
use crate::config::{self, Outline};
use crate::identity::Identity;
use crate::queue::settling::Settling;
use crate::queue::story::{Other, Story};
use crate::queue::{Advice, Job, JobId, Standing, State, Step};
use crate::status::Status;
use crate::watch::container;
use crate::watch::inspection::{Found, Inspection};
use crate::watch::means::Means;
use crate::watch::select::Verdict;
use crate::watch::writer::Writer;
use crate::watch::{Missing, Waiting};
use crate::way::Way;
use crate::wording::time::Present;

const SIZE: i64 = 1_200_000_000;

fn path() -> PathBuf {
    PathBuf::from("/srv/video/news/a.mp4")
}

fn now() -> Timestamp {
    "2026-08-22T12:00:00Z".parse().unwrap()
}

/// How many seconds ago; in so many, if negative.
fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn present() -> Present {
    Present {
        now: now(),
        zone: TimeZone::UTC,
    }
}

/// A configuration with one watch, whose folder need not be there.
fn outline() -> &'static Outline {
    static OUTLINE: OnceLock<Outline> = OnceLock::new();
    OUTLINE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("daemon.toml");
        let text = "[account.main]\nkey = \"abcd1234\"\nsecret-file = \"/etc/secret\"\n\
                    [[watch]]\nname = \"news\"\npath = \"/srv/video/news\"\n";
        std::fs::write(&file, text).unwrap();
        config::load_outline(&file).unwrap()
    })
}

fn identity() -> Identity {
    Identity {
        dev: 1,
        ino: 7,
        size: SIZE,
        mtime_ns: i64::try_from(ago(7200).as_nanosecond()).unwrap(),
        ctime_ns: i64::try_from(ago(3660).as_nanosecond()).unwrap(),
    }
}

fn inspection() -> Inspection {
    Inspection {
        identity: identity(),
        allocated: identity().bytes(),
        container: Some(container::Verdict::Complete),
        control: None,
        marker: None,
        waits_for: Waiting::Quiet(Missing::Ending),
        rest: Some(std::time::Duration::from_secs(10)),
    }
}

/// A complete file that no program writes, in a watch whose daemon runs; nothing is in the table.
fn facts() -> Facts<'static> {
    Facts {
        disk: Disk {
            path: path(),
            thing: Thing::File {
                identity: identity(),
                writer: Ok(Writer::None),
            },
            owner: Some(0),
            verdict: Some(Verdict::Taken),
            included_by: Some("*.mp4".to_owned()),
            found: Some(Found::Still(Box::new(inspection()))),
            holders: Holders::default(),
            means: Some(Means::Events),
            away: None,
            silent: Vec::new(),
        },
        outline: outline(),
        daemon: Some(true),
        known: Known {
            database: true,
            ..Known::default()
        },
        local: DateTime::constant(2026, 8, 22, 12, 0, 0, 0),
    }
}

/// The same file with a job.
fn with_job(job: Job, story: Story) -> Facts<'static> {
    let mut facts = facts();
    facts.known.stories = HashMap::from([(job.id, story)]);
    facts.known.jobs = vec![job];
    facts
}

/// The same file, which settles.
fn with_settling(waiting: Waiting) -> Facts<'static> {
    let mut facts = facts();
    facts.known.settling = Some(Settling {
        watch: "news".to_owned(),
        size: SIZE,
        since: ago(185),
        seen_by: "event".to_owned(),
        waiting_for: waiting.to_string(),
    });
    facts
}

/// Job 12, of this file.
fn job(state: State, step: Step) -> Job {
    let is_over = !matches!(state, State::Queued | State::Running);
    let has_key = step != Step::Create;
    Job {
        id: JobId(12),
        watch: "news".to_owned(),
        account: "main".to_owned(),
        path: path(),
        identity: identity(),
        state,
        step,
        way: has_key.then_some(Way::S3),
        method_why: has_key.then(|| "it is the best that fits its size".to_owned()),
        video_key: has_key.then(|| "AbCd1234".to_owned()),
        attempts: 0,
        last_error: (state == State::Failed).then(|| "the file is broken".to_owned()),
        advice: (state == State::Failed).then_some(Advice::FixCause),
        run_at: ago(1),
        created_at: ago(3600),
        finished_at: is_over.then(|| ago(600)),
        ingest_id: "0198d5a0-0000-7000-8000-000000000000".to_owned(),
        superseded: false,
        failing_since: None,
        create_sent_at: has_key.then(|| ago(3500)),
        sent_at: (step == Step::Confirm).then(|| ago(900)),
        md5: None,
        platform: (step == Step::Confirm).then_some(Status::Processing),
        duration: None,
        platform_size: None,
        duplicate_of: (state == State::Duplicate).then_some(5),
        priority: 0,
        fingerprint: None,
        parts_md5: None,
        waits_for: None,
        by_hand: false,
        held: false,
        replaced: None,
        replaces: None,
    }
}

fn other(id: i64, name: &str, standing: Standing) -> Other {
    Other {
        id: JobId(id),
        path: Path::new("/srv/video/news").join(name),
        standing,
        video_key: standing.is_done().then(|| "WxYz5678".to_owned()),
        created_at: ago(9000 - id),
        finished_at: (!standing.is_waiting()).then(|| ago(4000 - id)),
    }
}

/// The answer alone.
fn answer(facts: &Facts<'_>) -> String {
    report::lines(facts, &Conclusion::of(facts), &present()).remove(0)
}

/// All that is shown.
fn story(facts: &Facts<'_>) -> String {
    let lines = report::lines(facts, &Conclusion::of(facts), &present());
    // What the lines have, the JSON has too.
    let object = report::object(facts, &Conclusion::of(facts), &present());
    assert_eq!(object["answer"], lines[0].as_str());
    assert_eq!(object["story"].as_array().unwrap().len(), lines.len() - 3);
    lines.join("\n")
}

/// Several cases as one text.
fn cases<S: Into<String>>(cases: impl IntoIterator<Item = (S, String)>) -> String {
    let blocks = cases
        .into_iter()
        .map(|(name, told)| format!("## {}\n{told}\n", name.into()));
    blocks.collect::<Vec<_>>().join("\n")
}
