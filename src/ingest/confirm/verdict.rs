//! What follows from how the platform sees a video: pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock;
use crate::config::Confirm;
use crate::ingest::fate::later;
use crate::platform::{Status, Video};
use crate::queue::confirm::{Facts, Waiting};

/// The pause between two looks never grows beyond this, so that `ready` is not noticed much later
/// than it is true.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// What is to be done about a job that was asked for.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is done.
    Ready(Facts),
    /// It has failed, for this reason.
    Failed(Facts, String),
    /// The platform holds something else than was sent.
    Differs(Facts, String),
    /// Nothing to say yet: look again at this moment.
    Wait(Facts, Timestamp),
}

/// Judges a job by the platform's view of its video; `None`: it knows no such video.
pub(super) fn judge(
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
        return Verdict::Failed(facts, message);
    };
    let facts = Facts {
        status: video.status.word().to_owned(),
        duration: video.duration,
        size: video.size.and_then(|size| i64::try_from(size).ok()),
    };
    match video.status {
        Status::Failed => {
            let said = video.error.as_deref().unwrap_or("it does not say why");
            let message = format!("the platform could not process the video: {said}");
            Verdict::Failed(facts, message)
        }
        Status::Ready => match mismatch(job, video) {
            Some(message) => Verdict::Differs(facts, message),
            None => Verdict::Ready(facts),
        },
        Status::Created | Status::Processing | Status::Updating | Status::Other(_) => {
            unfinished(job, facts, limits, now)
        }
    }
}

fn unfinished(job: &Waiting, facts: Facts, limits: &Confirm, now: Timestamp) -> Verdict {
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
    Verdict::Failed(facts, message)
}

/// Half the time that has passed: soon at first, rarely after an hour.
fn pause(waited: SignedDuration, limits: &Confirm) -> Duration {
    let half = Duration::try_from(waited).unwrap_or_default() / 2;
    half.min(LONGEST_PAUSE).max(limits.poll_interval)
}

/// In which way the platform's file is not the one that was sent.
fn mismatch(job: &Waiting, video: &Video) -> Option<String> {
    let differ = match (&job.md5, &video.md5) {
        (Some(ours), Some(theirs)) => !ours.eq_ignore_ascii_case(theirs),
        // Without both checksums the size is all there is to compare.
        (None, _) | (_, None) => video
            .size
            .is_some_and(|size| i64::try_from(size).ok() != Some(job.size)),
    };
    differ.then(|| {
        format!(
            "video {} on the platform is not the file that was sent (MD5 or size differ)",
            job.video_key
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
            path: "/a.mp4".into(),
            video_key: "tL17msiU".to_owned(),
            run_at: at(0),
            sent_at: at(0),
            md5: Some("aa".to_owned()),
            size: 5,
            status: None,
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
        let judged = |video: &Video| judge(&job(), Some(video), &LIMITS, at(60));
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
            let early = judge(&job(), Some(&seen), &LIMITS, at(60));
            assert!(
                matches!(early, Verdict::Wait(_, next) if next == at(90)),
                "{early:?}"
            );
            let late = judge(&job(), Some(&seen), &LIMITS, at(86_400));
            assert!(
                matches!(&late, Verdict::Failed(_, why) if why.contains("retry 7")),
                "{late:?}"
            );
        }
    }

    #[test]
    fn a_video_that_is_not_there_has_failed() {
        let verdict = judge(&job(), None, &LIMITS, at(60));
        assert!(matches!(&verdict, Verdict::Failed(facts, _) if facts.status == "deleted"));
    }
}
