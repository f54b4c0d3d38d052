//! What systemd hears of us: ready, what we are doing, that we are alive, that we stop.
//!
//! The watchdog is fed only after the job table has answered: a runtime or a database that hangs
//! is noticed, and the service started again.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::clock;
use crate::ingest::Context;
use crate::queue::overview::read_overview;
use crate::wording::overview::verdict;

/// How often the status line is brought up to date at most.
const STATUS_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Systemd {
    watchdog: Option<Duration>,
    fed: Instant,
    told: Instant,
    status: String,
}

impl Systemd {
    /// Tells systemd that the daemon is running.
    pub(super) fn ready() -> Self {
        say(&[NotifyState::Ready]);
        let now = Instant::now();
        Self {
            watchdog: sd_notify::watchdog_enabled(),
            fed: now,
            told: now,
            status: String::new(),
        }
    }

    /// Feeds the watchdog and tells the status when it is time.
    pub(super) async fn tick(&mut self, context: &Context) {
        let feed = self
            .watchdog
            .is_some_and(|limit| self.fed.elapsed() >= limit / 3);
        let tell =
            self.told.elapsed() >= STATUS_PAUSE && std::env::var_os("NOTIFY_SOCKET").is_some();
        if !feed && !tell {
            return;
        }
        let answer = context.queue.jot(read_overview).await;
        // A full disk is an answer too: starting again would not fix it.
        if feed
            && answer
                .as_ref()
                .map_or_else(crate::queue::Error::is_passing, |_| true)
        {
            say(&[NotifyState::Watchdog]);
            self.fed = Instant::now();
        }
        if tell {
            self.told = Instant::now();
            let status = answer.map_or_else(
                |_| "the database cannot be used".to_owned(),
                |overview| verdict(&overview, Some(true), clock::now()),
            );
            if status != self.status {
                say(&[NotifyState::Status(&status)]);
                self.status = status;
            }
        }
    }
}

/// Tells systemd that the daemon stops.
pub(super) fn stopping() {
    say(&[NotifyState::Stopping]);
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd does not listen");
    }
}
