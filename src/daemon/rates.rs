//! Keeps the limit of all uploads at what the configuration says for this moment.
//!
//! It looks at the clock on the wall once a second, just after the second begins, and at once when
//! the configuration was read again.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;

use crate::clock;
use crate::config::{Rate, Rates};
use crate::ingest::{Context, Settings};
use crate::queue;

/// Sets the limit, and says when it changes.
pub(super) struct Keeper {
    context: Context,
    limit: Option<Rate>,
}

impl Keeper {
    /// Sets the limit of this moment, before any upload begins.
    pub(super) fn start(context: Context) -> Self {
        let mut keeper = Self {
            context,
            limit: None,
        };
        let settings = keeper.context.now_settings();
        keeper.look(&settings);
        keeper
    }

    /// Runs until the daemon stops.
    ///
    /// # Errors
    /// None; it is a loop like others.
    pub(super) async fn run(mut self) -> Result<(), queue::Error> {
        let mut source = self.context.settings.clone();
        let stop = self.context.stop.clone();
        loop {
            let settings = Arc::clone(&source.borrow_and_update());
            let now = self.look(&settings);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = source.changed() => if changed.is_err() {
                    // The supervisor is gone, and the daemon about to be.
                    stop.cancelled().await;
                },
                () = tokio::time::sleep(until_next_second(now)) => {}
            }
        }
    }

    fn look(&mut self, settings: &Settings) -> DateTime {
        let now = clock::local();
        let rates = &settings.config.upload.rates;
        let limit = rates.at(now).limit;
        self.context.throttle.set(limit.map(Rate::bytes));
        if limit != self.limit.as_ref() {
            self.limit = limit.cloned();
            tracing::info!("{}", said(rates, now));
        }
        now
    }
}

/// What is in force, for the log.
fn said(rates: &Rates, now: DateTime) -> String {
    let held = rates.at(now);
    let until = rates
        .next_change(now)
        .map(|time| format!(" until {}", time.strftime("%H:%M")))
        .unwrap_or_default();
    let by = if held.by_timetable {
        "timetable"
    } else {
        "bandwidth-limit"
    };
    match held.limit {
        Some(limit) => format!("uploads are limited to {limit}{until} ({by})"),
        None => format!("uploads are not limited{until}"),
    }
}

fn until_next_second(now: DateTime) -> Duration {
    let past = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
    Duration::from_secs(1).saturating_sub(Duration::from_nanos(past.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config;

    fn rates(upload: &str) -> Rates {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().display();
        let secret = folder.path().join("secret");
        fs::write(&secret, "s").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(folder.path().join("news")).unwrap();
        let text = format!(
            "[account.main]\nkey = \"abcd1234\"\nsecret-file = \"{dir}/secret\"\n\
             [[watch]]\nname = \"news\"\npath = \"{dir}/news\"\n[upload]\n{upload}"
        );
        let file = folder.path().join("daemon.toml");
        config::parse(&text, &file).unwrap().upload.rates
    }

    #[test]
    fn a_change_is_said_with_its_reason_and_its_end() {
        let slot = "[[upload.timetable]]\nfrom = \"08:00\"\nto = \"18:00\"\ndays = \"mon-fri\"\n\
                    limit = \"20 Mbit/s\"\n";
        let both = format!("bandwidth-limit = \"40 MB/s\"\n{slot}");
        // The first is a Monday.
        for (upload, now, says) in [
            ("", "2026-06-01T10:00", "uploads are not limited"),
            (
                "bandwidth-limit = \"40 MB/s\"",
                "2026-06-01T10:00",
                "uploads are limited to 40 MB/s (bandwidth-limit)",
            ),
            (
                slot,
                "2026-06-01T08:00",
                "uploads are limited to 20 Mbit/s until 18:00 (timetable)",
            ),
            (
                slot,
                "2026-06-01T18:00",
                "uploads are not limited until 08:00",
            ),
            (slot, "2026-06-05T18:00", "uploads are not limited"),
            (
                &both,
                "2026-06-01T18:00",
                "uploads are limited to 40 MB/s until 08:00 (bandwidth-limit)",
            ),
        ] {
            assert_eq!(said(&rates(upload), now.parse().unwrap()), says, "{now}");
        }
    }

    #[test]
    fn it_looks_again_when_the_second_is_over() {
        let at = |text: &str| until_next_second(text.parse().unwrap());
        assert_eq!(at("2026-06-01T08:00:59.75"), Duration::from_millis(250));
        assert_eq!(at("2026-06-01T08:00:00"), Duration::from_secs(1));
    }
}
