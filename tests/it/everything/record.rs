//! What the platforms' own record says about every moment: nothing may have been wrong for a while
//! only.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::verdict::Verdict;
use super::world::World;

/// What the platforms had at any time.
pub(super) struct Record {
    /// Every title that a video ever had.
    pub(super) titles: HashSet<String>,
    /// The bytes that ever were in a video.
    pub(super) stored: Vec<Stored>,
}

/// Bytes that were in a video from one line of its account's record up to another.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) account: usize,
    pub(super) key: String,
    pub(super) md5: String,
    /// Whether the platform could not process them.
    pub(super) is_failed: bool,
    from: usize,
    until: Option<usize>,
}

impl Record {
    pub(super) fn read(world: &World) -> Self {
        let mut record = Self {
            titles: HashSet::new(),
            stored: Vec::new(),
        };
        for account in 0..world.platforms.len() {
            record.read_account(world, account);
        }
        record
    }

    /// How often a content was in two videos of an account at one time, if only for a while.
    pub(super) fn twice_for_a_while(&self) -> Vec<(&Stored, &Stored)> {
        let mut seen: HashMap<(usize, &str), Vec<&Stored>> = HashMap::new();
        for stored in self.stored.iter().filter(|stored| !stored.is_failed) {
            let of_content = seen.entry((stored.account, stored.md5.as_str()));
            of_content.or_default().push(stored);
        }
        let mut twice = Vec::new();
        for all in seen.values() {
            for (at, first) in all.iter().enumerate() {
                let others = all[at + 1..].iter();
                let met = others.filter(|other| other.key != first.key && first.meets(other));
                twice.extend(met.map(|other| (*first, *other)));
            }
        }
        twice
    }

    fn read_account(&mut self, world: &World, account: usize) {
        // Where in `stored` the bytes are that a video has now.
        let mut now: HashMap<String, usize> = HashMap::new();
        let mut at = 0;
        world.platforms[account].record(|line| {
            at += 1;
            for key in line["deleted"].as_array().into_iter().flatten() {
                if let Some(last) = key.as_str().and_then(|key| now.remove(key)) {
                    self.stored[last].until = Some(at);
                }
            }
            let video = &line["video"];
            let Some(key) = video["key"].as_str() else {
                return;
            };
            let title = video["fields"]["title"].as_str();
            self.titles.extend(title.map(str::to_owned));
            let Some(md5) = video["media"]["md5"].as_str() else {
                return;
            };
            let before = now.get(key).copied();
            if before.is_some_and(|last| self.stored[last].md5 == md5) {
                return;
            }
            if let Some(last) = before {
                self.stored[last].until = Some(at);
            }
            now.insert(key.to_owned(), self.stored.len());
            self.stored.push(Stored {
                account,
                key: key.to_owned(),
                md5: md5.to_owned(),
                is_failed: video["media"]["failure"] != Value::Null,
                from: at,
                until: None,
            });
        });
    }
}

impl Stored {
    /// Whether both were there at one time.
    fn meets(&self, other: &Self) -> bool {
        let ends_after = |one: &Self, from| one.until.is_none_or(|until| until > from);
        ends_after(self, other.from) && ends_after(other, self.from)
    }
}

impl Verdict<'_> {
    /// No video ever had other bytes than those of a whole file that people left for its account.
    pub(super) fn nothing_was_ever_half_or_astray(&mut self) {
        for stored in &self.record.stored {
            match self.world.books.known(&stored.md5) {
                None => {
                    let what = format!("bytes that were never dropped were published: {stored:?}");
                    self.fault("half", (None, None), what);
                }
                Some(id) if self.world.books.contents[id].placed_in[stored.account].is_none() => {
                    let what =
                        format!("published in an account that it was not left for: {stored:?}");
                    self.fault("astray", (Some(id), None), what);
                }
                Some(_) => {}
            }
        }
    }
}
