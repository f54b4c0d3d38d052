//! How much there was of each kind.

use serde_json::{Value, json};

use super::Kind;
use crate::wording::text;

/// The counts.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Whether a daemon runs, as far as we may look.
    pub(super) daemon: Option<bool>,
    /// Files whose job is done, or that are duplicates.
    pub(super) up: usize,
    /// Markers, companions and notes.
    pub(super) beside: usize,
    waiting: usize,
    left_alone: usize,
    out_of_reach: usize,
}

impl Tally {
    pub(super) fn new(daemon: Option<bool>) -> Self {
        Self {
            daemon,
            up: 0,
            beside: 0,
            waiting: 0,
            left_alone: 0,
            out_of_reach: 0,
        }
    }

    pub(super) fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Job | Kind::Settling | Kind::Unseen => self.waiting += 1,
            Kind::Ignored | Kind::IgnoredFolder => self.left_alone += 1,
            Kind::Unreadable | Kind::Offline | Kind::NoAnswer => self.out_of_reach += 1,
        }
    }

    /// The last line.
    pub(crate) fn words(&self) -> String {
        let daemon = match self.daemon {
            Some(true) => "the daemon runs",
            Some(false) => "the daemon does not run",
            None => "your permissions do not show whether the daemon runs",
        };
        format!(
            "{} waiting, {} uploaded, {} ignored, {} unreadable; {} of markers, companions and \
             notes; {daemon}",
            text::count(self.waiting, "file"),
            self.up,
            self.left_alone,
            self.out_of_reach,
            text::count(self.beside, "file"),
        )
    }

    /// The same for JSON.
    pub(crate) fn object(&self) -> Value {
        json!({
            "waiting": self.waiting,
            "up": self.up,
            "left_alone": self.left_alone,
            "out_of_reach": self.out_of_reach,
            "beside": self.beside,
            "daemon_runs": self.daemon,
        })
    }
}
