//! The look for others with the content of one file, until one is found or all are ruled out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::proof::{self, Proof};
use super::settle;
use super::sums::{self, Sums};
use crate::ingest::calls::{park, settle_call, until_stopped};
use crate::ingest::evidence::{self, Answer, Fault};
use crate::ingest::persist::persist;
use crate::ingest::source::Source;
use crate::ingest::worker::{Next, Task};
use crate::ingest::{fate, lost};
use crate::platform::Client;
use crate::queue::copies::{self, Original, Others};
use crate::queue::sent::{self, Sent};
use crate::queue::{Error, JobId, Lease};
use crate::{clock, text};

/// A job that waits for another looks again so often: the other may have been put off for reasons
/// of its own, and then this one goes first.
const LONGEST_REST: Duration = Duration::from_mins(10);

/// Answers without a proof after which a job is uploaded itself: the platform may come to report a
/// checksum, but what it never reported it does not report later.
const MOST_UNPROVEN: i64 = 3;

/// The same where the platform works on the other's video: for about a day.
const MOST_NOT_READY: i64 = 144;

/// Each round rules others out, so that it takes as many only if the table changes all the time.
const MOST_ROUNDS: u32 = 100;

/// The look for others with the content of one file.
pub(super) struct Search<'a> {
    task: &'a Task,
    lease: &'a Lease,
    client: &'a Client,
    source: &'a Arc<Source>,
    fingerprint: String,
    /// Those that have other content, or no video any more.
    ruled_out: BTreeSet<JobId>,
    /// Of the whole file; only made where it takes them.
    sums: Option<Sums>,
}

/// What became of one that may be the same.
enum Finding {
    /// It is not, or not any more.
    Not,
    /// It decided about this attempt.
    Settled(Next),
    /// It is another one by now: it is looked at again.
    Changed,
}

/// What the platform says about another's video.
enum Answered {
    /// It has what the other sent; with the MD5 that it tells.
    There(Option<String>),
    /// It has something with this MD5, and that of what the other sent is not known.
    Uncompared(String),
    /// Neither; this follows.
    Otherwise(Finding),
}

impl<'a> Search<'a> {
    pub(super) fn new(
        task: &'a Task,
        lease: &'a Lease,
        client: &'a Client,
        source: &'a Arc<Source>,
        fingerprint: String,
    ) -> Self {
        Self {
            task,
            lease,
            client,
            source,
            fingerprint,
            ruled_out: BTreeSet::new(),
            sums: None,
        }
    }

    /// `None`: no other job has the content.
    pub(super) async fn run(mut self) -> Result<Option<Next>, Error> {
        for _ in 0..MOST_ROUNDS {
            let others = self.look_or_wait().await?;
            if others.arrived.is_empty() {
                return Ok(others.under_way.map(|other| {
                    let path = text::path(&self.lease.job.path);
                    tracing::info!(job.id = self.lease.job.id.0, "{path}: waits for job {other}, which seems to have the same content and is being uploaded");
                    Next::Finished
                }));
            }
            for original in &others.arrived {
                match self.compare(original, &others.arrived).await? {
                    Finding::Settled(next) => return Ok(Some(next)),
                    Finding::Not => {
                        self.ruled_out.insert(original.id);
                    }
                    Finding::Changed => {}
                }
            }
        }
        park(self.task, self.lease).await.map(Some)
    }

    /// Which other jobs may have it. Where that is only one in progress, the job is given back at
    /// once: between two transactions the other could end, and nothing would wake this one.
    async fn look_or_wait(&self) -> Result<Others, Error> {
        let (lease, fingerprint) = (self.lease.clone(), self.fingerprint.clone());
        let ruled_out = self.ruled_out.clone();
        let (now, run_at) = self.next_look();
        persist(&self.task.context, move |db| {
            let others = copies::look(db, &lease, &fingerprint, &ruled_out)?;
            if let (true, Some(other)) = (others.arrived.is_empty(), others.under_way) {
                copies::wait(db, &lease, (other, run_at), (copies::BEING_UPLOADED, now))?;
            }
            Ok(others)
        })
        .await
    }

