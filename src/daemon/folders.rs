//! Starting the watches, with what the job table knows of their files.

use tokio::sync::mpsc;

use crate::config::{self, Config};
use crate::watch::{self, Handle, KnownFiles, Report};
use crate::{chain, queue};

/// Watches the folders; of the files whose jobs are over they know from the start.
pub(super) fn watch(
    config: &Config,
    reports: mpsc::Sender<Report>,
) -> Result<Handle, watch::Error> {
    let known = |watch: &config::Watch| {
        let (database, watch) = (config.database.path.clone(), watch.name.clone());
        KnownFiles::told_by(move |tell| {
            let told = queue::open_for_reading(&database)
                .and_then(|db| queue::enqueue::finished(&db, &watch, tell));
            if let Err(error) = told {
                let error = chain(&error);
                tracing::warn!(
                    watch,
                    error,
                    "each file must settle again, for want of the job table"
                );
            }
        })
    };
    watch::start(&config.watches, known, reports)
}
