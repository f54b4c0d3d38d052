//! Sidecars that stayed when their video went, because they were not sent to the platform: once it
//! was, they follow.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::Case;
use crate::queue::error::Error;
use crate::queue::job::JobId;
use crate::queue::sql::At;

/// How a video went whose sidecar stayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// To where its row says.
    Moved,
    /// It was deleted.
    Deleted,
}

impl Went {
    /// The word in the column.
    fn word(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Deleted => "deleted",
        }
    }

    /// Unknown words are none.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Moved, Self::Deleted]
            .into_iter()
            .find(|known| known.word() == word)
    }
}

/// The video went, and a sidecar stayed (`None`: none did); in the transaction that writes down that it is done.
///
/// What was sent to the platform since the case was read is looked at at once: that rings no other
/// bell.
pub fn left(db: &Connection, case: &Case, went: Option<Went>, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE afterwards SET sidecar_left = ?2,
                due_at = iif(?2 IS NOT NULL AND (SELECT digest FROM metadata WHERE metadata.job_id = ?3) IS NOT ?4, ?5, due_at)
         WHERE job_id = ?1",
    )?
    .execute(params![
        case.job.id.0,
        went.map(Went::word),
        case.original.id.0,
        case.told,
        At(now)
    ])?;
    Ok(())
}

/// The sidecar of a job's video was sent to the platform: what stayed for that, of the job or of a
/// copy, is due. What is beside the path of a newer job is that one's.
pub(in crate::queue) fn told(db: &Connection, job: JobId, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "UPDATE afterwards SET due_at = ?2, attempts = 0, last_error = NULL
         WHERE sidecar_left IS NOT NULL AND due_at IS NULL AND going_to IS NULL AND action IN ('move', 'trash', 'delete')
           AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = afterwards.job_id AND ?1 IN (jobs.id, jobs.duplicate_of)
                         AND NOT EXISTS (SELECT 1 FROM jobs AS newer WHERE newer.path = jobs.path AND newer.id > jobs.id))",
    )?
    .execute(params![job.0, At(now)])?;
    Ok(())
}
