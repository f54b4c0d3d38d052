//! The whole story of a path: one fact a line, each with its time, oldest first.

mod after;
pub(super) mod file;
pub(super) mod job;
mod settling;
mod surroundings;

use jiff::Timestamp;

use super::conclusion::Conclusion;
use super::facts::Facts;
use crate::wording::time::Present;

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    /// When it happened, or is expected; the present for what is so now.
    pub(super) at: Timestamp,
    /// What it is about, a word.
    pub(super) what: &'static str,
    /// The fact.
    pub(super) text: String,
    /// The job that it is about, if one.
    pub(super) job: Option<i64>,
}

impl Fact {
    fn new(at: Timestamp, what: &'static str, text: impl Into<String>) -> Self {
        Self {
            at,
            what,
            text: text.into(),
            job: None,
        }
    }
}

/// All facts, oldest first.
pub(super) fn tell(facts: &Facts<'_>, conclusion: &Conclusion<'_>, present: &Present) -> Vec<Fact> {
    let mut told = file::facts(facts, conclusion, present);
    told.extend(settling::facts(facts, conclusion, present));
    for job in &facts.known.jobs {
        told.extend(job::facts(facts, job, conclusion, present));
    }
    told.extend(surroundings::facts(facts, present));
    // What happened at one moment stays in the order in which it was told.
    told.sort_by_key(|fact| fact.at);
    told
}

/// The clock of a fact, as wide as the widest.
pub(super) fn clock(fact: &Fact, present: &Present) -> String {
    if fact.at == present.now {
        return "now".to_owned();
    }
    present.clock_with_seconds(fact.at)
}
