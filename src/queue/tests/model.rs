//! What the job table ought to hold, in plain Rust: the model that random stories are held against.
//!
//! It knows no SQL, and the table knows nothing of it. Beside the jobs it keeps what must never be
//! forgotten: each video that the platform ever made for us, and each that it may have made.

use std::collections::HashSet;

use super::*;
use crate::queue::State;
use crate::queue::confirm::Waiting;
use crate::status::Status;

/// One job as it should be.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says what one column holds"
)]
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) id: JobId,
    pub(super) new: NewJob,
    pub(super) state: State,
    pub(super) step: Step,
    pub(super) key: Option<String>,
    pub(super) ingest_id: String,
    pub(super) create_sent: bool,
    pub(super) last_byte: bool,
    pub(super) attempts: i64,
    pub(super) run_at: Timestamp,
    pub(super) created_at: Timestamp,
    pub(super) superseded: bool,
    pub(super) status: Option<String>,
    /// The lease that is held, by its place in `Story::leases`.
    pub(super) lease: Option<usize>,
    pub(super) lease_until: Timestamp,
    /// Rows in `attempts`, and whether the last of them is open.
    pub(super) tries: usize,
    pub(super) open: bool,
}

/// A video that was let go of.
#[derive(Debug, Clone)]
pub(super) struct LetGo {
    pub(super) job: JobId,
    pub(super) ingest_id: String,
    pub(super) key: Option<String>,
    pub(super) finished: bool,
    pub(super) run_at: Timestamp,
}

/// A paused account as it should be: whether it is on probation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    Works,
    Paused,
    Probation,
}

/// Everything that a story has come to.
pub(super) struct Story {
    pub(super) db: Connection,
    pub(super) now: Timestamp,
    pub(super) jobs: Vec<Model>,
    /// Every lease that was ever given; most are lost.
    pub(super) leases: Vec<Lease>,
    /// Every look at what waits; most are stale.
    pub(super) looks: Vec<Waiting>,
    pub(super) let_go: Vec<LetGo>,
    pub(super) pauses: [Pause; 2],
    /// As the configuration has them, for [`WATCHES`].
    pub(super) priorities: [i64; 3],
    /// The watch of each claim, oldest first.
    pub(super) turns: Vec<String>,
    /// Every key that the platform gave, in order.
    pub(super) keys: usize,
    /// The ingest ids that went with a create call.
    pub(super) begun: HashSet<String>,
}

/// How long all wait that wait.
pub(super) const WAIT: Duration = Duration::from_secs(5);

pub(super) const ACCOUNTS: [&str; 2] = ["main", "other"];

pub(super) const WATCHES: [&str; 3] = ["news", "sport", "film"];

impl Story {
    pub(super) fn new() -> Self {
        Self {
            db: table(),
            now: at(0),
            jobs: Vec::new(),
            leases: Vec::new(),
            looks: Vec::new(),
            let_go: Vec::new(),
            pauses: [Pause::Works; 2],
            priorities: [0; 3],
            turns: Vec::new(),
            keys: 0,
            begun: HashSet::new(),
        }
    }

    /// The place of a job in `jobs`.
    pub(super) fn place(&self, id: JobId) -> usize {
        self.jobs
            .iter()
            .position(|job| job.id == id)
            .expect("a job that we know")
    }

    /// The place of the job that this lease holds, if it still holds one.
    pub(super) fn held(&self, lease: usize) -> Option<usize> {
        self.jobs.iter().position(|job| job.lease == Some(lease))
    }

    pub(super) fn pause_of(&self, job: &Model) -> Pause {
        let place = ACCOUNTS.iter().position(|name| *name == job.new.account);
        self.pauses[place.unwrap()]
    }

    /// The jobs that may be claimed, by the words of the documentation.
    pub(super) fn claimable(&self) -> impl Iterator<Item = &Model> {
        self.jobs.iter().filter(|job| {
            let busy = |other: &Model| {
                other.state == State::Running && other.new.account == job.new.account
            };
            let may = match self.pause_of(job) {
                Pause::Works => true,
                Pause::Paused => false,
                Pause::Probation => !self.jobs.iter().any(busy),
            };
            job.state == State::Queued && job.step != Step::Confirm && may
        })
    }

    /// How much a watch has had: jobs in progress, then its last turn.
    pub(super) fn share(&self, watch: &str) -> (usize, Option<usize>) {
        let running = self.jobs.iter().filter(|job| {
            let is_of_it = job.new.watch == watch;
            is_of_it && job.state == State::Running
        });
        let last = self.turns.iter().rposition(|turn| turn == watch);
        (running.count(), last)
    }

    /// The job lets go of what it has, or may have, on the platform.
    pub(super) fn let_go_of(&mut self, place: usize) {
        let job = &mut self.jobs[place];
        self.let_go.push(LetGo {
            job: job.id,
            ingest_id: job.ingest_id.clone(),
            key: job.key.take(),
            finished: false,
            run_at: self.now,
        });
        job.step = Step::Create;
        job.create_sent = false;
        job.last_byte = false;
        job.status = None;
        // Only the table knows the new one; it must be a new one.
        job.ingest_id = super::job(&self.db, job.id).ingest_id;
        let fresh = !self
            .let_go
            .iter()
            .any(|gone| gone.ingest_id == job.ingest_id);
        assert!(fresh, "an ingest id is used for one video only");
    }

