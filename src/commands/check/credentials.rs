//! The credentials: one harmless call for each account, all at once.

use std::time::Duration;

use super::finding::Finding;
use crate::config::{Account, Api, Config};
use crate::disposition::Disposition;
use crate::platform::{Client, Error, Garbage, Skew};
use crate::wording::text;
use crate::{chain, clock};

/// An answer that takes longer counts as none: a service that starts must not hang on it.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn check_credentials(config: &Config) -> Vec<Finding> {
    let runtime = match super::super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::warn("credentials", chain(&error))],
    };
    runtime.block_on(async {
        let calls: Vec<_> = config
            .accounts
            .values()
            .map(|account| tokio::spawn(answer(account.clone())))
            .collect();
        let mut findings = Vec::new();
        for (call, account) in calls.into_iter().zip(config.accounts.values()) {
            let (answer, skew) = call.await.unwrap_or((Answer::Silence, None));
            findings.push(describe_account(account, &answer));
            findings.extend(skew.and_then(|skew| clock_finding(account, skew)));
        }
        findings
    })
}

enum Answer {
    Good,
    Bad(Error),
    Silence,
}

async fn answer(account: Account) -> (Answer, Option<Skew>) {
    let client = match Client::new(&account) {
        Ok(client) => client,
        Err(error) => return (Answer::Bad(error), None),
    };
    let answer = match tokio::time::timeout(PATIENCE, client.check_credentials()).await {
        Ok(Ok(())) => Answer::Good,
        Ok(Err(error)) => Answer::Bad(error),
        Err(_) => Answer::Silence,
    };
    (answer, client.skew())
}

/// Uploads go by the platform's time, but logs, `grace` and timetables go by this machine's.
fn clock_finding(account: &Account, skew: Skew) -> Option<Finding> {
    let ahead_s = skew.machine_ahead().as_secs();
    clock::is_too_far_off(ahead_s).then(|| {
        let text = format!("{} (account {})", clock::complaint(ahead_s), account.name);
        Finding::warn("clock", text)
    })
}

/// Whether the answer looks as if it came from another place than the API.
fn is_from_elsewhere(error: &Error) -> bool {
    match error {
        Error::Garbled(answer) => {
            answer.status == 404 || matches!(answer.garbage, Garbage::Html | Garbage::NotJson)
        }
        Error::Refused(refusal) => refusal.status == 404,
        _ => false,
    }
}

fn describe_account(account: &Account, answer: &Answer) -> Finding {
    let subject = format!("account {}", account.name);
    let (key, end) = match account.api {
        Api::V1 { .. } => ("key", "/v1"),
        Api::V2 { .. } => ("site", "/v2"),
    };
    let error = match answer {
        Answer::Good => {
            return Finding::ok(subject, format!("the platform accepts the {key}"));
        }
        Answer::Silence => {
            let text = format!(
                "no answer within {} s; it is not known whether the {key} is valid",
                PATIENCE.as_secs()
            );
            return Finding::warn(subject, text);
        }
        Answer::Bad(error) => error,
    };
    let mut said = text::line(&chain(error));
    if is_from_elsewhere(error) {
        said = format!("{said}; does base-url end in {end}?");
    }
    match error.disposition() {
        Disposition::Blocked(_) => {
            // Only a signature of v1 depends on the time.
            let clock = match account.api {
                Api::V1 { .. } => ", and the clock with the true time",
                Api::V2 { .. } => "",
            };
            let text =
                format!("{said}; compare {key} and secret with those of the property{clock}");
            Finding::fail(subject, text)
        }
        Disposition::Permanent => {
            Finding::fail(subject, format!("{said}; check base-url and the account"))
        }
        // It may be well tomorrow, and must not keep the daemon from starting.
        Disposition::Transient { .. }
        | Disposition::Unreachable
        | Disposition::Ambiguous
        | Disposition::LinkExpired => Finding::warn(
            subject,
            format!("{said}; it is not known whether the {key} is valid"),
        ),
    }
}
