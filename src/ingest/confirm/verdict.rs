//! What follows from how the platform sees a video: pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::replaced;
use crate::address;
use crate::clock;
use crate::config::Confirm;
use crate::ingest::moments::later;
use crate::ingest::told::{self, Told};
use crate::platform::{Status, Video};
use crate::queue::Advice;
use crate::queue::confirm::{Facts, Waiting};
use crate::queue::outcome::Report;
use crate::way::Way;

/// The pause between two looks never grows beyond this, so that `ready` is not noticed much later
/// than it is true.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// What to do about a job that was asked for.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is done.
    Ready(Facts),
    /// It has failed, for this reason.
    Failed(Facts, Report),
    /// The platform could not fetch it or use what it fetched, for this reason.
    NotFetched(Facts, String),
    /// The platform has no room for what it should fetch; its words.
    NoRoom(String),
    /// It is ready; whether it was fetched whole, the file must tell.
    Unproven(Facts),
    /// The platform holds something else than was sent.
    Differs(Facts, String),
    /// Nothing to say yet: look again at this moment.
    Wait(Facts, Timestamp),
}

/// Judges a job by the platform's view of its video; `None`: it knows no such video.
pub(super) fn judge_video(
    job: &Waiting,
    video: Option<&Video>,
    limits: &Confirm,
    now: Timestamp,
) -> Verdict {
    let Some(video) = video else {
        let key = &job.video_key;
        let message = format!("video {key} was deleted on the platform before it was ready");
        let facts = Facts {
            // Our word: a retry must see that there is nothing left to wait for.
            status: "deleted".to_owned(),
            ..Facts::default()
        };
        return Verdict::Failed(facts, Report::said(message));
    };
    let facts = Facts {
        status: video.status.word().to_owned(),
        duration: video.duration,
        size: video.size.and_then(|size| i64::try_from(size).ok()),
        is_same: told(job, video) == Told::Checksum,
        updated: video.updated,
        doubt: None,
    };
    match video.status {
        Status::Failed => {
            let said = video.error.as_deref().unwrap_or("it does not say why");
            // It may repeat the address that it was given, with a signature in it.
            let said = address::hosts_only(said);
            if job.way != Some(Way::Fetch) {
                let message = format!("the platform could not process the video: {said}");
                Verdict::Failed(facts, Report::said(message))
            } else if video.found_no_room() {
                Verdict::NoRoom(format!("the platform could not fetch the file: {said}"))
            } else {
                let message = format!("the platform could not fetch or process the file: {said}");
                Verdict::NotFetched(facts, message)
            }
        }
        Status::Ready if job.replaces.is_some() && !replaced::shows_it(job, video, now) => {
            replaced::not_yet(job, facts, limits, now)
        }
        Status::Ready => match mismatch(job, video) {
            Some(message) => Verdict::Differs(facts, message),
            // A file of ours that came from a web server, and no checksum to compare with.
            None if job.way == Some(Way::Fetch) && job.md5.is_some() && video.md5.is_none() => {
                Verdict::Unproven(facts)
            }
            None => Verdict::Ready(facts),
        },
        Status::Created | Status::Processing | Status::Updating | Status::Other(_) => {
            judge_unfinished(job, facts, limits, now)
        }
    }
}

fn judge_unfinished(job: &Waiting, facts: Facts, limits: &Confirm, now: Timestamp) -> Verdict {
    if later(job.sent_at, limits.give_up_after) > now {
        let wait = pause(now.duration_since(job.sent_at), limits);
        return Verdict::Wait(facts, later(now, wait));
    }
    let message = format!(
        "the platform has not said ready since {} (it says {}): look at video {} there, then `jw-ingest retry {}`",
        clock::text(job.sent_at),
        facts.status,
        job.video_key,
        job.id
    );
    Verdict::Failed(facts, Report::said(message).advising(Advice::InWords))
}

/// Half the time that has passed: soon at first, rarely after an hour.
pub(super) fn pause(waited: SignedDuration, limits: &Confirm) -> Duration {
    let half = Duration::try_from(waited).unwrap_or_default() / 2;
    half.min(LONGEST_PAUSE).max(limits.poll_interval)
}

/// What the platform reports of the bytes that the job sent, or had fetched.
pub(super) fn told(job: &Waiting, video: &Video) -> Told {
    // Where the file held an address, nothing is known of what lay there.
    let is_known = job.way != Some(Way::Fetch) || job.md5.is_some();
    let size = is_known.then_some(job.identity.size);
    told::compare((job.md5.as_deref(), size), video)
}

