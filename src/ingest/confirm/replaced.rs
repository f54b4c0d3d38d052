//! Whether what a video shows is the new content already, where a job replaced the content of a video
//! that was there: pure.
//!
//! Such a video is `ready` all the time, with what it had before, until the platform notices the
//! new bytes; so `ready` alone proves nothing. A checksum does, where both sides know one. Where
//! the platform reports none (API v2), two things count: that it was seen at work since the bytes
//! were sent, or that the video's last change is later than it was before they were, and a while
//! has passed. The latter is the weaker one, as any change of the video moves that time.

use std::time::Duration;

use jiff::Timestamp;

use super::verdict::{Verdict, pause, told};
use crate::config::Confirm;
use crate::ingest::moments::later;
use crate::ingest::told::Told;
use crate::platform::Video;
use crate::queue::change;
use crate::queue::confirm::{Facts, Waiting};

/// The platform takes some seconds to notice new bytes, and then is seen at work: a change of the
/// video counts for the new content only after so long.
const NOTICE: Duration = Duration::from_secs(30);

/// How long after the bytes were sent the platform must show them; then they are sent once more.
const PATIENCE: Duration = Duration::from_hours(1);

/// Whether the video, which is `ready`, has the job's content for certain.
pub(super) fn shows_it(job: &Waiting, video: &Video, now: Timestamp) -> bool {
    match told(job, video) {
        Told::Checksum => return true,
        Told::Other => return false,
        Told::Size | Told::Uncompared | Told::Nothing => {}
    }
    let was_at_work = matches!(job.status.as_deref(), Some("updating" | "processing"));
    let has_changed = match (job.updated_before, video.updated) {
        (Some(before), Some(now)) => change::is_later(before, now),
        (None, _) | (_, None) => false,
    };
    was_at_work || has_changed && later(job.sent_at, NOTICE) <= now
}

/// It does not show it: what to do.
pub(super) fn not_yet(job: &Waiting, facts: Facts, limits: &Confirm, now: Timestamp) -> Verdict {
    if later(job.sent_at, PATIENCE.min(limits.give_up_after)) > now {
        let wait = pause(now.duration_since(job.sent_at), limits);
        return Verdict::Wait(facts, later(now, wait));
    }
    let message = format!(
        "the platform took the new content of video {} and does not show it: the video still has other content",
        job.video_key
    );
    Verdict::Differs(facts, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::platform::Status;
    use crate::queue::JobId;

    const LIMITS: Confirm = Confirm {
        poll_interval: Duration::from_secs(10),
        give_up_after: Duration::from_hours(24),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn job(md5: Option<&str>, status: Option<&str>) -> Waiting {
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
            way: Some(crate::way::Way::S3),
            attempts: 1,
            failing_since: None,
            video_key: "tL17msiU".to_owned(),
            run_at: at(0),
            sent_at: at(0),
            md5: md5.map(str::to_owned),
            status: status.map(str::to_owned),
            replaces: Some(3),
            updated_before: Some(100_500_000_000),
            is_verified: true,
        }
    }

    fn video(md5: Option<&str>, size: Option<u64>, updated: i64) -> Video {
        Video {
            key: "tL17msiU".parse().unwrap(),
            status: Status::Ready,
            title: None,
            ingest_id: None,
            size,
            md5: md5.map(str::to_owned),
            duration: None,
            error: None,
            date: None,
            updated: Some(updated * 1_000_000_000 + 500_000_000),
            upload_session_id: None,
        }
    }

    #[test]
    fn a_checksum_decides_whatever_else_is_told() {
        let worked = job(Some("AA"), Some("updating"));
        for now in [1, 3600] {
            assert!(shows_it(&worked, &video(Some("aa"), Some(5), 100), at(now)));
            assert!(!shows_it(
                &worked,
                &video(Some("bb"), Some(5), 900),
                at(now)
            ));
        }
    }

    #[test]
    fn without_one_ready_counts_only_after_work_or_a_change() {
        for (status, size, updated, now, expected) in [
            (None, None, 100, 9, false),
            (Some("ready"), None, 100, 9, false),
            (Some("updating"), None, 100, 9, true),
            (Some("processing"), None, 100, 9, true),
            // Of another size: the old file still.
            (Some("updating"), Some(4), 100, 9, false),
            (Some("updating"), Some(5), 100, 9, true),
            // A change alone may be of anything, and counts after a while.
            (Some("ready"), None, 101, 29, false),
            (Some("ready"), None, 101, 30, true),
            (Some("ready"), Some(4), 101, 30, false),
            (Some("ready"), None, 100, 3000, false),
        ] {
            let shows = shows_it(
                &job(Some("aa"), status),
                &video(None, size, updated),
                at(now),
            );
            assert_eq!(shows, expected, "{status:?} {size:?} {updated} {now}");
        }
        let blind = Waiting {
            updated_before: None,
            ..job(None, Some("ready"))
        };
        assert!(!shows_it(&blind, &video(None, None, 900), at(3000)));
    }

    #[test]
    fn old_content_is_waited_out_and_then_told() {
        let early = not_yet(&job(None, None), Facts::default(), &LIMITS, at(3599));
        assert!(matches!(early, Verdict::Wait(..)), "{early:?}");
        let late = not_yet(&job(None, None), Facts::default(), &LIMITS, at(3600));
        assert!(matches!(&late, Verdict::Differs(_, why) if why.contains("tL17msiU")));
        let short = Confirm {
            give_up_after: Duration::from_secs(5),
            ..LIMITS
        };
        let late = not_yet(&job(None, None), Facts::default(), &short, at(5));
        assert!(matches!(late, Verdict::Differs(..)), "{late:?}");
    }
}
