//! The strong question before a job is done: what the platform has received of its video.
//!
//! The list that says `ready` reports no size and no checksum where the API is v2; the originals of
//! a video do. They are asked for wherever no upload server has confirmed every byte of it: what
//! the platform fetched, what came by FTP, what was taken over, and a video that is to show new
//! content.

use jiff::Timestamp;

use crate::platform::{Client, Error, Status, Video};
use crate::queue::confirm::Waiting;
use crate::way::Way;

/// Videos examined per look: each costs two calls, of which some sixty a minute are allowed.
const AT_ONCE: usize = 3;

/// The questions of one look.
pub(super) struct Questions<'a> {
    client: &'a Client,
    now: Timestamp,
    left: usize,
}

impl<'a> Questions<'a> {
    pub(super) fn new(client: &'a Client, now: Timestamp) -> Self {
        Self {
            client,
            now,
            left: AT_ONCE,
        }
    }

    /// The job's video with all that the platform reports of it; the inner `None`: there is no such
    /// video. The outer `None`: it is not asked now, and its turn comes with the next look.
    ///
    /// # Errors
    /// The platform did not answer; then no other video is asked about in this look.
    pub(super) async fn ask(
        &mut self,
        job: &Waiting,
        seen: Option<&Video>,
    ) -> Result<Option<Option<Video>>, Error> {
        let Some(video) = seen.filter(|video| self.is_open(job, video)) else {
            return Ok(Some(seen.cloned()));
        };
        if self.left == 0 || !self.is_its_turn(job) {
            return Ok(None);
        }
        self.left -= 1;
        match self.client.examine(&video.key).await {
            Ok(video) => Ok(Some(Some(video))),
            Err(error) if error.is_not_found() => Ok(Some(None)),
            Err(error) => {
                self.left = 0;
                Err(error)
            }
        }
    }

    /// Whether the list says too little of a video to end the job.
    fn is_open(&self, job: &Waiting, video: &Video) -> bool {
        !self.client.lists_checksums() && video.status == Status::Ready && needs_proof(job)
    }

    /// One that has just become ready is asked about at once, one that was ready before when it is due.
    fn is_its_turn(&self, job: &Waiting) -> bool {
        job.run_at <= self.now || job.status.as_deref() != Some(Status::Ready.word())
    }
}

/// Whether nothing but the platform can tell that the job's bytes are there, and something is known to
/// compare them with.
fn needs_proof(job: &Waiting) -> bool {
    let is_unknown = job.way == Some(Way::Fetch) && job.md5.is_none();
    !is_unknown && (!job.is_verified || job.replaces.is_some())
}