/// In which way the platform's file is not the one that was sent.
fn mismatch(job: &Waiting, video: &Video) -> Option<String> {
    (told(job, video) == Told::Other).then(|| {
        format!(
            "video {} on the platform is not the file that was {} (MD5 or size differ)",
            job.video_key,
            if job.way == Some(Way::Fetch) {
                "to be fetched"
            } else {
                "sent"
            }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::queue::JobId;

    const LIMITS: Confirm = Confirm {
        poll_interval: Duration::from_secs(10),
        give_up_after: Duration::from_hours(24),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn job() -> Waiting {
        Waiting {
            id: JobId(7),
            watch: "news".to_owned(),
            account: "main".to_owned(),
            path: "/a.mp4".into(),
            identity: Identity {
                dev: 1,
                ino: 2,
                size: 5,
                mtime_ns: 3,
                ctime_ns: 4,
            },
            way: Some(Way::S3),
            attempts: 1,
            failing_since: None,
            video_key: "tL17msiU".to_owned(),
            run_at: at(0),
            sent_at: at(0),
            md5: Some("aa".to_owned()),
            status: None,
            replaces: None,
            updated_before: None,
            is_verified: true,
        }
    }

    fn video(status: Status, md5: Option<&str>, size: u64) -> Video {
        Video {
            key: "tL17msiU".parse().unwrap(),
            status,
            title: None,
            ingest_id: None,
            size: Some(size),
            md5: md5.map(str::to_owned),
            duration: Some(4.0),
            error: None,
            date: None,
            updated: None,
            upload_session_id: None,
        }
    }

    #[test]
    fn looks_become_rare_but_never_too_rare() {
        for (waited, expected) in [
            (-5, 10),
            (0, 10),
            (19, 10),
            (60, 30),
            (1200, 600),
            (80_000, 600),
        ] {
            let pause = pause(SignedDuration::from_secs(waited), &LIMITS);
            assert_eq!(pause, Duration::from_secs(expected), "{waited}");
        }
    }

    #[test]
    fn ready_counts_only_for_the_file_that_was_sent() {
        let judged = |video: &Video| judge_video(&job(), Some(video), &LIMITS, at(60));
        assert!(matches!(
            judged(&video(Status::Ready, Some("AA"), 9)),
            Verdict::Ready(_)
        ));
        assert!(matches!(
            judged(&video(Status::Ready, None, 5)),
            Verdict::Ready(_)
        ));
        assert!(matches!(
            judged(&video(Status::Ready, Some("bb"), 5)),
            Verdict::Differs(..)
        ));
        assert!(matches!(
            judged(&video(Status::Ready, None, 4)),
            Verdict::Differs(..)
        ));
    }

    #[test]
    fn what_is_not_finished_waits_until_its_time_is_over() {
        let other = Status::Other("thinking".to_owned());
        for status in [Status::Created, Status::Processing, Status::Updating, other] {
            let seen = video(status, None, 5);
            let early = judge_video(&job(), Some(&seen), &LIMITS, at(60));
            assert!(
                matches!(early, Verdict::Wait(_, next) if next == at(90)),
                "{early:?}"
            );
            let late = judge_video(&job(), Some(&seen), &LIMITS, at(86_400));
            assert!(
                matches!(&late, Verdict::Failed(_, report) if report.advice == Advice::InWords
                    && report.message.as_ref().is_some_and(|why| why.contains("retry 7"))),
                "{late:?}"
            );
        }
    }

    #[test]
    fn a_video_that_is_not_there_has_failed() {
        let verdict = judge_video(&job(), None, &LIMITS, at(60));
        assert!(matches!(&verdict, Verdict::Failed(facts, _) if facts.status == "deleted"));
    }

    fn fetched(md5: Option<&str>) -> Waiting {
        Waiting {
            way: Some(Way::Fetch),
            md5: md5.map(str::to_owned),
            ..job()
        }
    }

    #[test]
    fn what_was_fetched_counts_if_it_is_the_file_where_there_is_one() {
        let judged = |ours, theirs, size| {
            let seen = video(Status::Ready, theirs, size);
            judge_video(&fetched(ours), Some(&seen), &LIMITS, at(60))
        };
        // The file held an address: its own size and sum say nothing.
        assert!(matches!(judged(None, Some("bb"), 9), Verdict::Ready(_)));
        assert!(matches!(judged(None, None, 9), Verdict::Ready(_)));
        assert!(matches!(
            judged(Some("aa"), Some("AA"), 5),
            Verdict::Ready(_)
        ));
        assert!(matches!(
            judged(Some("aa"), Some("bb"), 5),
            Verdict::Differs(..)
        ));
        assert!(matches!(judged(Some("aa"), None, 9), Verdict::Differs(..)));
        assert!(matches!(judged(Some("aa"), None, 5), Verdict::Unproven(_)));
    }

    #[test]
    fn a_fetch_that_failed_is_told_apart_from_an_upload_and_from_a_plan_without_room() {
        let judged = |job: &Waiting, said: &str| {
            let seen = Video {
                error: Some(said.to_owned()),
                ..video(Status::Failed, None, 5)
            };
            judge_video(job, Some(&seen), &LIMITS, at(60))
        };
        let said = "no answer from https://m.example/a.mp4?Signature=SECRET today";
        match judged(&fetched(None), said) {
            Verdict::NotFetched(_, message) => assert_eq!(
                message,
                "the platform could not fetch or process the file: no answer from https://m.example/… today"
            ),
            other => panic!("{other:?}"),
        }
        assert!(matches!(judged(&job(), said), Verdict::Failed(..)));
        let full = "Content storage limit exceeded";
        assert!(matches!(judged(&fetched(None), full), Verdict::NoRoom(_)));
        assert!(matches!(judged(&job(), full), Verdict::Failed(..)));
    }
}
