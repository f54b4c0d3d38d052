//! The folders that files are moved to: are they the ones that they were?
//!
//! One that was never there was reported as a fault of the configuration.

use std::path::Path;
use std::time::Duration;

use super::super::show::text;
use super::finding::Finding;
use crate::config::Watch;
use crate::ingest::targets::{self, Target};
use crate::patience;
use crate::queue;

/// How long one is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn check(watches: &[Watch], database: &Path) -> Vec<Finding> {
    // What is wrong with the database was reported, too.
    let Ok(db) = queue::open_for_reading(database) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for watch in watches {
        for folder in targets::of(watch) {
            let (owned, asked) = (watch.clone(), folder.clone());
            let why = match patience::within(PATIENCE, move || Target::look(&owned, &asked)) {
                Some(target) => {
                    let offline = target.is_offline(&db).ok().flatten();
                    offline.or_else(|| target.obstacle())
                }
                None => Some(format!("{} does not answer", text::path(&folder))),
            };
            findings.extend(why.map(|why| Finding::fail(format!("watch {}", watch.name), why)));
        }
    }
    findings
}
