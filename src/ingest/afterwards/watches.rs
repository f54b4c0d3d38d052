//! Watches that are taken out of the configuration, and put back: their files are seen to again.

use std::sync::Arc;

use tokio::sync::watch::Receiver;

use crate::clock;
use crate::ingest::context::{Context, Settings};
use crate::ingest::persist::persist;
use crate::queue::{Error, afterwards};

/// Notes which watches there are, where the configuration has changed since the last time.
pub(super) async fn follow(
    context: &Context,
    settings: &mut Receiver<Arc<Settings>>,
) -> Result<(), Error> {
    if !settings.has_changed().unwrap_or(false) {
        return Ok(());
    }
    let present = Arc::clone(&settings.borrow_and_update());
    let watches = present.config.watches.iter();
    let names: Vec<String> = watches.map(|watch| watch.name.clone()).collect();
    let now = clock::now();
    persist(context, move |db| afterwards::watches_are(db, &names, now)).await
}
