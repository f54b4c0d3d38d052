//! Reading the configuration again on SIGHUP: a bad one is refused, and the old one stays.

use crate::chain;
use crate::config::{self, Config};
use crate::ingest::Settings;

/// The new settings, or why they are refused.
pub(super) async fn read_settings(present: &Config) -> Result<Settings, String> {
    let file = present.file.clone();
    let read = tokio::task::spawn_blocking(move || config::load_to_wait(&file)).await;
    let next = match read {
        Ok(read) => read.map_err(|problems| format!("\n{problems}"))?,
        Err(error) => return Err(format!("it could not be read: {error}")),
    };
    if let Some(key) = present.needs_restart(&next) {
        return Err(format!("{key} can be changed only by a restart"));
    }
    Settings::new(next).map_err(|error| chain(&error))
}

/// The priority of each watch, by its name.
pub(super) fn priorities(config: &Config) -> Vec<(String, i64)> {
    let watches = config.watches.iter();
    watches
        .map(|watch| (watch.name.clone(), watch.priority))
        .collect()
}

/// Whether the folders must be watched again.
pub(super) fn folders_differ(a: &Config, b: &Config) -> bool {
    let look = |config: &Config| -> Vec<_> {
        let watches = config.watches.iter();
        watches
            .map(|watch| {
                let patterns = (
                    watch.include.patterns.clone(),
                    watch.exclude.patterns.clone(),
                    (
                        watch.afterwards.move_to.clone(),
                        watch.afterwards.failed_dir.clone(),
                    ),
                );
                (
                    watch.name.clone(),
                    watch.path.clone(),
                    watch.recursive,
                    patterns,
                    watch.settle,
                    watch.watching.clone(),
                    (watch.metadata.wait_for.clone(), watch.metadata.wait_timeout),
                )
            })
            .collect()
    };
    look(a) != look(b)
}
