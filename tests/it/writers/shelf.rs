//! What the platform has: at the end, and for a moment on the way there.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hand::rest;
use super::ledger::{Claim, Content, Ledger, Trouble};
use crate::support::{Daemon, Platform, Site};

/// The platform's contents over time.
#[derive(Default)]
pub(super) struct Shelf {
    /// Title and MD5 of all that was ever seen there.
    seen: HashSet<(String, String)>,
    withdrawn: usize,
    daemon: Option<Daemon>,
}

/// A video that has a file.
struct Shown {
    title: String,
    md5: String,
    sha256: String,
    received: u64,
}

impl Shelf {
    /// The daemon that finishes the work.
    pub(super) fn keep(&mut self, daemon: Daemon) {
        self.daemon = Some(daemon);
    }

    /// Notes what is there now.
    pub(super) fn look(&mut self, platform: &Platform) {
        for video in raw(platform) {
            if let Some(md5) = video["md5"].as_str() {
                self.seen.insert((title(&video), md5.to_owned()));
            }
        }
    }

    /// How many contents were seen that were withdrawn.
    pub(super) fn withdrawn(&self) -> usize {
        self.withdrawn
    }

    /// Waits until nothing is left to be done, and says what is wrong then.
    pub(super) fn settle_down(
        &mut self,
        site: &Site,
        platform: &Platform,
        ledger: &Ledger,
        patience: Duration,
    ) -> Option<Vec<Trouble>> {
        let mut end = Instant::now() + patience;
        let (expected, mut before) = (ledger.finals(), 0);
        loop {
            self.look(platform);
            let count = |sql: &str| site.value::<i64>(sql).unwrap_or(i64::MAX);
            let open = count("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')");
            let failed = count("SELECT count(*) FROM jobs WHERE state = 'failed'");
            let done = site.value::<i64>(super::DONE).unwrap_or_default();
            let all = open == 0 && usize::try_from(done).unwrap() >= expected;
            if all || failed > 0 {
                // An unfinished video is deleted a moment later.
                end = end.min(Instant::now() + Duration::from_secs(20));
            } else if done > before {
                (end, before) = (Instant::now() + patience, done);
            }
            let late = Instant::now() > end;
            if all || late {
                let trouble = self.compare(platform, ledger);
                if late || trouble.is_empty() {
                    return (!trouble.is_empty()).then_some(trouble);
                }
            }
            rest(Duration::from_secs(1));
        }
    }

    fn compare(&mut self, platform: &Platform, ledger: &Ledger) -> Vec<Trouble> {
        let wrong = |number, what: String| Trouble { number, what };
        let (videos, contents) = (shown(platform), ledger.contents());
        let mut trouble = Vec::new();
        let mut times: HashMap<&str, u64> = HashMap::new();
        for video in &videos {
            let Some((_, number)) = contents.get(video.sha256.as_str()) else {
                let what = format!(
                    "{}: a content that was never dropped is published",
                    video.title
                );
                trouble.push(wrong(number_of(&video.title), what));
                continue;
            };
            if video.received != 1 {
                let what = format!("{}: its bytes came {} times", video.title, video.received);
                trouble.push(wrong(Some(*number), what));
            }
            *times.entry(video.sha256.as_str()).or_default() += 1;
        }
        for (sha256, (claim, number)) in &contents {
            let what = match (times.get(sha256).copied().unwrap_or_default(), claim) {
                (1, _) | (0, Claim::Perhaps) => continue,
                (0, Claim::Final) => {
                    format!("{number:05}: a final content is not published: {sha256}")
                }
                (many, _) => format!("{number:05}: a content is published {many} times: {sha256}"),
            };
            trouble.push(wrong(Some(*number), what));
        }
        let passing = self.seen.iter().filter(|(_, md5)| !ledger.knows(md5));
        self.withdrawn = 0;
        for (title, md5) in passing {
            self.withdrawn += 1;
            let number = number_of(title);
            if !number.is_some_and(|number| ledger.was_changed_late(number)) {
                let what =
                    format!("{title}: for a moment a passing content was published: md5 {md5}");
                trouble.push(wrong(number, what));
            }
        }
        trouble
    }
}

fn raw(platform: &Platform) -> Vec<Value> {
    let answer = platform.control("GET", "videos", &Value::Null);
    answer["videos"].as_array().unwrap().clone()
}

fn title(video: &Value) -> String {
    video["fields"]["title"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The file's number: its name, which is the title, begins with it.
fn number_of(title: &str) -> Option<usize> {
    title.split('-').next()?.parse().ok()
}

/// What is on the platform's disk, read again.
fn shown(platform: &Platform) -> Vec<Shown> {
    let videos = raw(platform).into_iter();
    let shown = videos.filter(|video| !video["stored_size"].is_null());
    shown
        .map(|video| Shown {
            title: title(&video),
            md5: video["md5"].as_str().unwrap_or_default().to_owned(),
            sha256: Content::of(Path::new(video["path"].as_str().unwrap())).sha256,
            received: video["received"].as_u64().unwrap_or_default(),
        })
        .inspect(|video| assert!(!video.md5.is_empty(), "{} has no MD5", video.title))
        .collect()
}