    /// The present, and when a job that waits looks again.
    fn next_look(&self) -> (Timestamp, Timestamp) {
        let rest = self.task.context.now_settings().config.retry.max_delay;
        let now = clock::now();
        (now, fate::later(now, LONGEST_REST.min(rest)))
    }

    /// Whether all of the file must be read to tell whether it is this one.
    fn needs_sums(&self, original: &Original) -> bool {
        let size = original.parts_md5.as_deref().and_then(sums::part_size);
        let is_made = |sums: &Sums| sums.is_enough(&size.into_iter().collect());
        proof::takes_sums(original, self.source.size()) && !self.sums.as_ref().is_some_and(is_made)
    }

    /// Reads all of the file, once for all that may be the same. `Some`: the attempt has ended over
    /// it.
    async fn sum_up(&mut self, arrived: &[Original]) -> Result<Option<Next>, Error> {
        let part_sizes: BTreeSet<u64> = arrived
            .iter()
            .filter_map(|original| sums::part_size(original.parts_md5.as_deref()?))
            .collect();
        match super::sum(self.task, self.source, part_sizes).await {
            Ok(Some(sums)) => self.sums = Some(sums),
            Ok(None) => return park(self.task, self.lease).await.map(Some),
            Err(problem) => return settle(self.task, self.lease, problem).await.map(Some),
        }
        Ok(None)
    }

    /// What is stored rules out; only the platform, asked now, says that a content is there. It is asked before the
    /// whole file is read too, as that takes minutes and is for nothing without a yes.
    async fn compare(
        &mut self,
        original: &Original,
        arrived: &[Original],
    ) -> Result<Finding, Error> {
        if self.needs_sums(original) {
            if !original.is_unconfirmed
                && let Answered::Otherwise(finding) = self.ask(original).await?
            {
                return Ok(finding);
            }
            if let Some(settled) = self.sum_up(arrived).await? {
                return Ok(Finding::Settled(settled));
            }
        }
        let proof = proof::stored(original, self.source.size(), self.sums.as_ref());
        if proof == Proof::Other {
            return Ok(Finding::Not);
        }
        if original.is_unconfirmed {
            return self.wait_for_ready(original).await;
        }
        let (proof, theirs) = match self.ask(original).await? {
            Answered::Otherwise(finding) => return Ok(finding),
            Answered::There(theirs) => (proof, theirs),
            // What was stored does not count beside it: it is not known whether it is still there.
            Answered::Uncompared(theirs) => {
                if self.sums.is_none()
                    && let Some(settled) = self.sum_up(arrived).await?
                {
                    return Ok(Finding::Settled(settled));
                }
                (Proof::Open, Some(theirs))
            }
        };
        match proof::with_what_is_there(proof, theirs.as_deref(), self.sums.as_ref()) {
            Proof::Same => {
                let learnt = theirs.filter(|_| proof == Proof::Open);
                self.duplicate(original, learnt).await
            }
            Proof::Other => Ok(Finding::Not),
            Proof::Open => self.wait_for_proof(original).await,
        }
    }

    /// Asks whether the platform has what the other has sent.
    async fn ask(&self, original: &Original) -> Result<Answered, Error> {
        let Some(sent) = self.sent(original).await? else {
            return Ok(Answered::Otherwise(Finding::Not));
        };
        let finding = match until_stopped(self.task, evidence::ask(self.client, &sent)).await {
            None => park(self.task, self.lease).await.map(Finding::Settled)?,
            Some(Answer::Yes(video)) => return Ok(Answered::There(video.md5)),
            Some(Answer::No(Fault::Uncompared(Some(theirs)))) => {
                return Ok(Answered::Uncompared(theirs));
            }
            Some(Answer::No(fault)) if fault.is_loss() => {
                let is_displaced = original.path == self.lease.job.path;
                let told = (&sent, &fault);
                if lost::settle(&self.task.context, told, is_displaced).await? {
                    // It may look for its own video now, which is waited for.
                    Finding::Changed
                } else {
                    Finding::Not
                }
            }
            Some(Answer::No(fault)) => self.wait(original, (&sent, &fault)).await?,
            Some(Answer::Unanswered(error)) => {
                settle_call(self.task, self.lease, &error).await?;
                Finding::Settled(Next::Finished)
            }
        };
        Ok(Answered::Otherwise(finding))
    }

