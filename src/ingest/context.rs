//! What all loops share: the job table, the present configuration, and the ways to wake each other.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::disk::Hanging;
use super::live::Live;
use crate::config::{Config, Watch};
use crate::platform::{self, Client};
use crate::queue::Queue;
use crate::upload::Throttle;

/// The configuration with a client for each account; replaced as a whole on SIGHUP.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The configuration.
    pub config: Config,
    clients: HashMap<String, Client>,
}

/// An account's client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("account {account}: cannot set up its connection")]
pub(crate) struct SettingsError {
    account: String,
    #[source]
    source: platform::Error,
}

impl Settings {
    /// Makes the clients.
    ///
    /// # Errors
    /// When HTTPS cannot be set up, e.g. because the machine has no CA certificates.
    pub(crate) fn new(config: Config) -> Result<Self, SettingsError> {
        let clients = config
            .accounts
            .values()
            .map(|account| match Client::new(account) {
                Ok(client) => {
                    client.set_longest_wait(config.retry.max_delay);
                    Ok((account.name.clone(), client))
                }
                Err(source) => Err(SettingsError {
                    account: account.name.clone(),
                    source,
                }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { config, clients })
    }

    /// The client of an account, unless the configuration has no such account any more.
    pub(crate) fn client(&self, account: &str) -> Option<&Client> {
        self.clients.get(account)
    }

    /// The clients of all accounts, by name.
    pub(crate) fn clients(&self) -> impl Iterator<Item = (&str, &Client)> {
        self.clients
            .iter()
            .map(|(name, client)| (name.as_str(), client))
    }

    /// The watch of this name.
    pub(crate) fn watch(&self, name: &str) -> Option<&Watch> {
        self.config.watches.iter().find(|watch| watch.name == name)
    }
}

/// The handles of one daemon; cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    /// The job table.
    pub queue: Queue,
    /// The present settings.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// The uploads that run.
    pub live: Live,
    /// The limit for all uploads together.
    pub throttle: Throttle,
    /// The disks and shares that do not answer.
    pub hanging: Hanging,
    /// Rung when a job may have become due.
    pub work: Arc<Notify>,
    /// Rung when a job may wait for `ready`.
    pub confirms: Arc<Notify>,
    /// Rung when a video may wait to be withdrawn.
    pub withdrawals: Arc<Notify>,
    /// Rung when a sidecar may have changed.
    pub sidecars: Arc<Notify>,
    /// Rung when an account was paused, or may work again.
    pub pauses: Arc<Notify>,
    /// Files that must settle again: watch and path.
    pub recheck: mpsc::UnboundedSender<(String, PathBuf)>,
    /// Cancelled when nothing new may begin; what runs continues. With `stop`, at the latest.
    pub closing: CancellationToken,
    /// Cancelled when the daemon stops.
    pub stop: CancellationToken,
}

impl Context {
    /// The settings of this moment.
    pub(crate) fn now_settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Asks for the file to settle again; the watch forgets that it knew it.
    pub(crate) fn settle_again(&self, watch: &str, path: PathBuf) {
        // The receiver goes when the daemon stops; the scan at its next start finds the file.
        drop(self.recheck.send((watch.to_owned(), path)));
    }

    /// Something changed that any loop may wait for.
    pub(crate) fn ring_all(&self) {
        self.work.notify_one();
        self.confirms.notify_one();
        self.withdrawals.notify_one();
        self.sidecars.notify_one();
        self.pauses.notify_one();
    }
}
