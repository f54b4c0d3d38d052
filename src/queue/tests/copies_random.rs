//! Random stories of jobs that all have the same content: jobs never wait in a ring, never are two
//! of them on their way to a video, and all come to an end.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::queue::State;
use crate::queue::confirm::{self, Facts};
use crate::queue::copies;

const FILES: i64 = 5;

#[derive(Debug, Clone)]
enum Event {
    Claim,
    /// The worker of a lease does its next thing.
    GoOn(Index),
    /// It fails: for good, for now, by its file, or with an answer that was lost.
    Fail(Index, u8),
    Confirm(bool),
    Mismatch,
    Cancel(Index),
    /// Of those that are no copies: they would become videos of their own.
    Retry(Index),
    Crash,
    Later,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Claim),
        12 => any::<Index>().prop_map(Event::GoOn),
        3 => (any::<Index>(), 0..4_u8).prop_map(|(lease, how)| Event::Fail(lease, how)),
        3 => any::<bool>().prop_map(Event::Confirm),
        1 => Just(Event::Mismatch),
        1 => any::<Index>().prop_map(Event::Cancel),
        2 => any::<Index>().prop_map(Event::Retry),
        1 => Just(Event::Crash),
        1 => Just(Event::Later),
    ]
}

struct Story {
    db: Connection,
    now: Timestamp,
    leases: Vec<Lease>,
    keys: usize,
    /// Those that a person called off, or whose file went: they owe nothing.
    gone: BTreeSet<JobId>,
}

impl Story {
    fn new() -> Self {
        let db = table();
        for n in 1..=FILES {
            new_job(&db, &file(format!("/w/{n}.mp4"), n), at(n));
        }
        Self {
            db,
            now: at(100),
            leases: Vec::new(),
            keys: 0,
            gone: BTreeSet::new(),
        }
    }

