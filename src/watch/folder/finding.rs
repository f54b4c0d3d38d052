//! By which means the thread of a watch finds its files, and what counts against events.

use std::time::Duration;

use tracing::{debug, warn};

use super::super::means::Means;
use super::super::report::SeenBy;
use super::super::sighting::Sighting;
use super::Folder;

/// How soon it is said again that events were lost.
const SAY_AGAIN: Duration = Duration::from_hours(1);

impl Folder {
    /// Sets everything up for the present means.
    pub(super) fn use_means(&mut self) {
        let means = self.choice.means();
        self.events.want(means == Means::Events);
        let polls = means != Means::Events || self.events.is_degraded();
        let interval = polls.then_some(self.watch.watching.poll_interval);
        self.schedule.poll(interval, self.now());
        self.status.found_by(Some(means));
    }

    pub(super) fn events_lost(&mut self) {
        let now = self.now();
        if self.lost_said.is_none_or(|said| said + SAY_AGAIN <= now) {
            self.lost_said = Some(now);
            warn!(
                watch.name = %self.watch.name,
                advice = "if this comes often, raise the sysctl fs.inotify.max_queued_events",
                "more happened at once than the kernel could report; the whole folder is scanned \
                 instead"
            );
        }
        self.audit.clear();
        self.walks.end_audit();
        self.schedule.events_lost();
    }

    /// Counts the files that no event announced, and gives events up when there are too many.
    pub(super) fn hold_against_events(&mut self) {
        let now = self.now();
        let missed = self.audit.missed(now);
        let Some(first) = missed.first() else { return };
        self.status.missed(missed.len());
        debug!(watch.name = %self.watch.name, events_missed = missed.len(), ?first, "not announced");
        if self.choice.missed(missed.len(), now) {
            warn!(
                watch.name = %self.watch.name, path = ?first,
                "the kernel did not report some new files, this one among them; files are now \
                 found by polling, and events are tried again in a day"
            );
            self.audit.clear();
            self.use_means();
        }
    }

    /// A new file in a folder that was watched when the scan began should have been announced.
    pub(super) fn examine(&mut self, sighting: &Sighting, now: Duration) {
        let Some(began) = self.walks.audits_since() else {
            return;
        };
        let folder = sighting.path.parent();
        if sighting.by == SeenBy::Scan
            && folder.is_some_and(|folder| self.events.had(folder, began))
            && self.settler.is_new(sighting)
        {
            self.audit.suspect(&sighting.path, now);
        }
    }
}
