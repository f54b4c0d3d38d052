//! Everybody else's part in the random stories: watch, people, the platform.

use super::model::{ACCOUNTS, Model, Pause, Story, WAIT, WATCHES};
use super::*;
use crate::disposition::Need;
use crate::queue::accounts::Cause;
use crate::queue::confirm::{self, Facts};
use crate::queue::operator::Answer;
use crate::queue::outcome::Count;
use crate::queue::{State, accounts, priority, withdraw};

/// What the platform is found to say about a video.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    Ready,
    Failed(bool),
    Later,
    StartOver,
}

impl Story {
    pub(super) fn enqueue(&mut self, path: u8, version: u8, chmod: bool) {
        let mut new = file(format!("/w/{path}.mp4"), i64::from(version));
        new.account = ACCOUNTS[usize::from(path % 2)].to_owned();
        let watch = usize::from(path % 3);
        new.watch = WATCHES[watch].to_owned();
        new.priority = self.priorities[watch];
        new.identity.ctime_ns += i64::from(chmod) + 10 * i64::from(version);
        let same = |job: &Model| {
            !job.superseded && job.new.path == new.path && job.new.identity.ino == new.identity.ino
        };
        let known = self.jobs.iter_mut().find(|job| same(job));
        match (enqueue(&self.db, &new, self.now).unwrap(), known) {
            (Enqueued::New(id), None) => {
                let row = job(&self.db, id);
                self.jobs.push(Model {
                    id,
                    new,
                    state: State::Queued,
                    step: Step::Create,
                    key: None,
                    ingest_id: row.ingest_id,
                    create_sent: false,
                    last_byte: false,
                    attempts: 0,
                    run_at: self.now,
                    created_at: self.now,
                    superseded: false,
                    status: None,
                    lease: None,
                    lease_until: self.now,
                    tries: 0,
                    open: false,
                });
            }
            (Enqueued::Known(id, state), Some(known)) => {
                assert_eq!((id, state), (known.id, known.state));
                if known.state != State::Running {
                    known.new.identity = new.identity;
                }
            }
            (answer, known) => panic!("{answer:?} of {known:?}"),
        }
    }

    pub(super) fn cancel(&mut self, place: usize) {
        let answer = operator::cancel(&self.db, self.jobs[place].id, self.now).unwrap();
        let job = &self.jobs[place];
        let waits = job.state == State::Queued && job.step == Step::Confirm;
        // Bytes that may have arrived are not cancelled: the platform may have made a video of them.
        let may_be_there = match (job.state, job.step) {
            (State::Failed, Step::Confirm) => {
                matches!(
                    job.status.as_deref(),
                    None | Some("processing" | "updating")
                )
            }
            (State::Queued | State::Running, Step::Transfer) => job.last_byte,
            _ => false,
        };
        let open = matches!(job.state, State::Queued | State::Running | State::Failed)
            && !waits
            && !may_be_there;
        assert_eq!(
            matches!(answer, Answer::Done(_)),
            open,
            "{answer:?} {job:?}"
        );
        if !open {
            return;
        }
        self.let_go_of_unfinished(place);
        let job = &mut self.jobs[place];
        (job.state, job.lease, job.open) = (State::Cancelled, None, false);
    }

    pub(super) fn retry(&mut self, place: usize) {
        let answer = operator::retry(&self.db, self.jobs[place].id, self.now).unwrap();
        let job = &self.jobs[place];
        let may = matches!(job.state, State::Queued | State::Failed | State::Cancelled)
            && !job.superseded;
        assert_eq!(matches!(answer, Answer::Done(_)), may, "{answer:?} {job:?}");
        if !may {
            return;
        }
        if job.state != State::Queued
            && job.step == Step::Confirm
            && job.status.as_deref() == Some("failed")
        {
            self.let_go_of(place);
        }
        let job = &mut self.jobs[place];
        (job.state, job.run_at, job.attempts) = (State::Queued, self.now, 0);
    }

    pub(super) fn bump(&mut self, place: usize, has_worker: bool) {
        let waiting = self.jobs.iter().filter(|job| match job.state {
            State::Queued => job.step != Step::Confirm,
            State::Running => true,
            State::Done | State::Failed | State::Cancelled | State::Duplicate => false,
        });
        let greatest = waiting.map(|job| job.new.priority).max();
        let front = greatest.map_or(1000, |greatest| (greatest + 1).max(1000));
        assert_eq!(priority::front(&self.db).unwrap(), front);
        let (id, now) = (self.jobs[place].id, self.now);
        let answer = priority::bump(&self.db, id, (front, has_worker), now).unwrap();
        let job = &mut self.jobs[place];
        let waits = job.state == State::Queued && job.step != Step::Confirm;
        let may = waits || job.state == State::Running && !has_worker;
        assert_eq!(matches!(answer, Answer::Done(_)), may, "{answer:?} {job:?}");
        if may {
            (job.new.priority, job.run_at) = (front, job.run_at.min(now));
        }
    }

    pub(super) fn reload(&mut self, priorities: [i64; 3]) {
        self.priorities = priorities;
        let watches = WATCHES.map(str::to_owned).into_iter().zip(priorities);
        priority::follow_priorities(&self.db, &watches.collect::<Vec<_>>()).unwrap();
        for job in &mut self.jobs {
            let watch = WATCHES.iter().position(|name| *name == job.new.watch);
            if job.state != State::Done && job.new.priority < 1000 {
                job.new.priority = priorities[watch.unwrap()];
            }
        }
    }

