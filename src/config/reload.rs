//! What a running daemon can take over from a changed configuration, and what it cannot.

use super::Config;

impl Config {
    /// The first key that differs from `next` although it can change with a restart only, such as
    /// `database.path`; everything else may be taken over while running.
    pub(crate) fn needs_restart(&self, next: &Self) -> Option<&'static str> {
        (self.database.path != next.database.path).then_some("database.path")
    }
}
