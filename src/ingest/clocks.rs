//! Says once, in the log and in the table, that this machine's clock differs from the platform's, and
//! once that it is right again.

use std::collections::HashMap;

use super::context::Context;
use super::persist::persist;
use crate::clock;
use crate::queue::{Error, clocks};

/// What was said of each account, in seconds ahead.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    said: HashMap<String, i64>,
}

/// A difference that changed by less is not written again.
const SAME_S: u64 = 60;

impl Clocks {
    /// Nothing is known yet.
    pub(super) async fn start(context: &Context) -> Result<Self, Error> {
        persist(context, clocks::forget_all).await?;
        Ok(Self::default())
    }

    /// Compares each account's clock with what was said of it.
    pub(super) async fn look(&mut self, context: &Context) -> Result<(), Error> {
        let settings = context.now_settings();
        for (account, client) in settings.clients() {
            let Some(skew) = client.skew() else {
                continue;
            };
            let ahead_s = skew.machine_ahead().as_secs();
            if clock::is_too_far_off(ahead_s) {
                self.differs(context, account, ahead_s).await?;
            } else if self.said.remove(account).is_some() {
                tracing::info!(
                    account,
                    "this machine's clock agrees again with the platform's (account {account})"
                );
                let name = account.to_owned();
                persist(context, move |db| clocks::agrees(db, &name)).await?;
            }
        }
        Ok(())
    }

    async fn differs(
        &mut self,
        context: &Context,
        account: &str,
        ahead_s: i64,
    ) -> Result<(), Error> {
        let before = self.said.get(account);
        if before.is_some_and(|before| before.abs_diff(ahead_s) < SAME_S) {
            return Ok(());
        }
        if before.is_none() {
            tracing::warn!(
                account,
                "{} (account {account}); uploads go by the platform's time",
                clock::complaint(ahead_s)
            );
        }
        self.said.insert(account.to_owned(), ahead_s);
        let (name, now) = (account.to_owned(), clock::now());
        persist(context, move |db| clocks::differs(db, &name, ahead_s, now)).await
    }
}
