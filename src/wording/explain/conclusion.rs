//! The one answer that follows from the facts; pure.

use crate::identity::Identity;
use crate::queue::Job;
use crate::queue::settling::Settling;
use crate::watch::select::{Rule, Verdict};

use super::disk::Thing;
use super::facts::Facts;

/// Why the file is uploaded, or is not.
#[derive(Debug)]
pub(super) enum Conclusion<'a> {
    /// A job accounts for it: for the file that is there, or that lay there.
    Job(&'a Job),
    /// The daemon waits for it to settle. A job, if there is one, accounts for its former content.
    Settling(&'a Settling, Option<&'a Job>),
    /// It will be taken as soon as it is seen. A job, if there is one, accounts for former content.
    Unseen(Option<&'a Job>),
    /// It belongs to no watch.
    Outside,
    /// Its watch leaves it alone.
    Ignored(&'a Rule),
    /// Its watch folder is not there.
    Offline(&'a std::io::Error),
    /// Nothing is there, and no job ever did.
    Nothing,
    /// It is a folder whose files are looked at.
    Folder,
    /// It is a folder that cannot be listed, at least not by who asks.
    Unlisted(&'a std::io::Error),
    /// It cannot be looked at.
    OutOfReach(&'a std::io::Error),
}

impl<'a> Conclusion<'a> {
    pub(super) fn of(facts: &'a Facts<'_>) -> Self {
        let newest = facts.known.jobs.last();
        let thing = &facts.disk.thing;
        if let Thing::File { identity, .. } = thing
            && let Some(job) = speaks_for(&facts.known.jobs, identity)
        {
            return Self::Job(job);
        }
        // A user who cannot access the file is told what the daemon found.
        if let (Thing::Nothing | Thing::OutOfReach(_), Some(job)) = (thing, newest) {
            return Self::Job(job);
        }
        if facts.owner().is_none() {
            return Self::Outside;
        }
        if let Some(Verdict::Ignored(rule)) = &facts.disk.verdict {
            return Self::Ignored(rule);
        }
        match thing {
            Thing::Nothing => match &facts.disk.away {
                Some(error) => Self::Offline(error),
                None => Self::Nothing,
            },
            Thing::Folder(None) => Self::Folder,
            Thing::Folder(Some(error)) => Self::Unlisted(error),
            Thing::OutOfReach(error) => Self::OutOfReach(error),
            Thing::File { .. } | Thing::Link(_) | Thing::Other => match &facts.known.settling {
                // Without a daemon, the note is of one that was stopped.
                Some(settling) if facts.daemon != Some(false) => Self::Settling(settling, newest),
                _ => Self::Unseen(newest),
            },
        }
    }

    /// The word for it in JSON.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Job(_) => "job",
            Self::Settling(..) => "settling",
            Self::Unseen(_) => "unseen",
            Self::Outside => "outside",
            Self::Ignored(_) => "ignored",
            Self::Offline(_) => "offline",
            Self::Nothing => "nothing",
            Self::Folder | Self::Unlisted(_) => "folder",
            Self::OutOfReach(_) => "out-of-reach",
        }
    }
}

/// The newest job of this very file, by the rule of enqueueing; a job whose file changed, or whose
/// video got other content, accounts for nothing.
pub(super) fn speaks_for<'a>(jobs: &'a [Job], identity: &Identity) -> Option<&'a Job> {
    jobs.iter().rev().find(|job| {
        !job.superseded && job.replaced.is_none() && identity.may_still_be(&job.identity)
    })
}
