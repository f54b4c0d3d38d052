//! Lets the job table follow the accounts of the configuration, which may be called otherwise now.

use jiff::Timestamp;
use rusqlite::Connection;

use crate::config::Config;
use crate::queue::Error;
use crate::queue::identities::{self, Identities};

/// The accounts and who they are, and the account of each watch.
pub(super) struct Accounts {
    identities: Identities,
    watches: Vec<(String, String)>,
}

impl Accounts {
    pub(super) fn of(config: &Config) -> Self {
        let accounts = config.accounts.iter();
        let watches = config.watches.iter();
        Self {
            identities: accounts
                .map(|(name, account)| (name.clone(), account.identity()))
                .collect(),
            watches: watches
                .map(|watch| (watch.name.clone(), watch.account.clone()))
                .collect(),
        }
    }

    /// Whether rows would get another name: a worker that holds the old one must not continue with
    /// the credentials that this name has now.
    pub(super) fn need_restart(&self, db: &Connection) -> Result<bool, Error> {
        identities::would_rename(db, &self.identities)
    }

    /// Lets the table follow, and says what that changed.
    pub(super) fn follow(&self, db: &Connection, now: Timestamp) -> Result<(), Error> {
        let followed = identities::follow_accounts(db, &self.identities, &self.watches, now)?;
        for (old, new) in followed.renamed {
            tracing::info!("account {old} is called {new} now; its jobs follow");
        }
        if followed.moved > 0 {
            tracing::info!(
                jobs = followed.moved,
                "jobs of an account that is gone, with nothing uploaded yet, move to the account \
                 of their watch"
            );
        }
        for name in followed.gone {
            tracing::error!(
                "account {name} has unfinished jobs and is not in the configuration any more: put its section back, \
                 with the same api and key or site, or cancel its jobs"
            );
        }
        Ok(())
    }
}
