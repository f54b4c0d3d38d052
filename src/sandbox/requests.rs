//! The log of requests: what came, how far it got, and how it ended, for tests that wait on events
//! and count what a client did.
//!
//! It holds operations, video keys, and numbers; no parameter, link or secret ever gets in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use axum::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::operation::{Operation, Target};
use super::store::held;

/// How far a request got; each is counted once a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    /// Its head was read.
    Arrived,
    /// All of it was read.
    Received,
    /// A fault holds it.
    Held,
    /// It was carried out with success.
    Acted,
    /// Its answer was handed to the connection.
    Answered,
    /// It ended without an answer.
    Broken,
}

/// One request.
pub(super) struct Entry {
    number: u64,
    operation: Operation,
    method: String,
    /// The video that an upload is for.
    video: Option<String>,
    /// UNIX milliseconds.
    at: i64,
    bytes: AtomicU64,
    /// What came for the same video, by this request and by others.
    of_video: Option<Arc<AtomicU64>>,
    /// 0 until there is an answer.
    status: AtomicU16,
    reached: Mutex<Vec<Stage>>,
}

/// The requests since the start, the last ten thousand of them in full.
pub(super) struct Requests {
    log: Mutex<Log>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Log {
    entries: VecDeque<Arc<Entry>>,
    counts: BTreeMap<Operation, BTreeMap<Stage, u64>>,
    bytes: BTreeMap<String, Arc<AtomicU64>>,
    next: u64,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            log: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Notes a request whose head was read.
    pub(super) fn begin<B>(
        &self,
        operation: Operation,
        request: &Request<B>,
        at: i64,
    ) -> Arc<Entry> {
        let entry = {
            let mut log = held(&self.log);
            let video = operation.upload_key(request.uri());
            let of_video = video
                .as_ref()
                .map(|key| Arc::clone(log.bytes.entry(key.clone()).or_default()));
            let entry = Arc::new(Entry {
                number: log.next,
                operation,
                method: request.method().to_string(),
                video,
                at,
                bytes: AtomicU64::new(0),
                of_video,
                status: AtomicU16::new(0),
                reached: Mutex::default(),
            });
            log.next += 1;
            if log.entries.len() >= ENTRIES_KEPT {
                log.entries.pop_front();
            }
            log.entries.push_back(Arc::clone(&entry));
            entry
        };
        self.reach(&entry, Stage::Arrived);
        entry
    }

    /// Notes that the request got that far, and wakes who waits for it.
    pub(super) fn reach(&self, entry: &Entry, stage: Stage) {
        {
            let mut log = held(&self.log);
            let count = log
                .counts
                .entry(entry.operation)
                .or_default()
                .entry(stage)
                .or_default();
            *count += 1;
            held(&entry.reached).push(stage);
        }
        self.changed.send_replace(());
    }

    /// How many requests for `target` got that far.
    pub(super) fn count(&self, target: Target, stage: Stage) -> u64 {
        let log = held(&self.log);
        log.counts
            .iter()
            .filter(|(operation, _)| target.takes(**operation))
            .filter_map(|(_, stages)| stages.get(&stage))
            .sum()
    }

    /// The bytes of all bodies that came for a video, whole or not, used or not.
    pub(super) fn bytes(&self, key: &str) -> u64 {
        let log = held(&self.log);
        let bytes = log.bytes.get(key);
        bytes.map_or(0, |bytes| bytes.load(Ordering::Relaxed))
    }

    /// Returns once `count` requests got that far. Cancel safe.
    pub(super) async fn wait(&self, target: Target, stage: Stage, count: u64) {
        // Subscribed before the look, so that what happens in between is not missed.
        let mut changed = self.changed.subscribe();
        while self.count(target, stage) < count {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// The log as the control endpoint shows it.
    pub(super) fn shown(&self) -> Value {
        let log = held(&self.log);
        let requests: Vec<Value> = log.entries.iter().map(|entry| entry.shown()).collect();
        json!({"counts": log.counts, "requests": requests})
    }

    /// Forgets everything so far.
    pub(super) fn clear(&self) {
        *held(&self.log) = Log::default();
    }
}

impl Entry {
    /// Adds body bytes; answers how many there are now.
    pub(super) fn received(&self, bytes: u64) -> u64 {
        if let Some(all) = &self.of_video {
            all.fetch_add(bytes, Ordering::Relaxed);
        }
        self.bytes
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes)
    }

    /// Notes the status of the answer.
    pub(super) fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn shown(&self) -> Value {
        let status = self.status.load(Ordering::Relaxed);
        json!({
            "number": self.number,
            "operation": self.operation,
            "method": self.method,
            "video": self.video,
            "at_ms": self.at,
            "bytes": self.bytes.load(Ordering::Relaxed),
            "status": (status != 0).then_some(status),
            "stages": *held(&self.reached),
        })
    }
}

const ENTRIES_KEPT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::operation::Any;
    use std::time::Duration;

    #[tokio::test]
    async fn a_waiter_is_woken_by_the_event_it_waits_for() {
        let requests = Arc::new(Requests::new());
        let waiting = {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                requests
                    .wait(Target::One(Operation::Create), Stage::Acted, 2)
                    .await;
            })
        };
        for _ in 0..2 {
            assert!(!waiting.is_finished());
            let entry = requests.begin(Operation::Create, &Request::new(()), 1);
            requests.reach(&entry, Stage::Acted);
        }
        tokio::time::timeout(Duration::from_secs(10), waiting)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(requests.count(Target::Any(Any::Any), Stage::Arrived), 2);
        assert_eq!(
            requests.count(Target::One(Operation::Show), Stage::Arrived),
            0
        );
    }

    #[test]
    fn the_log_is_bounded_and_the_counts_go_on() {
        let requests = Requests::new();
        for _ in 0..=ENTRIES_KEPT {
            requests.begin(Operation::Show, &Request::new(()), 1);
        }
        let shown = requests.shown();
        assert_eq!(shown["requests"].as_array().unwrap().len(), ENTRIES_KEPT);
        assert_eq!(shown["requests"][0]["number"], 1);
        assert_eq!(shown["counts"]["show"]["arrived"], 10_001);
    }
}