    /// What the other has sent, if the key of its video is known.
    async fn sent(&self, original: &Original) -> Result<Option<Sent>, Error> {
        let id = original.id;
        let sent = persist(&self.task.context, move |db| sent::of(db, id)).await?;
        Ok(sent.filter(|sent| sent.video_key.is_some()))
    }

    /// It is there, and nothing says whether it has this content.
    async fn wait_for_proof(&self, original: &Original) -> Result<Finding, Error> {
        let Some(sent) = self.sent(original).await? else {
            return Ok(Finding::Not);
        };
        self.wait(original, (&sent, &Fault::Uncompared(None))).await
    }

    /// The other's bytes are on the platform: whether they are a video, shows when that is ready.
    async fn wait_for_ready(&self, original: &Original) -> Result<Finding, Error> {
        let (lease, id) = (self.lease.clone(), original.id);
        let (now, run_at) = self.next_look();
        let waits = persist(&self.task.context, move |db| {
            copies::wait_for_ready(db, &lease, (id, run_at), now)
        });
        if !waits.await? {
            // It has come to its end just now: it is looked at again.
            return Ok(Finding::Changed);
        }
        let path = text::path(&self.lease.job.path);
        tracing::info!(
            job.id = self.lease.job.id.0,
            "{path}: waits for job {id}, which seems to have the same content and is not ready on the platform yet"
        );
        Ok(Finding::Settled(Next::Finished))
    }

    /// The platform says neither yes nor no: the job asks again, some times, and is then uploaded itself. A second
    /// video of a content is the lesser evil beside none.
    async fn wait(
        &self,
        original: &Original,
        (sent, fault): (&Sent, &Fault),
    ) -> Result<Finding, Error> {
        let (lease, id, other) = (self.lease.clone(), self.lease.job.id, original.id);
        let (now, run_at) = self.next_look();
        let most = match fault {
            Fault::NotReady(_) => MOST_NOT_READY,
            Fault::ChangedSince | Fault::Untold | Fault::Uncompared(_) | Fault::NoKey => {
                MOST_UNPROVEN
            }
            Fault::Gone
            | Fault::Failed(_)
            | Fault::OtherBytes
            | Fault::Misfetched
            | Fault::Replaced => 0,
        };
        let said = fault.words(sent);
        let why = format!("({said}); jw-ingest retry {id} uploads the file as a video of its own");
        if self
            .lease
            .job
            .last_error
            .as_ref()
            .is_none_or(|said| !said.contains(&why))
        {
            let path = text::path(&self.lease.job.path);
            tracing::warn!(
                job.id = id.0,
                "{path}: waits for job {other}, which seems to have the same content {why}"
            );
        }
        let waits = persist(&self.task.context, move |db| {
            copies::wait_for_proof(db, &lease, (other, run_at, most), (&why, now))
        });
        if waits.await? {
            return Ok(Finding::Settled(Next::Finished));
        }
        let path = text::path(&self.lease.job.path);
        tracing::warn!(
            job.id = id.0,
            "{path}: uploaded as a video of its own, since nothing proves that job {other} has the same content: {said}"
        );
        Ok(Finding::Not)
    }

    /// `learnt`: the MD5 of the other's video, where that of what it sent is not known.
    async fn duplicate(
        &self,
        original: &Original,
        learnt: Option<String>,
    ) -> Result<Finding, Error> {
        let (lease, id, now) = (self.lease.clone(), original.id, clock::now());
        let written = persist(&self.task.context, move |db| {
            let written = copies::duplicate(db, &lease, id, now)?;
            if let (true, Some(md5)) = (written, &learnt) {
                copies::content_is(db, id, md5)?;
            }
            Ok(written)
        });
        if !written.await? {
            // It failed just now.
            return Ok(Finding::Not);
        }
        let (path, theirs) = (text::path(&self.lease.job.path), text::path(&original.path));
        let key = original.video_key.as_deref().unwrap_or("not known");
        tracing::info!(
            job.id = self.lease.job.id.0,
            video.key = key,
            "{path}: not uploaded, since it has the content of {theirs}, which is video {key} (job {id})"
        );
        Ok(Finding::Settled(Next::Finished))
    }
}
