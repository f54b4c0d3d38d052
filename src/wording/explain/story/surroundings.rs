//! What holds for all files: the daemon, the account, the limits in force.

use super::super::facts::Facts;
use super::Fact;
use crate::wording::notices;
use crate::wording::time::Present;

/// The facts.
pub(super) fn facts(facts: &Facts<'_>, present: &Present) -> Vec<Fact> {
    let now = present.now;
    let mut told = vec![Fact::new(now, "daemon", tell_daemon(facts))];
    let account = facts.known.jobs.last().map(|job| &job.account);
    let account = account.or(facts.owner().map(|watch| &watch.account));
    if let Some(paused) = account.and_then(|account| facts.pause_of(account)) {
        told.push(Fact::new(
            paused.since,
            "account",
            notices::pause(paused, present),
        ));
    }
    let skewed = facts.known.clocks.iter();
    for skewed in skewed.filter(|skewed| Some(&skewed.account) == account) {
        told.push(Fact::new(now, "clock", notices::clock(skewed, present)));
    }
    if let Some(limit) = limit(facts) {
        told.push(Fact::new(now, "limit", limit));
    }
    if let Some(error) = &facts.disk.away {
        let what = format!("its folder cannot be read: {error}");
        told.push(Fact::new(now, "watch", what));
    }
    told
}

fn tell_daemon(facts: &Facts<'_>) -> &'static str {
    match facts.daemon {
        Some(true) => "the daemon runs",
        Some(false) if facts.known.database => "the daemon does not run",
        Some(false) => "the daemon does not run, and never did: there is no database yet",
        None => {
            "it is unknown whether the daemon runs: your permissions do not let you see its \
                 lock"
        }
    }
}

/// How fast all uploads together may go now, if that is limited.
fn limit(facts: &Facts<'_>) -> Option<String> {
    let rates = &facts.outline.upload.rates;
    let held = rates.at(facts.local);
    let limit = held.limit?;
    let until = rates.next_change(facts.local);
    let until = until.map_or_else(String::new, |time| {
        format!(" until {}", time.strftime("%H:%M"))
    });
    let by = if held.by_timetable {
        "timetable"
    } else {
        "bandwidth-limit"
    };
    Some(format!(
        "all uploads together send at most {limit}{until} ({by})"
    ))
}
