//! Watches that are taken out of the configuration, and put back: their files are seen to again.

use std::sync::Arc;

use tokio::sync::watch::Receiver;

use super::companions;
use crate::clock;
use crate::ingest::context::{Context, Settings};
use crate::ingest::disk;
use crate::ingest::persist::persist;
use crate::queue::Error;
use crate::queue::afterwards::{self, Case};
use crate::watch::reach;

/// Notes which watches there are, where the configuration has changed since the last time.
pub(super) async fn follow(
    context: &Context,
    settings: &mut Receiver<Arc<Settings>>,
) -> Result<(), Error> {
    if !settings.has_changed().unwrap_or(false) {
        return Ok(());
    }
    let present = Arc::clone(&settings.borrow_and_update());
    note(context, &present).await
}

async fn note(context: &Context, present: &Settings) -> Result<(), Error> {
    let watches = present.config.watches.iter();
    let names: Vec<String> = watches.map(|watch| watch.name.clone()).collect();
    let now = clock::now();
    let present = names.clone();
    let left = persist(context, move |db| {
        afterwards::left_without_watch(db, &present)
    });
    for case in left.await? {
        put_back(context, case).await;
    }
    persist(context, move |db| afterwards::watches_are(db, &names, now)).await
}

/// The sidecar of a file that has gone was to follow it, and a kill may have left it hidden: it waits under its own name.
async fn put_back(context: &Context, case: Case) {
    let watch = case.job.watch.clone();
    let putting = disk::within(context, &watch, move || {
        if let Ok(video) = reach::place(None, &case.job.path) {
            companions::put_back(None, &case, &video);
        }
    });
    // A disk that hangs keeps it hidden until the watch is back.
    putting.await;
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ingest::tests::ground::Ground;

    #[tokio::test]
    async fn a_hidden_sidecar_of_a_watch_that_was_taken_out_gets_its_name_back() {
        let ground = Ground::new();
        let context = &ground.context;
        let mut new = ground.file("a.mp4");
        new.watch = "old".to_owned();
        ground.enqueue(&new).await;
        let mark = context.queue.write(|db| {
            db.execute_batch(
                "UPDATE jobs SET state = 'done', step = 'confirm', video_key = 'abcdefgh', finished_at = created_at;
                 UPDATE afterwards SET action = 'delete', sidecar_left = 'deleted';",
            )?;
            Ok(db.query_row("SELECT ingest_id FROM jobs", [], |row| {
                row.get::<_, String>(0)
            })?)
        });
        let hidden = format!(".jw-ingest-{}.a.json.going", mark.await.unwrap());
        fs::write(new.path.with_file_name(&hidden), "{}").unwrap();
        note(context, &context.now_settings()).await.unwrap();
        assert!(new.path.with_file_name("a.json").exists());
        assert!(!new.path.with_file_name(&hidden).exists());
    }
}
