//! Every place where a job can stand, and all that can be told of one.

use super::*;
use crate::disposition::Need;
use crate::queue::accounts::{Cause, Paused};
use crate::queue::query::{Attempt, Progress};
use crate::queue::story::Place;

/// The steps that a job of this state can be at.
fn steps(state: State) -> &'static [Step] {
    match state {
        State::Queued | State::Failed | State::Cancelled => {
            &[Step::Create, Step::Transfer, Step::Confirm]
        }
        State::Running => &[Step::Create, Step::Transfer],
        State::Done => &[Step::Confirm],
        State::Duplicate => &[Step::Create],
    }
}

fn paused() -> Paused {
    Paused {
        account: "main".to_owned(),
        reason: "the key was refused".to_owned(),
        cause: Cause::Refused(Need::Credentials),
        since: ago(500),
        probe_at: ago(-60),
        probes: 1,
        trying: false,
    }
}

#[test]
fn each_state_and_step_is_told_under_each_circumstance() {
    let mut told = Vec::new();
    for state in State::ALL {
        for step in steps(state) {
            let make = || with_job(job(state, *step), Story::default());
            let mut is_paused = make();
            is_paused.known.paused = vec![paused()];
            let mut later = make();
            later.known.jobs[0].run_at = ago(-330);
            let mut down = make();
            down.daemon = Some(false);
            for (around, facts) in [
                ("due", make()),
                ("paused", is_paused),
                ("later", later),
                ("daemon down", down),
            ] {
                let name = format!("{} {} {around}", state.word(), step.word());
                told.push((name, answer(&facts)));
            }
        }
    }
    insta::assert_snapshot!("states", cases(told));
}

fn changed(base: Job, change: impl FnOnce(&mut Job)) -> Job {
    let mut job = base;
    change(&mut job);
    job
}

fn failed(message: &str) -> Job {
    advised(message, Advice::FixCause)
}

fn advised(message: &str, advice: Advice) -> Job {
    changed(job(State::Failed, Step::Create), |job| {
        job.last_error = Some(message.to_owned());
        job.advice = Some(advice);
    })
}

/// Job 12 in a queue, behind so many others.
fn behind(ahead: i64) -> Facts<'static> {
    let place = Place {
        ahead,
        bytes_ahead: 6_000_000_000,
        running: 2,
        pace: Some(10_000_000),
    };
    let story_of = Story {
        place: Some(place),
        ..Story::default()
    };
    with_job(job(State::Queued, Step::Create), story_of)
}

#[test]
fn what_holds_one_job_is_told() {
    let queued = || job(State::Queued, Step::Create);
    let mut gone = with_job(queued(), Story::default());
    gone.disk.thing = Thing::Nothing;
    let incomplete = "not uploaded: it has no index (moov), which many programs write last, and it stayed unchanged \
                      for 1h (incomplete-after); if it is whole anyway: jw-ingest retry 12";
    let in_vain = changed(queued(), |job| {
        (job.attempts, job.run_at) = (3, ago(-330));
        job.last_error = Some("no answer".to_owned());
    });
    let ends = [
        (
            "superseded",
            changed(job(State::Cancelled, Step::Transfer), |job| {
                job.superseded = true;
            }),
        ),
        (
            "waits for another",
            changed(queued(), |job| job.waits_for = Some(7)),
        ),
        ("incomplete", advised(incomplete, Advice::InWords)),
        (
            "larger than the limit",
            advised(
                "its 30 GB are more than size-limit (25 GB)",
                Advice::SizeLimit,
            ),
        ),
        (
            "held",
            changed(
                failed("other content took the place of job 3 (on-replace)"),
                |job| job.held = true,
            ),
        ),
        ("tried without success", in_vain),
        (
            "done without a key",
            changed(job(State::Done, Step::Confirm), |job| {
                job.video_key = None;
                job.last_error = Some("sent by FTP, and no video appeared".to_owned());
            }),
        ),
    ];
    let mut told: Vec<_> = ends
        .map(|(name, job)| (name, answer(&with_job(job, Story::default()))))
        .into();
    told.push(("gone", answer(&gone)));
    let superseded = changed(job(State::Cancelled, Step::Transfer), |job| {
        job.superseded = true;
    });
    let mut superseded = with_job(superseded, Story::default());
    superseded.disk.thing = Thing::Nothing;
    told.push(("superseded, and gone", answer(&superseded)));
    told.push(("one before it", answer(&behind(1))));
    told.push(("many before it", answer(&behind(17))));
    insta::assert_snapshot!("holds", cases(told));
}

