//! The daemon's part in the random stories: claims, steps, heartbeats, crashes.

use super::model::{Pause, Story, WAIT};
use super::*;
use crate::queue::outcome::Count;
use crate::queue::{State, accounts};

/// What a worker says about a job that it holds, or believes to hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    Begin,
    CreateBegins,
    CreateCameToNothing,
    CreateIsMissing,
    Created,
    LastByte,
    LastByteWasLost,
    Transferred,
    Again(bool),
    Failed,
    StartOver,
    Superseded,
}

impl Story {
    pub(super) fn claim(&mut self) {
        let soonest = self.claimable().map(|job| job.run_at).min();
        assert_eq!(claim::next_due(&self.db, &ANY).unwrap(), soonest);
        // What was put off and is due goes by its age again.
        for job in &mut self.jobs {
            let waits = job.state == State::Queued && job.step != Step::Confirm;
            if waits && job.run_at <= self.now {
                job.run_at = job.run_at.min(job.created_at);
            }
        }
        let due: Vec<_> = self
            .claimable()
            .filter(|job| job.run_at <= self.now)
            .collect();
        let greatest = due.iter().map(|job| job.new.priority).max();
        let first = due.iter().filter(|job| Some(job.new.priority) == greatest);
        let expected = first
            .min_by_key(|job| (self.share(&job.new.watch), job.run_at, job.id))
            .map(|job| job.id);
        let lease = claim::claim(&self.db, self.now, &ANY).unwrap();
        assert_eq!(lease.as_ref().map(|lease| lease.job.id), expected);
        let Some(lease) = lease else { return };
        let place = self.place(lease.job.id);
        self.turns.push(lease.job.watch.clone());
        let job = &mut self.jobs[place];
        job.state = State::Running;
        job.attempts += 1;
        job.lease = Some(self.leases.len());
        job.lease_until = self.now + claim::LEASE;
        assert_eq!(lease.ticket.is_some(), job.step == Step::Transfer);
        self.leases.push(lease);
    }

    /// The newest lease that is still held takes its next step.
    pub(super) fn go_on(&mut self) {
        let Some(lease) = (0..self.leases.len())
            .rev()
            .find(|lease| self.held(*lease).is_some())
        else {
            return self.claim();
        };
        let job = &self.jobs[self.held(lease).unwrap()];
        let word = match job.step {
            _ if !job.open => Word::Begin,
            Step::Create if !job.create_sent => Word::CreateBegins,
            Step::Create => Word::Created,
            Step::Transfer if !job.last_byte => Word::LastByte,
            Step::Transfer | Step::Confirm => Word::Transferred,
        };
        self.worker(lease, word);
    }

    pub(super) fn worker(&mut self, lease: usize, word: Word) {
        let holds = self.held(lease);
        if let Some(place) = holds
            && !self.makes_sense(place, word)
        {
            return;
        }
        let before = holds.is_none().then(|| dump(&self.db));
        let outcome = self.say(lease, word);
        if let Some(place) = holds {
            outcome.unwrap();
            self.follow(place, word);
        } else {
            assert!(
                matches!(outcome, Err(Error::LeaseLost { .. })),
                "{outcome:?}"
            );
            assert_eq!(Some(dump(&self.db)), before, "a lost lease changes nothing");
        }
    }

    /// Whether a worker that knows its trade would say this now.
    fn makes_sense(&self, place: usize, word: Word) -> bool {
        let job = &self.jobs[place];
        match word {
            Word::Begin => !job.open,
            Word::CreateBegins | Word::CreateCameToNothing | Word::CreateIsMissing => {
                job.step == Step::Create
            }
            Word::Created => job.create_sent,
            Word::LastByte | Word::LastByteWasLost | Word::Transferred => {
                job.step == Step::Transfer
            }
            Word::Again(_) | Word::Failed | Word::StartOver | Word::Superseded => true,
        }
    }

    fn say(&self, lease: usize, word: Word) -> Result<(), Error> {
        let (db, now, lease) = (&self.db, self.now, &self.leases[lease]);
        let report = Report {
            message: Some("as the story has it".to_owned()),
            ..Report::default()
        };
        let key = format!("key{}", self.keys);
        let ticket = NewTicket {
            video_key: &key,
            link: "https://upload.example",
            expires_at: None,
            part_size: None,
        };
        match word {
            Word::Begin => outcome::begin(db, lease, Step::Create, now),
            Word::CreateBegins => outcome::create_begins(db, lease, ("s3", "it fits"), now),
            Word::CreateCameToNothing => outcome::create_came_to_nothing(db, lease),
            Word::CreateIsMissing => outcome::create_is_missing(db, lease, now).map(drop),
            Word::Created => outcome::created(db, lease, &ticket, &report, now),
            Word::LastByte => ticket::last_byte(db, lease, now).map(drop),
            Word::LastByteWasLost => ticket::last_byte_was_lost(db, lease),
            Word::Transferred => outcome::transferred(db, lease, Some("md5"), now, (&report, now)),
            Word::Again(counts) => {
                let count = if counts { Count::Yes } else { Count::No };
                outcome::again(db, lease, (now + WAIT, count), ("transient", &report), now)
            }
            Word::Failed => outcome::failed(db, lease, &report, now),
            Word::StartOver => {
                outcome::start_over(db, lease, now + WAIT, ("link-expired", &report), now)
            }
            Word::Superseded => outcome::superseded(db, lease, &report, now).map(drop),
        }
    }

