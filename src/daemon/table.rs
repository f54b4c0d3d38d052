//! Notices that the job table was deleted or replaced while the daemon works on it.
//!
//! From then on nothing that is written outlives the process, so that a restart would know of no upload
//! made meanwhile. Nothing new is begun, what runs is finished, and the daemon ends.

use std::time::Duration;

use crate::ingest::{self, Context};
use crate::queue::{Error, TableFiles};
use crate::text;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// No watch has such a name.
const TABLE: &str = "the job table";

/// Runs until the daemon stops.
///
/// # Errors
/// [`Error::Lost`] once a file of the table is not the one that is open.
pub(super) async fn watch(context: Context, files: TableFiles) -> Result<(), Error> {
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let looked = files.clone();
        let lost = ingest::look_within(&context, TABLE, move || looked.lost()).await;
        if let Some(Some(lost)) = lost {
            tracing::error!(
                "the job table was {} while the daemon worked on it ({}): what is recorded from \
                 now on is lost when the daemon ends. Nothing new is started; active uploads are \
                 finished, and then the daemon ends and is not restarted. Before you start it \
                 again, restore a backup of the table with `jw-ingest restored --backup FILE`, or \
                 run `jw-ingest restored --new-table`",
                if lost.is_replaced {
                    "replaced"
                } else {
                    "deleted"
                },
                text::path(&lost.path)
            );
            return Err(Error::Lost { path: lost.path });
        }
    }
}