fn attempt(number: i64, outcome: Option<&str>) -> Attempt {
    Attempt {
        step: "transfer".to_owned(),
        method: Some("s3".to_owned()),
        started_at: ago(3000 - number * 100),
        ended_at: outcome.map(|_| ago(2988 - number * 100)),
        bytes_sent: number * 1_000_000,
        outcome: outcome.map(str::to_owned),
        message: outcome.map(|_| format!("the connection broke, try {number}")),
        request_id: None,
    }
}

#[test]
fn the_story_of_a_job_that_waits_for_its_turn() {
    let waits = changed(job(State::Queued, Step::Transfer), |job| {
        job.priority = 5;
        job.by_hand = true;
        job.attempts = 13;
        job.failing_since = Some(ago(2900));
        job.last_error = Some("the connection broke, try 13".to_owned());
    });
    let story_of = Story {
        attempts: (4..14)
            .map(|number| attempt(number, Some("transient")))
            .collect(),
        earlier_attempts: 3,
        place: Some(Place {
            ahead: 4,
            bytes_ahead: 6_000_000_000,
            running: 2,
            pace: Some(10_000_000),
        }),
        ..Story::default()
    };
    let mut paused_too = with_job(waits.clone(), story_of.clone());
    paused_too.known.paused = vec![paused()];
    let later = changed(waits.clone(), |job| job.run_at = ago(-330));
    let told = [
        ("its turn", story(&with_job(waits, story_of))),
        ("paused", story(&paused_too)),
        ("later", story(&with_job(later, Story::default()))),
    ];
    insta::assert_snapshot!("queued_story", cases(told));
}

#[test]
fn the_story_of_a_job_that_runs_or_waits_for_the_platform() {
    let running = job(State::Running, Step::Transfer);
    let story_of = Story {
        attempts: vec![attempt(1, None)],
        ..Story::default()
    };
    let mut runs = with_job(running, story_of);
    let progress = Progress {
        bytes_sent: 540_000_000,
        bytes_per_second: 11_000_000,
        updated_at: ago(1),
    };
    runs.known.progress.insert(JobId(12), progress);
    let mut stale = with_job(job(State::Running, Step::Transfer), Story::default());
    let progress = Progress {
        updated_at: ago(60),
        ..progress
    };
    stale.known.progress.insert(JobId(12), progress);
    let confirms = changed(job(State::Queued, Step::Confirm), |job| {
        job.run_at = ago(-30);
        job.md5 = Some("0123456789abcdef0123456789abcdef".to_owned());
        job.platform_size = Some(SIZE - 1);
    });
    let told = [
        ("it runs", story(&runs)),
        ("no news of it", answer(&stale)),
        (
            "it waits for ready",
            story(&with_job(confirms, Story::default())),
        ),
    ];
    insta::assert_snapshot!("running_story", cases(told));
}

#[test]
fn the_jobs_that_it_has_to_do_with_are_told() {
    let copy = Story {
        original: Some(other(5, "first.mp4", Standing::Done)),
        ..Story::default()
    };
    let waits = Story {
        waits_for: Some(other(7, "under-way.mp4", Standing::Uploading)),
        ..Story::default()
    };
    let waiting = changed(job(State::Queued, Step::Create), |job| {
        job.waits_for = Some(7);
    });
    let original = Story {
        copies: vec![
            other(20, "copy.mp4", Standing::Duplicate),
            other(21, "copy2.mp4", Standing::Duplicate),
        ],
        more_copies: 3,
        replaced_by: vec![other(30, "a.mp4", Standing::Confirming)],
        ..Story::default()
    };
    let replaces = Story {
        replaces: Some(other(3, "a.mp4", Standing::Done)),
        ..Story::default()
    };
    let replacing = changed(job(State::Running, Step::Transfer), |job| {
        job.replaces = Some(3);
    });
    let held = changed(job(State::Failed, Step::Create), |job| {
        job.held = true;
        job.last_error = Some("other content took the place of job 3 (on-replace)".to_owned());
    });
    let done = changed(job(State::Done, Step::Confirm), |job| {
        job.platform = Some(Status::Ready);
        job.duration = Some(12.5);
        job.platform_size = Some(SIZE);
    });
    let deleted = changed(job(State::Duplicate, Step::Create), |job| {
        job.identity.ino = -job.id.0;
    });
    let told = [
        (
            "a copy",
            story(&with_job(job(State::Duplicate, Step::Create), copy.clone())),
        ),
        (
            "a copy whose file was deleted",
            story(&with_job(deleted, copy)),
        ),
        ("it waits for another", story(&with_job(waiting, waits))),
        (
            "it has copies, and is replaced",
            story(&with_job(done, original)),
        ),
        ("it replaces another", story(&with_job(replacing, replaces))),
        ("held", story(&with_job(held, Story::default()))),
    ];
    insta::assert_snapshot!("neighbours", cases(told));
}