    /// As above, unless the job has begun nothing, or its video has all its bytes.
    pub(super) fn let_go_of_unfinished(&mut self, place: usize) {
        let job = &self.jobs[place];
        if job.step != Step::Confirm && (job.key.is_some() || job.create_sent) {
            self.let_go_of(place);
        }
    }

    /// Holds the table against the model.
    pub(super) fn audit(&self) {
        assert_eq!(
            number(&self.db, "SELECT count(*) FROM jobs"),
            count(self.jobs.len()),
            "nothing vanishes"
        );
        for model in &self.jobs {
            self.audit_job(model);
        }
        self.audit_videos();
        let strange = [
            "SELECT count(*) FROM jobs WHERE state = 'done' AND (video_key IS NULL OR step <> 'confirm')",
            "SELECT count(*) FROM jobs WHERE attempts < 0",
            "SELECT count(*) - count(DISTINCT lease_id) FROM jobs WHERE lease_id IS NOT NULL",
            "SELECT count(*) FROM jobs LEFT JOIN tickets ON job_id = id WHERE (step = 'transfer') <> (link IS NOT NULL)",
            "SELECT count(*) FROM jobs JOIN tickets ON job_id = id WHERE state IN ('done', 'failed', 'cancelled', 'duplicate')",
            "SELECT count(*) FROM jobs JOIN progress ON job_id = id WHERE state <> 'running'",
            "SELECT count(*) FROM jobs JOIN attempts ON job_id = jobs.id WHERE outcome IS NULL AND state <> 'running'",
        ];
        for sql in strange {
            assert_eq!(number(&self.db, sql), 0, "{sql}");
        }
    }

    fn audit_job(&self, model: &Model) {
        let row = job(&self.db, model.id);
        let lease = value(
            &self.db,
            &format!("SELECT lease_id FROM jobs WHERE id = {}", model.id),
        );
        let held = model.lease.map_or(Value::Null, |lease| {
            Value::from(self.leases[lease].id.clone())
        });
        assert_eq!(lease, held, "{model:?}");
        assert_eq!(
            (row.state, row.step),
            (model.state, model.step),
            "{model:?}"
        );
        // A later ctime of one that is done is noted when the platform was asked.
        let ctime_ns = if row.state == State::Done {
            model.new.identity.ctime_ns
        } else {
            row.identity.ctime_ns
        };
        let identity = Identity {
            ctime_ns,
            ..row.identity
        };
        assert_eq!(
            (&row.path, identity),
            (&model.new.path, model.new.identity),
            "{model:?}"
        );
        assert_eq!(row.account, model.new.account);
        assert_eq!(
            (&row.video_key, &row.ingest_id),
            (&model.key, &model.ingest_id),
            "{model:?}"
        );
        assert_eq!(row.create_sent_at.is_some(), model.create_sent, "{model:?}");
        assert_eq!(
            (row.attempts, row.run_at, row.priority),
            (model.attempts, model.run_at, model.new.priority),
            "{model:?}"
        );
        assert_eq!(
            (row.superseded, row.platform.as_ref().map(Status::word)),
            (model.superseded, model.status.as_deref()),
            "{model:?}"
        );
        let fin = matches!(model.state, State::Done | State::Failed | State::Cancelled);
        assert_eq!(row.finished_at.is_some(), fin, "{model:?}");
        let ticket = ticket::of(&self.db, model.id).unwrap();
        assert_eq!(
            ticket.is_some_and(|ticket| ticket.last_byte_at.is_some()),
            model.last_byte,
            "{model:?}"
        );
        let tries = crate::queue::query::attempts(&self.db, model.id).unwrap();
        assert_eq!(tries.len(), model.tries, "each try is kept: {model:?}");
        assert_eq!(
            tries.iter().filter(|one| one.outcome.is_none()).count(),
            usize::from(model.open),
            "{model:?}"
        );
    }

    /// The heart of "exactly one video": each video is its job's, or on the list; never both, and
    /// never neither.
    fn audit_videos(&self) {
        let both = "SELECT (SELECT count(*) FROM jobs WHERE X) + (SELECT count(*) FROM withdrawals WHERE X)";
        for key in 0..self.keys {
            let held = both.replace('X', &format!("video_key = 'key{key}'"));
            assert_eq!(number(&self.db, &held), 1, "key{key}");
        }
        for id in &self.begun {
            let held = both.replace('X', &format!("ingest_id = '{id}'"));
            assert_eq!(number(&self.db, &held), 1, "{id}");
        }
        let mut statement = self
            .db
            .prepare("SELECT job_id, ingest_id, video_key, finished_at IS NOT NULL, account FROM withdrawals ORDER BY id")
            .unwrap();
        let mut rows = statement.query([]).unwrap();
        for gone in &self.let_go {
            let row = rows
                .next()
                .unwrap()
                .expect("nothing vanishes from the list");
            assert_eq!(JobId(row.get(0).unwrap()), gone.job);
            assert_eq!(row.get::<_, String>(1).unwrap(), gone.ingest_id);
            assert_eq!(row.get::<_, Option<String>>(2).unwrap(), gone.key);
            assert_eq!(row.get::<_, bool>(3).unwrap(), gone.finished);
            assert_eq!(
                row.get::<_, String>(4).unwrap(),
                self.jobs[self.place(gone.job)].new.account
            );
        }
        assert!(
            rows.next().unwrap().is_none(),
            "no video is on the list twice"
        );
    }
}

pub(super) fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap()
}
