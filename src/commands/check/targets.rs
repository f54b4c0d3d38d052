//! The folders that files are moved to: are they the ones that they were?
//!
//! One that was never there was reported as a fault of the configuration.

use std::path::Path;

use super::finding::Finding;
use super::silent::Silent;
use crate::config::Watch;
use crate::ingest::targets::{self, Target};
use crate::patience;
use crate::queue;
use crate::wording::text;

pub(super) fn check_targets(watches: &[Watch], silent: &Silent, database: &Path) -> Vec<Finding> {
    // What is wrong with the database was reported, too.
    let Ok(db) = queue::open_for_reading(database) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for watch in watches {
        let folders = targets::of(watch).into_iter();
        for folder in folders.filter(|folder| !silent.has(folder)) {
            let (owned, asked) = (watch.clone(), folder.clone());
            let looked = patience::within(patience::FOLDER, move || Target::look(&owned, &asked));
            let why = if let Some(target) = looked {
                let offline = target.is_offline(&db).ok().flatten();
                offline.or_else(|| target.obstacle())
            } else {
                let why = patience::unanswered(patience::FOLDER);
                Some(format!("{} {why}", text::path(&folder)))
            };
            findings.extend(why.map(|why| Finding::fail(format!("watch {}", watch.name), why)));
        }
    }
    findings
}
