//! The FTP servers: one log-in each, which leaves nothing behind.

use std::time::Duration;

use super::finding::Finding;
use crate::chain;
use crate::config::{Account, Config, Ftp, Tls};
use crate::disposition::Disposition;
use crate::upload::ftp;
use crate::wording::text;

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn check_servers(config: &Config) -> Vec<Finding> {
    let servers = config
        .accounts
        .values()
        .filter_map(|account: &Account| Some((account.name.as_str(), account.ftp.clone()?)));
    let servers: Vec<(&str, Ftp)> = servers.collect();
    if servers.is_empty() {
        return Vec::new();
    }
    let runtime = match super::super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::warn("ftp", chain(&error))],
    };
    runtime.block_on(async {
        let calls: Vec<_> = servers
            .iter()
            .map(|(_, server)| tokio::spawn(ftp::check_login(server.clone(), PATIENCE)))
            .collect();
        let mut findings = Vec::new();
        for (call, (name, server)) in calls.into_iter().zip(&servers) {
            let answer = call
                .await
                .unwrap_or(Err(ftp::Error::Died { complete: false }));
            findings.push(describe_server(name, server, answer));
        }
        findings
    })
}

fn describe_server(account: &str, server: &Ftp, answer: Result<(), ftp::Error>) -> Finding {
    let subject = format!("account {account} ftp");
    match answer {
        Ok(()) if server.tls == Tls::None => Finding::warn(
            subject,
            "the server accepts the password; the password and the videos are sent unencrypted: \
             set tls = \"explicit\" to encrypt them",
        ),
        Ok(()) => Finding::ok(subject, "the server accepts the password"),
        Err(error) => {
            let said = text::line(&chain(&error));
            match error.disposition() {
                Disposition::Blocked(_) | Disposition::Permanent => Finding::fail(subject, said),
                // It may be well tomorrow, and must not keep the daemon from starting.
                Disposition::Transient { .. }
                | Disposition::Unreachable
                | Disposition::Ambiguous
                | Disposition::LinkExpired => Finding::warn(
                    subject,
                    format!("{said}; it is not known whether the password is valid"),
                ),
            }
        }
    }
}