    /// What a worker's word does to the model.
    fn follow(&mut self, place: usize, word: Word) {
        let now = self.now;
        if matches!(
            word,
            Word::CreateIsMissing | Word::Failed | Word::StartOver | Word::Superseded
        ) {
            self.let_go_of_unfinished(place);
        }
        if matches!(word, Word::Created) {
            self.follow_created(place);
        }
        let job = &mut self.jobs[place];
        match word {
            Word::Begin => {
                job.open = true;
                job.tries += 1;
                return;
            }
            Word::CreateBegins => {
                job.create_sent = true;
                self.begun.insert(job.ingest_id.clone());
                return;
            }
            Word::CreateCameToNothing | Word::CreateIsMissing => return job.create_sent = false,
            Word::LastByte => return job.last_byte = true,
            Word::LastByteWasLost => return job.last_byte = false,
            Word::Created => return job.open = false,
            Word::Transferred => {
                (job.state, job.step, job.run_at) = (State::Queued, Step::Confirm, now);
            }
            Word::Again(counts) => {
                (job.state, job.run_at) = (State::Queued, now + WAIT);
                job.attempts -= i64::from(!counts);
            }
            Word::Failed => job.state = State::Failed,
            Word::StartOver => (job.state, job.run_at) = (State::Queued, now + WAIT),
            Word::Superseded => (job.state, job.superseded) = (State::Cancelled, true),
        }
        job.lease = None;
        job.open = false;
        job.last_byte &= matches!(word, Word::Again(_));
    }

    fn follow_created(&mut self, place: usize) {
        let job = &mut self.jobs[place];
        if let Some(first) = job.key.take() {
            // A worker without sense: the second video stays, the first must not.
            let (job, ingest_id) = (job.id, job.ingest_id.clone());
            let run_at = self.now;
            self.begun.remove(&ingest_id);
            self.let_go.push(model::LetGo {
                job,
                ingest_id,
                key: Some(first),
                finished: false,
                run_at,
            });
        }
        let job = &mut self.jobs[place];
        job.key = Some(format!("key{}", self.keys));
        job.step = Step::Transfer;
        job.last_byte = false;
        self.keys += 1;
    }

    pub(super) fn heartbeat(&mut self) {
        let beats: Vec<_> = self
            .leases
            .iter()
            .map(|lease| claim::Beat {
                job: lease.job.id,
                lease_id: lease.id.clone(),
                progress: Some((1, 1)),
            })
            .collect();
        let lost = claim::heartbeat(&self.db, &beats, self.now).unwrap();
        let held = (0..self.leases.len()).filter(|lease| self.held(*lease).is_none());
        let expected: Vec<_> = held.map(|lease| self.leases[lease].job.id).collect();
        let lost: Vec<_> = lost.iter().map(|beat| beat.job).collect();
        assert_eq!(lost, expected);
        for job in self.jobs.iter_mut().filter(|job| job.lease.is_some()) {
            job.lease_until = self.now + claim::LEASE;
        }
    }

    pub(super) fn reclaim(&mut self, expired_before: Option<Timestamp>, alive: bool) {
        let held = self
            .jobs
            .iter()
            .filter_map(|job| job.lease)
            .filter(|_| alive);
        let held: Vec<_> = held.map(|lease| self.leases[lease].id.clone()).collect();
        let back = claim::reclaim(&self.db, expired_before, &held, self.now).unwrap();
        let mut expected = Vec::new();
        for job in &mut self.jobs {
            let over = expired_before.is_none_or(|limit| job.lease_until < limit);
            if job.state == State::Running && over && !alive {
                expected.push(job.id);
                (job.state, job.lease, job.run_at) = (State::Queued, None, self.now);
                job.attempts -= 1;
                job.open = false;
            }
        }
        assert_eq!(back, expected);
    }

    pub(super) fn restart(&mut self) {
        self.reclaim(None, false);
        accounts::probe_now(&self.db, self.now).unwrap();
        for pause in self
            .pauses
            .iter_mut()
            .filter(|pause| **pause == Pause::Probation)
        {
            *pause = Pause::Paused;
        }
    }
}
