//! What happens on the platforms: faults, outages, and people who delete videos there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::books::Deleted;
use super::places;
use super::world::{Later, World};
use crate::support::Dice;

/// What a video says that the platform could not process.
pub(super) const UNPLAYABLE: &str = "no decoder for this file";

const CALLS: [&[&str]; 2] = [
    &["create", "create", "show", "list", "update", "delete"],
    &[
        "v2-create",
        "v2-create",
        "v2-get",
        "v2-get",
        "v2-originals",
        "v2-list",
        "v2-update",
        "v2-delete",
        "v2-reupload",
        "v2-parts",
        "v2-complete",
    ],
];
const UPLOADS: [&[&str]; 2] = [
    &["s3-put", "s3-put", "form-upload", "resumable"],
    &["s3-put", "s3-put", "part-put", "v2-complete"],
];

/// How many requests a fault meets, at most.
const TIMES: u64 = 3;

/// How long is between two answers after which an account rests for a minute.
const RESTED: Duration = Duration::from_mins(3);

impl World {
    /// Orders a fault for a coming request or some.
    pub(super) fn fault(&mut self, dice: &mut Dice) {
        let account = usize::try_from(dice.below(2)).unwrap();
        let is_call = dice.below(2) == 0;
        let list = if is_call {
            CALLS[account]
        } else {
            UPLOADS[account]
        };
        let on = list[usize::try_from(dice.below(u64::try_from(list.len()).unwrap())).unwrap()];
        let status = [500, 502, 503][usize::try_from(dice.below(3)).unwrap()];
        let bytes = dice.below(30_000);
        let fault = match dice.below(15) {
            0 | 1 => json!({"kind": "status", "status": status}),
            2 | 3 => json!({"kind": "answer-lost"}),
            4 => json!({"kind": "reset", "after_bytes": if is_call { 0 } else { bytes }}),
            5 if is_call => json!({"kind": "reset"}),
            5 => json!({"kind": "stall", "after_bytes": bytes}),
            6..=8 => {
                let wait = (1 + dice.below(3)).to_string();
                json!({"kind": "status", "status": 429, "headers": {"Retry-After": wait}})
            }
            9 => json!({"kind": "delay", "milliseconds": 200 + dice.below(1_500)}),
            10 if is_call => json!({"kind": "wrong-answer", "how": "truncated-json"}),
            10 => json!({"kind": "early-answer", "status": status, "abrupt": true}),
            11 => json!({"kind": "hold-after-acting"}),
            12 => json!({"kind": "hold-before-acting"}),
            _ if is_call => json!({"kind": "answer-lost"}),
            _ => json!({"kind": "fail-processing", "message": UNPLAYABLE}),
        };
        let times = u32::try_from(1 + dice.below(TIMES)).unwrap();
        self.books.note(
            None,
            format!("platform {account}, {on}, {times} times: {fault}"),
        );
        self.platforms[account].faults(on, Some(times), &fault);
        self.after(500 + dice.below(2_000), Later::Release);
        self.count("fault");
    }

    /// Too many requests, and no word of how long: the account rests for a minute.
    pub(super) fn too_many(&mut self, dice: &mut Dice) {
        let account = usize::try_from(dice.below(2)).unwrap();
        let list = CALLS[account];
        let on = list[usize::try_from(dice.below(u64::try_from(list.len()).unwrap())).unwrap()];
        // Seldom: else it would do nothing but rest. In a short run early: it ends in time.
        let is_late = self.is_short && self.books.begun.elapsed() > Duration::from_secs(25);
        if is_late || self.rested.is_some_and(|at| at.elapsed() < RESTED) {
            return;
        }
        self.rested = Some(Instant::now());
        let what = format!("platform {account}: 429 without a word for {on}");
        self.books.note(None, what);
        self.platforms[account].fault(on, json!({"kind": "status", "status": 429}));
        self.count("429 without Retry-After");
    }

    /// Nothing of a platform can be reached for some seconds.
    pub(super) fn outage(&mut self, dice: &mut Dice) {
        if self.outage || self.daemon.is_none() {
            return;
        }
        self.outage = true;
        let account = usize::try_from(dice.below(2)).unwrap();
        self.books.note(None, format!("platform {account}: outage"));
        self.platforms[account].faults("any", None, &json!({"kind": "reset"}));
        self.after(1_000 + dice.below(4_000), Later::Calm);
        self.count("outage");
    }

    pub(super) fn calm(&mut self) {
        self.outage = false;
        for platform in &self.platforms {
            platform.clear_faults();
        }
        self.be_as_usual();
        self.books.note(None, "the platforms are well".to_owned());
    }

    /// What is no fault of one day, but how the platform is.
    pub(super) fn be_as_usual(&self) {
        if !self.manners.tells_originals {
            let fault = json!({"kind": "status", "status": 404});
            self.platforms[1].faults("v2-originals", None, &fault);
        }
    }

    pub(super) fn release(&mut self) {
        for platform in &self.platforms {
            platform.release();
        }
    }

    /// A person deletes a video that is uploaded.
    pub(super) fn delete_video(&mut self, dice: &mut Dice) {
        let account = usize::try_from(dice.below(2)).unwrap();
        let name = ["main", "second"][account];
        let of = format!("FROM jobs WHERE state = 'done' AND account = '{name}'");
        let count = self.number_of(&format!("SELECT count(*) {of}"));
        let Some(count) = u64::try_from(count).ok().filter(|count| *count > 0) else {
            return;
        };
        // Rather a new one, whose file is still there.
        let skip = if dice.below(2) == 0 {
            dice.below(count)
        } else {
            dice.below(count.min(6))
        };
        let sql = format!("SELECT video_key {of} ORDER BY finished_at DESC LIMIT 1 OFFSET {skip}");
        let Some(key) = self.site.value::<String>(&sql) else {
            return;
        };
        if self.books.deleted.iter().any(|one| one.key == key) {
            return;
        }
        let answer =
            self.platforms[account].try_control("DELETE", &format!("videos/{key}"), &Value::Null);
        let Some(answer) = answer else { return };
        let content = answer["videos"][0]["md5"]
            .as_str()
            .and_then(|md5| self.books.known(md5));
        let at = Instant::now();
        let mut witnesses = content
            .map(|id| self.books.witnesses(id))
            .unwrap_or_default();
        // A file that is another account's concerns that one's video.
        witnesses.retain(|(path, ..)| {
            places::of(&self.site, path).is_some_and(|(place, _)| place.account == account)
        });
        let paths: Vec<_> = witnesses
            .iter()
            .map(|(path, ..)| path.display().to_string())
            .collect();
        let what =
            format!("a person deleted video {key}; its content is on this machine as {paths:?}");
        self.books.note(content, what);
        self.books.deleted.push(Deleted {
            account,
            key,
            content,
            at,
            witnesses,
        });
        self.count("video deleted by a person");
    }
}
