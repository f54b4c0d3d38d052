//! The end: all is well again, and the daemon is given time until it has nothing left to do.

use std::time::{Duration, Instant};

use super::places;
use super::world::World;
use crate::support::Dice;

/// What there is still to do, by the table's own word: what it means, where it is counted, and what is told of
/// each.
const LEFT: [(&str, &str, &str); 6] = [
    (
        "jobs that are not over",
        "FROM jobs WHERE state IN ('queued', 'running')",
        "id, phase, path, last_error",
    ),
    ("files that settle", "FROM settling", "path"),
    // Where the platform does not say what it has, a file may wait for a proof without end, and says so. After a
    // replacement that may have arrived the platform is asked ten minutes later.
    (
        "files to be seen to",
        "FROM afterwards WHERE (due_at IS NOT NULL OR going_to IS NOT NULL AND done_at IS NULL)
         AND NOT (last_error IS 'another file''s content may be in its video' AND going_to IS NULL
                  AND EXISTS (SELECT 1 FROM jobs WHERE replaced IN ('sending', 'perhaps')
                              AND replaced_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-660 seconds')))
         AND (last_error IS NULL OR last_error NOT LIKE 'nothing proves that video%'
              AND last_error NOT LIKE 'the content of video % cannot be compared%'
              AND last_error NOT LIKE 'video % was changed on the platform after it was uploaded, and the platform reports no %')",
        "job_id, action, due_at, going_to, outcome, last_error",
    ),
    (
        "sidecars to be told",
        // Of a job without a video of its own nothing is told, nor while other content may be in it.
        "FROM metadata JOIN jobs ON jobs.id = job_id WHERE due_at IS NOT NULL AND state = 'done'
         AND (replaced IS NULL OR replaced <> 'yes' AND replaced_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-660 seconds'))
         AND NOT EXISTS (SELECT 1 FROM jobs AS later WHERE later.replaces = jobs.id)",
        "job_id, path, due_at, metadata.last_error",
    ),
    // A call that was lost on its way may act for two minutes more; nothing is held up by the look for it.
    (
        "videos to be withdrawn",
        "FROM withdrawals WHERE finished_at IS NULL
         AND (video_key IS NOT NULL OR created_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-160 seconds'))",
        "job_id, video_key, reason",
    ),
    (
        "accounts that are paused",
        "FROM paused_accounts",
        "account, reason",
    ),
];

/// Anything that moves is progress.
const PROGRESS: &str =
    "SELECT (SELECT count(*) FROM attempts WHERE outcome = 'done') + (SELECT count(*) FROM jobs)
     + (SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL)
     + (SELECT count(*) FROM afterwards WHERE done_at IS NOT NULL)
     + (SELECT count(*) FROM withdrawals WHERE finished_at IS NOT NULL)
     + (SELECT count(*) FROM metadata JOIN jobs ON jobs.id = job_id WHERE due_at IS NULL AND state = 'done')";

/// How long it may take from one progress to the next: longer than an account rests after a 429 that
/// names no time.
const PATIENCE: Duration = Duration::from_secs(150);

/// The longest that the end may take, or two minutes for each minute of the run: a daemon that makes
/// progress without end is stuck too.
const LONGEST: Duration = Duration::from_mins(5);

/// There is nothing to do for this long: what was announced by an event has begun to settle by
/// then.
const QUIET: Duration = Duration::from_secs(3);

impl World {
    /// Ends what was begun and waits; answers what is stuck.
    pub(super) fn come_to_rest(&mut self, dice: &mut Dice) -> Vec<String> {
        self.do_what_is_due(dice, true);
        self.go_on();
        self.calm();
        self.start();
        self.configure(&[]);
        self.books.note(None, "the end: all is well".to_owned());
        let minutes = u32::try_from(self.books.begun.elapsed().as_secs() / 60).unwrap();
        let last = Instant::now() + LONGEST.max(Duration::from_mins(2) * minutes);
        let (mut end, mut before, mut quiet) = (Instant::now() + PATIENCE, -1, None);
        loop {
            self.do_what_is_due(dice, true);
            let left = self.left();
            let progress = self.number_of(PROGRESS);
            if progress != before {
                (end, before, quiet) = (Instant::now() + PATIENCE, progress, None);
            }
            if left.is_empty() {
                let since = *quiet.get_or_insert_with(Instant::now);
                if since.elapsed() > QUIET {
                    return Vec::new();
                }
            } else {
                quiet = None;
            }
            if Instant::now() > end.min(last) {
                return left;
            }
            crate::everything::rest(Duration::from_millis(500));
        }
    }

    /// What is left to do.
    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = LEFT
            .iter()
            .filter_map(|(what, rows, columns)| {
                let count = format!("SELECT count(*) {rows}");
                let count = self.site.value::<i64>(&count).unwrap_or(1);
                let told = format!("SELECT json_group_array(json_array({columns})) {rows}");
                let told = || self.site.value::<String>(&told).unwrap_or_default();
                (count > 0).then(|| format!("{count} {what}: {}", told()))
            })
            .collect();
        if !left.is_empty() {
            return left;
        }
        // The daemon finds by a scan what no event told it of.
        let jobs: std::collections::HashSet<_> =
            self.site.jobs().into_iter().map(|job| job.path).collect();
        let unseen: Vec<_> = self
            .books
            .present
            .keys()
            .filter(|path| {
                places::of(&self.site, path).is_some() && path.exists() && !jobs.contains(*path)
            })
            .map(|path| path.display().to_string())
            .collect();
        if !unseen.is_empty() {
            left.push(format!("files without a job: {unseen:?}"));
        }
        left
    }
}
