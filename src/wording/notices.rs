//! What holds for more than one job, in words for the operator: a paused account, a clock that is wrong,
//! files that settle.

use std::path::Path;

use super::text;
use super::time::Present;
use crate::clock;
use crate::disposition::Need;
use crate::queue::accounts::{Cause, Paused};
use crate::queue::clocks::Skewed;
use crate::queue::settling::Waiting;
use crate::queue::{Job, State};

/// One line that explains a paused account.
pub(crate) fn pause(paused: &Paused, present: &Present) -> String {
    let probe = if paused.trying {
        "a probe was answered, and one upload at a time is tried".to_owned()
    } else if paused.probe_at > present.now {
        format!("next probe {}", present.both(paused.probe_at))
    } else {
        "the next probe is due".to_owned()
    };
    format!(
        "account {} is paused since {}: {}; {probe}{}",
        paused.account,
        present.both(paused.since),
        text::line(&paused.reason),
        remedy(paused),
    )
}

/// Whether a pause ends only when a person does something.
pub(crate) fn needs_person(paused: &Paused) -> bool {
    !paused.cause.is_unreachable() && !paused.trying
}

/// The clock that keeps an open job waiting, or may: one that is over goes by no clock.
pub(crate) fn clock_of<'a>(job: &Job, clocks: &'a [Skewed]) -> Option<&'a Skewed> {
    let is_open = matches!(job.state, State::Queued | State::Running);
    let mut clocks = clocks.iter();
    clocks.find(|skewed| is_open && skewed.account == job.account)
}

/// One line about a clock that differs from the platform's.
pub(crate) fn clock(skewed: &Skewed, present: &Present) -> String {
    format!(
        "{} (account {}, measured {}); uploads go by the platform's time",
        clock::complaint(skewed.ahead_s),
        skewed.account,
        present.both(skewed.measured_at)
    )
}

/// What is seen and has no job yet: how much, and what the first of it waits for.
pub(crate) fn settling(waiting: &Waiting) -> Option<String> {
    let (path, why) = waiting.oldest.as_ref()?;
    let name = text::path(path.file_name().map_or(path.as_path(), Path::new));
    let are = if waiting.number == 1 { "is" } else { "are" };
    Some(format!(
        "{} {are} settling ({name}: {}); `jw-ingest explain FILE` shows more",
        text::count(waiting.number, "file"),
        text::line(why)
    ))
}

/// What fixes a paused account: what a person must see to.
fn remedy(paused: &Paused) -> &'static str {
    match paused.cause {
        Cause::Unreachable => {
            "; it resumes by itself once the network, name resolution and the platform work again"
        }
        // The reason says it already.
        Cause::Refused(Need::Clock) => "; jw-ingest tests the account by itself and resumes",
        Cause::Refused(Need::Plan) => {
            "; the property's plan is exhausted: free space on it, or extend it"
        }
        Cause::Refused(Need::Certificates) => "; install the machine's CA certificates",
        Cause::Refused(Need::Credentials) => "; compare key and secret with those of the property",
    }
}
