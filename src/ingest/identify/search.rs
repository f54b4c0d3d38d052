//! The look for others with the content of one file, until one is found or all are ruled out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::proof::{self, Proof};
use super::sums::{self, Sums};
use crate::clock;
use crate::ingest::attempt::Attempt;
use crate::ingest::end::End;
use crate::ingest::evidence::{self, Answer, Fault};
use crate::ingest::lost;
use crate::ingest::moments::later;
use crate::ingest::record::agreed;
use crate::ingest::source::Source;
use crate::platform::Client;
use crate::queue::copies::{Original, Words};
use crate::queue::sent::{self, Sent};
use crate::queue::{Advice, JobId};

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
    attempt: &'a Attempt,
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
        attempt: &'a Attempt,
        client: &'a Client,
        source: &'a Arc<Source>,
        fingerprint: String,
    ) -> Self {
        Self {
            attempt,
            client,
            source,
            fingerprint,
            ruled_out: BTreeSet::new(),
            sums: None,
        }
    }

    /// Looks until no other job has the content.
    pub(super) async fn run(mut self) -> Result<(), End> {
        for _ in 0..MOST_ROUNDS {
            let fingerprint = (self.fingerprint.as_str(), &self.ruled_out);
            // Between two transactions another could end, and nothing would wake this one.
            let arrived = agreed::wait_for_upload(self.attempt, fingerprint, self.next_look());
            let arrived = arrived.await?;
            if arrived.is_empty() {
                return Ok(());
            }
            for original in &arrived {
                match self.compare(original, &arrived).await? {
                    Finding::Not => {
                        self.ruled_out.insert(original.id);
                    }
                    Finding::Changed => {}
                }
            }
        }
        Err(End::PARKED)
    }

    /// When a job that waits looks again.
    fn next_look(&self) -> Timestamp {
        let rest = self.attempt.settings().config.retry.max_delay;
        later(clock::now(), LONGEST_REST.min(rest))
    }

    /// Whether all of the file must be read to tell whether it is this one.
    fn needs_sums(&self, original: &Original) -> bool {
        let size = original.parts_md5.as_deref().and_then(sums::part_size);
        let is_made = |sums: &Sums| sums.is_enough(&size.into_iter().collect());
        proof::takes_sums(original, self.source.size()) && !self.sums.as_ref().is_some_and(is_made)
    }

    /// Reads all of the file, once for all that may be the same.
    async fn sum_up(&mut self, arrived: &[Original]) -> Result<(), End> {
        let part_sizes: BTreeSet<u64> = arrived
            .iter()
            .filter_map(|original| sums::part_size(original.parts_md5.as_deref()?))
            .collect();
        self.sums = Some(super::sum(self.attempt, self.source, part_sizes).await?);
        Ok(())
    }

    /// What is stored rules out; only the platform, asked now, says that a content is there. It is asked before the
    /// whole file is read too, as that takes minutes and is for nothing without a yes.
    async fn compare(&mut self, original: &Original, arrived: &[Original]) -> Result<Finding, End> {
        if self.needs_sums(original) {
            if !original.is_unconfirmed
                && let Answered::Otherwise(finding) = self.ask(original).await?
            {
                return Ok(finding);
            }
            self.sum_up(arrived).await?;
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
                if self.sums.is_none() {
                    self.sum_up(arrived).await?;
                }
                (Proof::Open, Some(theirs))
            }
        };
        match proof::with_what_is_there(proof, theirs.as_deref(), self.sums.as_ref()) {
            Proof::Same => {
                let learnt = theirs.filter(|_| proof == Proof::Open);
                // What was read of it was read before the platform was asked.
                self.attempt.check_unmoved(self.source).await?;
                agreed::is_duplicate(self.attempt, original, learnt).await?;
                // It failed just now.
                Ok(Finding::Not)
            }
            Proof::Other => Ok(Finding::Not),
            Proof::Open => self.wait_for_proof(original).await,
        }
    }

    /// Asks whether the platform has what the other has sent.
    async fn ask(&self, original: &Original) -> Result<Answered, End> {
        let Some(sent) = self.sent(original).await? else {
            return Ok(Answered::Otherwise(Finding::Not));
        };
        let asked = self.attempt.answer(evidence::ask(self.client, &sent));
        let finding = match asked.await? {
            Answer::Yes(video) => return Ok(Answered::There(video.md5)),
            Answer::No(Fault::Uncompared(Some(theirs))) => {
                return Ok(Answered::Uncompared(theirs));
            }
            Answer::No(fault) if fault.is_loss() => {
                let is_displaced = original.path == self.attempt.job().path;
                let told = (&sent, &fault);
                if lost::settle(&self.attempt.context, told, is_displaced).await? {
                    // It may look for its own video now, which is waited for.
                    Finding::Changed
                } else {
                    Finding::Not
                }
            }
            Answer::No(fault) => self.wait(original, (&sent, &fault)).await?,
            Answer::Unanswered(error) => return Err(End::Call(error)),
        };
        Ok(Answered::Otherwise(finding))
    }

    /// What the other has sent, if the key of its video is known.
    async fn sent(&self, original: &Original) -> Result<Option<Sent>, End> {
        let id = original.id;
        let sent = self.attempt.write(move |db, _| sent::of(db, id)).await?;
        Ok(sent.filter(|sent| sent.video_key.is_some()))
    }

    /// It is there, and nothing says whether it has this content.
    async fn wait_for_proof(&self, original: &Original) -> Result<Finding, End> {
        let Some(sent) = self.sent(original).await? else {
            return Ok(Finding::Not);
        };
        self.wait(original, (&sent, &Fault::Uncompared(None))).await
    }

    /// The other's bytes are on the platform: whether they are a video, shows when that is ready.
    async fn wait_for_ready(&self, original: &Original) -> Result<Finding, End> {
        agreed::wait_for_ready(self.attempt, original.id, self.next_look()).await?;
        // It has come to its end just now: it is looked at again.
        Ok(Finding::Changed)
    }

    /// The platform says neither yes nor no: the job asks again, some times, and is then uploaded itself. A second
    /// video of a content is the lesser evil beside none.
    async fn wait(
        &self,
        original: &Original,
        (sent, fault): (&Sent, &Fault),
    ) -> Result<Finding, End> {
        let (job, other) = (self.attempt.job(), original.id);
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
        let (said, path) = (fault.words(sent), self.attempt.path());
        let id = job.id;
        let why = format!("({said}); jw-ingest retry {id} uploads the file as a video of its own");
        let is_news = |before: &String| !before.contains(&why);
        if job.last_error.as_ref().is_none_or(is_news) {
            tracing::warn!(
                job.id = id.0,
                "{path}: waits for job {other}, which seems to have the same content {why}"
            );
        }
        let next = (other, self.next_look(), most);
        let words = Words {
            waits: format!("waits for job {other}, which seems to have the same content {why}"),
            advice: Advice::UploadBothInWords,
            gives_up: format!(
                "job {other} seems to have the same content, and nothing proves that its video has it {why}"
            ),
        };
        agreed::wait_for_proof(self.attempt, next, words).await?;
        tracing::warn!(
            job.id = id.0,
            "{path}: uploaded as a video of its own, since nothing proves that job {other} has the same content: {said}"
        );
        Ok(Finding::Not)
    }
}
