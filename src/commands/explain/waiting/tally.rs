//! How much there was of each kind.

use serde_json::{Value, json};

use super::super::super::show::text;
use super::Kind;

/// The counts.
#[derive(Debug, Default)]
pub(in super::super) struct Tally {
    /// Files whose job is done, or that are duplicates.
    pub(in super::super) up: usize,
    /// Markers, companions and notes.
    pub(in super::super) beside: usize,
    waiting: usize,
    left_alone: usize,
    out_of_reach: usize,
}

impl Tally {
    pub(in super::super) fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Job | Kind::Settling | Kind::Unseen => self.waiting += 1,
            Kind::Ignored | Kind::IgnoredFolder => self.left_alone += 1,
            Kind::Unreadable | Kind::Offline | Kind::NoAnswer => self.out_of_reach += 1,
        }
    }

    /// The last line.
    pub(in super::super) fn words(&self, daemon: Option<bool>) -> String {
        let daemon = match daemon {
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
    pub(in super::super) fn object(&self, daemon: Option<bool>) -> Value {
        json!({
            "waiting": self.waiting,
            "up": self.up,
            "left_alone": self.left_alone,
            "out_of_reach": self.out_of_reach,
            "beside": self.beside,
            "daemon_runs": daemon,
        })
    }
}