    pub(super) fn pause(&mut self, account: usize) {
        let first = accounts::pause(
            &self.db,
            ACCOUNTS[account],
            (Cause::Refused(Need::Credentials), "no"),
            (self.now + WAIT, self.now),
        )
        .unwrap();
        assert_eq!(first, self.pauses[account] == Pause::Works);
        self.pauses[account] = Pause::Paused;
    }

    pub(super) fn probation(&mut self, account: usize) {
        accounts::probation(&self.db, ACCOUNTS[account]).unwrap();
        if self.pauses[account] == Pause::Paused {
            self.pauses[account] = Pause::Probation;
        }
    }

    pub(super) fn resume(&mut self, account: usize) {
        let ended = accounts::resume(&self.db, ACCOUNTS[account], self.now).unwrap();
        assert_eq!(ended.is_some(), self.pauses[account] != Pause::Works);
        self.pauses[account] = Pause::Works;
    }

    pub(super) fn look(&mut self) {
        for account in ACCOUNTS {
            let waiting = confirm::waiting(&self.db, account).unwrap();
            let mut expected: Vec<_> = self
                .jobs
                .iter()
                .filter(|job| {
                    job.new.account == account
                        && job.state == State::Queued
                        && job.step == Step::Confirm
                })
                .map(|job| (job.run_at, job.id))
                .collect();
            expected.sort();
            let found: Vec<_> = waiting
                .iter()
                .map(|waiting| (waiting.run_at, waiting.id))
                .collect();
            assert_eq!(found, expected);
            let due = confirm::accounts_due(&self.db).unwrap();
            let next = due.iter().find(|(name, _)| name == account);
            assert_eq!(
                next.map(|next| next.1),
                expected.first().map(|first| first.0)
            );
            self.looks.extend(waiting);
        }
    }

    pub(super) fn confirm(&mut self, look: usize, says: Look) {
        let (look, now) = (self.looks[look].clone(), self.now);
        let place = self.place(look.id);
        let job = &self.jobs[place];
        let still = job.state == State::Queued
            && job.step == Step::Confirm
            && job.key.as_ref() == Some(&look.video_key);
        let before = (!still).then(|| dump(&self.db));
        let behind = self.behind(place);
        let status = match says {
            Look::Ready => "ready",
            Look::Failed(true) => "failed",
            Look::Failed(false) | Look::Later | Look::StartOver => "processing",
        };
        let facts = Facts {
            status: status.to_owned(),
            duration: Some(1.5),
            size: Some(7),
            is_same: false,
            updated: Some(7),
            doubt: None,
        };
        match says {
            Look::Ready => assert_eq!(confirm::ready(&self.db, &look, &facts, now).unwrap(), still),
            Look::Failed(_) => {
                assert_eq!(
                    confirm::failed(&self.db, &look, &facts, (&Report::said("no"), now)).unwrap(),
                    still
                );
            }
            Look::Later => confirm::later(&self.db, &look, Some(&facts), now + WAIT).unwrap(),
            Look::StartOver => {
                confirm::start_over(
                    &self.db,
                    &look,
                    (now + WAIT, Count::Yes),
                    ("mismatch", &Report::said("other bytes")),
                    now,
                )
                .unwrap();
            }
        }
        if !still {
            assert_eq!(Some(dump(&self.db)), before, "a stale look changes nothing");
            return;
        }
        if matches!(says, Look::StartOver) {
            self.let_go_of(place);
        }
        if matches!(says, Look::Ready | Look::Failed(_)) {
            self.wake(&behind);
        }
        let job = &mut self.jobs[place];
        match says {
            Look::Ready => job.state = State::Done,
            Look::Failed(_) => job.state = State::Failed,
            Look::Later | Look::StartOver => job.run_at = now + WAIT,
        }
        job.tries += usize::from(matches!(says, Look::Failed(_) | Look::StartOver));
        job.status = (!matches!(says, Look::StartOver)).then(|| status.to_owned());
    }

    /// The later jobs of the same path that wait for their turn: they are due when this one ends. Which
    /// of them wait because of a failure only the table knows.
    fn behind(&self, place: usize) -> Vec<usize> {
        let first = &self.jobs[place];
        let waits = |other: &Model| {
            (&other.new.path, other.state, other.step)
                == (&first.new.path, State::Queued, Step::Create)
                && other.id > first.id
                && !other.superseded
                && job(&self.db, other.id).failing_since.is_none()
        };
        let all = 0..self.jobs.len();
        all.filter(|other| waits(&self.jobs[*other])).collect()
    }

    fn wake(&mut self, places: &[usize]) {
        for place in places {
            let run_at = &mut self.jobs[*place].run_at;
            *run_at = (*run_at).min(self.now);
        }
    }

    pub(super) fn withdraw(&mut self, works: bool) {
        let may = |job: JobId| self.pause_of(&self.jobs[self.place(job)]) == Pause::Works;
        let open = (1_i64..)
            .zip(&self.let_go)
            .filter(|(_, gone)| !gone.finished && may(gone.job));
        let first = open.map(|(id, gone)| (gone.run_at, id)).min();
        assert_eq!(
            withdraw::next_due(&self.db).unwrap(),
            first.map(|first| first.0)
        );
        let due = withdraw::due(&self.db, self.now).unwrap();
        let expected = first.filter(|first| first.0 <= self.now);
        assert_eq!(
            due.as_ref().map(|due| due.id),
            expected.map(|first| first.1)
        );
        let Some(due) = due else { return };
        let place = usize::try_from(due.id - 1).unwrap();
        if works {
            withdraw::finished(&self.db, due.id, self.now).unwrap();
            self.let_go[place].finished = true;
        } else {
            withdraw::again(&self.db, due.id, self.now + WAIT, "503").unwrap();
            self.let_go[place].run_at = self.now + WAIT;
        }
    }
}