    fn jobs(&self) -> Vec<crate::queue::Job> {
        (1..=FILES).map(|id| job(&self.db, JobId(id))).collect()
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Claim => self.claim(),
            Event::GoOn(place) => {
                if let Some(lease) = self.pick(*place) {
                    self.go_on(lease);
                }
            }
            Event::Fail(place, how) => {
                if let Some(lease) = self.pick(*place) {
                    self.fail(&lease, *how);
                }
            }
            Event::Confirm(is_good) => self.confirm(*is_good),
            Event::Mismatch => {
                if let Some(waiting) = confirm::waiting(&self.db, "main").unwrap().first() {
                    let count = (self.now, outcome::Count::Yes);
                    confirm::start_over(
                        &self.db,
                        waiting,
                        count,
                        ("mismatch", &Report::said("other")),
                        self.now,
                    )
                    .unwrap();
                }
            }
            Event::Cancel(place) => {
                let id = JobId(i64::try_from(place.index(5)).unwrap() + 1);
                operator::cancel(&self.db, id, self.now).unwrap();
                self.leases.retain(|lease| lease.job.id != id);
            }
            Event::Retry(place) => {
                let old = self.jobs().remove(place.index(5));
                if old.state != State::Duplicate && old.waits_for.is_none() {
                    operator::retry(&self.db, old.id, self.now).unwrap();
                }
            }
            Event::Crash => {
                claim::reclaim(&self.db, None, &[], self.now).unwrap();
                self.leases.clear();
            }
            Event::Later => self.now += Duration::from_hours(1),
        }
    }

    fn claim(&mut self) {
        if let Some(lease) = claim::claim(&self.db, self.now, &ANY).unwrap() {
            outcome::begin(&self.db, &lease, lease.job.step, self.now).unwrap();
            self.leases.push(lease);
        }
    }

    fn pick(&mut self, place: Index) -> Option<Lease> {
        if self.leases.is_empty() {
            return None;
        }
        Some(self.leases.remove(place.index(self.leases.len())))
    }

    /// What a worker does from here to the next point at which it can die.
    fn go_on(&mut self, lease: Lease) {
        let (db, now) = (&self.db, self.now);
        let row = job(db, lease.job.id);
        match (row.step, row.create_sent_at) {
            (Step::Create, None) => {
                let others = copies::look(db, &lease, "1:aa", &BTreeSet::new(), at(0)).unwrap();
                match (others.arrived.first(), others.under_way) {
                    (Some(original), _) if original.is_unconfirmed => {
                        let run_at = now + Duration::from_mins(10);
                        let waits = (original.id, run_at);
                        assert!(copies::wait_for_ready(db, &lease, waits, now).unwrap());
                    }
                    (Some(original), _) => {
                        assert!(copies::duplicate(db, &lease, original.id, now).unwrap());
                    }
                    (None, Some(other)) => {
                        let run_at = now + Duration::from_mins(10);
                        copies::wait(db, &lease, (other, run_at), now).unwrap();
                    }
                    (None, None) => {
                        outcome::create_begins(db, &lease, ("s3", "it fits"), now).unwrap();
                        self.leases.push(lease);
                    }
                }
            }
            (Step::Create, Some(_)) => {
                let key = format!("key{}", self.keys);
                let ticket = NewTicket {
                    video_key: &key,
                    link: "https://upload.example",
                    expires_at: None,
                    part_size: None,
                };
                outcome::created(db, &lease, &ticket, &Report::default(), now).unwrap();
                outcome::begin(db, &lease, Step::Transfer, now).unwrap();
                self.keys += 1;
                self.leases.push(lease);
            }
            (Step::Transfer, _) => {
                ticket::last_byte(db, &lease, now).unwrap();
                outcome::transferred(db, &lease, None, now, (&Report::default(), now)).unwrap();
            }
            (Step::Confirm, _) => unreachable!("no worker has it"),
        }
    }

    fn fail(&mut self, lease: &Lease, how: u8) {
        let (db, now, report) = (&self.db, self.now, Report::default());
        match how {
            0 => outcome::failed(db, lease, &report, now).unwrap(),
            1 => {
                outcome::superseded(db, lease, &report, now).unwrap();
                self.gone.insert(lease.job.id);
            }
            2 => {
                let wait = (now + Duration::from_secs(30), outcome::Count::Yes);
                outcome::again(db, lease, wait, ("transient", &report), now).unwrap();
            }
            _ => outcome::start_over(db, lease, now, ("link-expired", &report), now).unwrap(),
        }
    }

    fn confirm(&self, is_good: bool) {
        let waiting = confirm::waiting(&self.db, "main").unwrap();
        let Some(first) = waiting.first() else { return };
        let facts = Facts::default();
        if is_good {
            confirm::ready(&self.db, first, &facts, self.now).unwrap();
        } else {
            confirm::failed(
                &self.db,
                first,
                &facts,
                (&Report::said("no video"), self.now),
            )
            .unwrap();
        }
    }

    fn audit(&self) {
        let jobs = self.jobs();
        let at_it = |job: &&crate::queue::Job| {
            let is_open = matches!(job.state, State::Queued | State::Running | State::Done);
            is_open && (job.create_sent_at.is_some() || job.step != Step::Create)
        };
        assert!(
            jobs.iter().filter(at_it).count() <= 1,
            "two videos: {jobs:#?}"
        );
        for job in &jobs {
            // A chain that is longer than there are jobs is a ring.
            let mut at = job;
            for _ in 0..FILES {
                let Some(next) = at.waits_for else { break };
                at = jobs.iter().find(|job| job.id.0 == next).unwrap();
            }
            assert_eq!(at.waits_for, None, "a ring: {jobs:#?}");
            if let Some(original) = job.duplicate_of {
                let original = jobs.iter().find(|job| job.id.0 == original).unwrap();
                let has_it = matches!(original.state, State::Queued | State::Running | State::Done);
                assert!(has_it, "an original that is none: {jobs:#?}");
            }
        }
    }

    /// From here on all goes well, or nothing does; all come to an end in either case.
    fn end(&mut self, well: bool) {
        for _ in 0..400 {
            self.now += Duration::from_mins(1);
            self.claim();
            if let Some(lease) = self.leases.pop() {
                let step = job(&self.db, lease.job.id).step;
                if well || step == Step::Create {
                    self.go_on(lease);
                } else {
                    self.fail(&lease, 0);
                }
            }
            self.confirm(well);
            self.audit();
            let is_over = self.jobs().iter().all(|job| job.finished_at.is_some());
            if is_over {
                return;
            }
        }
        panic!("there is no end to it: {:#?}", self.jobs());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_video_comes_of_many_copies_and_no_story_is_endless(
        events in prop::collection::vec(event(), 1..80), well in any::<bool>(),
    ) {
        let mut story = Story::new();
        for event in &events {
            story.now += Duration::from_secs(1);
            story.tell(event);
            story.audit();
        }
        let had_ended = story.jobs().iter().all(|job| job.finished_at.is_some());
        story.end(well);
        let jobs = story.jobs();
        let done = jobs.iter().filter(|job| job.state == State::Done).count();
        prop_assert!(done <= 1);
        if well && !had_ended {
            prop_assert_eq!(done, 1, "the content was lost: {:#?}", jobs);
        }
    }
}
