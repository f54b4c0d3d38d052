//! By which means a watch finds its files: by events, or by looking through the folder again and
//! again; and when to change that. Pure.
//!
//! Events are only believed as long as they prove true: what a scan finds in a watched folder and
//! no event announced counts against them.

use std::fmt;
use std::time::Duration;

use super::filesystem::Filesystem;
use crate::config::{Mode, Watch};

/// The means of one watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// The kernel's events, with a scan now and then.
    Events,
    /// Scans at short intervals, and why.
    Polling(Why),
}

/// Why a folder is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is configured so.
    Configured,
    /// Its filesystem does not announce what others do in it.
    Filesystem(&'static str),
    /// Events were missed.
    Missed,
}

/// What decides about the means of one watch.
#[derive(Debug)]
pub(super) struct Choice {
    mode: Mode,
    filesystem: Filesystem,
    /// How many files no event announced, since events are in use.
    missed: usize,
    /// When events are tried again.
    retry: Option<Duration>,
}

/// How many missed files are too many where others may write past the kernel, and elsewhere.
const ENOUGH_REMOTE: usize = 1;
const ENOUGH_LOCAL: usize = 10;
/// How long events are not tried again.
const RETRY: Duration = Duration::from_hours(24);

/// By which means the files of a watch are found at first.
pub(crate) fn of(watch: &Watch) -> Means {
    Choice::new(watch.watching.mode, Filesystem::at(&watch.path)).means()
}

impl Choice {
    pub(super) fn new(mode: Mode, filesystem: Filesystem) -> Self {
        Self {
            mode,
            filesystem,
            missed: 0,
            retry: None,
        }
    }

    /// Another folder is at the root: what is known of events was known of the old one.
    pub(super) fn appeared(&mut self, filesystem: Filesystem) {
        *self = Self::new(self.mode, filesystem);
    }

    pub(super) fn means(&self) -> Means {
        match (self.mode, self.filesystem) {
            (Mode::Poll, _) => Means::Polling(Why::Configured),
            (Mode::Auto, Filesystem::Remote(name) | Filesystem::Layered(name)) => {
                Means::Polling(Why::Filesystem(name))
            }
            _ if self.retry.is_some() => Means::Polling(Why::Missed),
            (Mode::Auto | Mode::Events, _) => Means::Events,
        }
    }

    /// No event announced so many files. Whether the means change by that.
    pub(super) fn missed(&mut self, files: usize, now: Duration) -> bool {
        self.missed = self.missed.saturating_add(files);
        let enough = match self.filesystem {
            Filesystem::Local | Filesystem::Timeless(_) => ENOUGH_LOCAL,
            Filesystem::Layered(_) | Filesystem::Remote(_) => ENOUGH_REMOTE,
        };
        let changes = self.means() == Means::Events && self.missed >= enough;
        if changes {
            self.retry = Some(now + RETRY);
        }
        changes
    }

    /// Whether to try events again; that changes the means.
    pub(super) fn try_again(&mut self, now: Duration) -> bool {
        let due = self.retry.is_some_and(|retry| retry <= now);
        if due {
            (self.retry, self.missed) = (None, 0);
        }
        due
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events => f.write_str("by events"),
            Self::Polling(Why::Configured) => f.write_str("by polling, as configured"),
            Self::Polling(Why::Filesystem(name)) => write!(
                f,
                "by polling, because {name} does not report every change made elsewhere"
            ),
            Self::Polling(Why::Missed) => f.write_str("by polling, because events were missed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filesystem_decides_unless_somebody_has() {
        use Filesystem::{Layered, Local, Remote, Timeless};
        let poll = |why| Means::Polling(why);
        for (mode, filesystem, expected) in [
            (Mode::Auto, Local, Means::Events),
            (Mode::Auto, Timeless("exfat"), Means::Events),
            (Mode::Auto, Remote("nfs"), poll(Why::Filesystem("nfs"))),
            (
                Mode::Auto,
                Layered("overlay"),
                poll(Why::Filesystem("overlay")),
            ),
            (Mode::Events, Remote("nfs"), Means::Events),
            (Mode::Poll, Local, poll(Why::Configured)),
        ] {
            assert_eq!(Choice::new(mode, filesystem).means(), expected);
        }
    }

    #[test]
    fn missed_events_change_the_means_for_a_day() {
        for (filesystem, enough) in [
            (Filesystem::Local, 10),
            (Filesystem::Timeless("fat"), 10),
            (Filesystem::Remote("fuse"), 1),
        ] {
            let mut choice = Choice::new(Mode::Events, filesystem);
            let now = Duration::from_secs(5);
            for _ in 1..enough {
                assert!(!choice.missed(1, now));
            }
            assert_eq!(choice.means(), Means::Events);
            assert!(choice.missed(1, now), "{enough}");
            assert!(!choice.missed(1, now), "said once");
            assert_eq!(choice.means(), Means::Polling(Why::Missed));
            assert!(!choice.try_again(now));
            assert!(choice.try_again(now + RETRY));
            assert_eq!(choice.means(), Means::Events);
            assert!(!choice.missed(enough - 1, now), "counted again");
            choice.missed(1, now);
            choice.appeared(filesystem);
            assert_eq!(
                choice.means(),
                Means::Events,
                "another folder, another chance"
            );
        }
    }

    #[test]
    fn misses_of_a_polled_folder_say_nothing() {
        let mut choice = Choice::new(Mode::Poll, Filesystem::Local);
        assert!(!choice.missed(99, Duration::ZERO));
        assert_eq!(choice.means(), Means::Polling(Why::Configured));
    }
}
