//! What a refusal means once an upload in parts should have been completed, and the platform still
//! says that the video has no bytes.

use std::time::Duration;

use jiff::Timestamp;

use crate::disposition::Disposition;
use crate::ingest::moments::is_within;
use crate::platform;
use crate::upload;

/// Only a completion closes an upload, and one of 25 GB may take its time: the video is believed to
/// have got nothing only so long after the last call.
const COMPLETING: Duration = Duration::from_hours(1);

/// How many calls, with growing pauses, that all left open what became of them: about an hour.
const MOST_TRIES: i64 = 8;

/// The disposition, where it is another one than the error alone would have. `completed_at`: when
/// an earlier attempt called for the completion; `tries`: how many attempts on this video have
/// ended open.
pub(super) fn disposition(
    error: &upload::Error,
    completed_at: Option<Timestamp>,
    tries: i64,
    now: Timestamp,
) -> Option<Disposition> {
    match error {
        // A token that died (401, 403) says nothing of that.
        upload::Error::Listing(platform::Error::Refused(refusal))
            if matches!(refusal.status, 404 | 410) =>
        {
            // To start over would delete what is being put together, and send all of it again.
            let is_fresh = completed_at.is_some_and(|at| is_within(at, COMPLETING, now));
            is_fresh.then_some(Disposition::Ambiguous)
        }
        upload::Error::Completing(platform::Error::Refused(refusal)) => {
            // It will say so forever: another video may do better.
            let is_definite = matches!(refusal.status, 401 | 403 | 404 | 409 | 410);
            (is_definite && tries >= MOST_TRIES).then_some(Disposition::LinkExpired)
        }
        _ => None,
    }
}

/// Whether the upload takes nothing any more, as the list of its parts says.
pub(super) fn is_closed(error: &upload::Error) -> bool {
    matches!(error, upload::Error::Listing(platform::Error::Refused(refusal))
        if matches!(refusal.status, 404 | 409 | 410))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::v2::Target;
    use crate::platform::{Cause, Effect, Refusal};

    fn refused(target: Target, status: u16) -> platform::Error {
        platform::Error::Refused(Box::new(Refusal {
            call: String::new(),
            effect: Effect::Once,
            status,
            cause: Cause::Status(target),
            word: String::new(),
            message: String::new(),
            after: None,
            request_id: None,
        }))
    }

    #[test]
    fn a_closed_upload_was_completed_and_one_that_cannot_be_is_given_up() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let listing = |status| upload::Error::Listing(refused(Target::Parts, status));
        let completing = |status| upload::Error::Completing(refused(Target::Complete, status));
        for (error, completed_at, tries, expected) in [
            (listing(404), Some(at(0)), 1, Some(Disposition::Ambiguous)),
            (listing(404), Some(at(-3600)), 1, None),
            (listing(404), None, 1, None),
            (listing(403), Some(at(0)), 1, None),
            (completing(409), Some(at(0)), 7, None),
            (completing(409), None, 8, Some(Disposition::LinkExpired)),
            (completing(404), None, 9, Some(Disposition::LinkExpired)),
            (completing(503), None, 9, None),
            (upload::Error::Empty, Some(at(0)), 9, None),
        ] {
            let got = disposition(&error, completed_at, tries, at(10));
            assert_eq!(got, expected, "{error:?} {completed_at:?} {tries}");
        }
    }
}
