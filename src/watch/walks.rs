//! All walks of one watch that are in progress: at most one scan of everything, and those through
//! folders that came by events, which go first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::report::SeenBy;
use super::scan::{Found, Walk};
use crate::config::Watch;

/// The walks in progress.
#[derive(Debug)]
pub(super) struct Walks {
    watch: Arc<Watch>,
    scan: Option<Scan>,
    /// The newest last, which goes first.
    folders: Vec<Walk>,
}

/// A scan of everything.
#[derive(Debug)]
pub(super) struct Scan {
    walk: Walk,
    /// When it began.
    pub(super) began: Duration,
    /// Watch also the folders that seem to be watched.
    again: bool,
    /// The processor time that it took.
    pub(super) cost: Duration,
    /// What it finds and no event announced counts against events.
    audits: bool,
    /// The root was there all the time.
    pub(super) whole: bool,
}

impl Walks {
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        Self {
            watch,
            scan: None,
            folders: Vec::new(),
        }
    }

    /// Begins a scan; with `again`, watches must be renewed; with `audits`, events are audited.
    pub(super) fn begin_scan(&mut self, now: Duration, again: bool, audits: bool) {
        let root = self.watch.path.clone();
        let walk = Walk::new(Arc::clone(&self.watch), root, SeenBy::Scan);
        self.scan = Some(Scan {
            walk,
            began: now,
            again,
            cost: Duration::ZERO,
            audits,
            whole: true,
        });
    }

    /// Begins a walk through a folder that came.
    pub(super) fn begin_folder(&mut self, path: PathBuf) {
        self.folders
            .push(Walk::new(Arc::clone(&self.watch), path, SeenBy::Event));
    }

    /// Gives up all walks: the root is another folder.
    pub(super) fn clear(&mut self) {
        self.scan = None;
        self.folders.clear();
    }

    /// The root went away: what the scan does not find is no proof of anything.
    pub(super) fn root_away(&mut self) {
        if let Some(scan) = &mut self.scan {
            scan.whole = false;
        }
    }

    /// Since when the present scan audits events, if it does.
    pub(super) fn audits_since(&self) -> Option<Duration> {
        let scan = self.scan.as_ref().filter(|scan| scan.audits);
        scan.map(|scan| scan.began)
    }

    /// Events were lost: nothing that is missing counts against them.
    pub(super) fn end_audit(&mut self) {
        if let Some(scan) = &mut self.scan {
            scan.audits = false;
        }
    }

    /// Walking took so much processor time.
    pub(super) fn took(&mut self, cost: Duration) {
        if let Some(scan) = &mut self.scan {
            scan.cost += cost;
        }
    }

    pub(super) fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.scan.is_some() || !self.folders.is_empty()
    }

    /// The scan, if it has just come to its end.
    pub(super) fn take_ended(&mut self) -> Option<Scan> {
        self.scan.take_if(|scan| scan.walk.is_done())
    }
}

impl Iterator for Walks {
    /// What was found, and whether a folder must be watched although it seems to be.
    type Item = (Found, bool);

    fn next(&mut self) -> Option<(Found, bool)> {
        while let Some(walk) = self.folders.last_mut() {
            if let Some(found) = walk.next() {
                return Some((found, true));
            }
            self.folders.pop();
        }
        let scan = self.scan.as_mut()?;
        Some((scan.walk.next()?, scan.again))
    }
}
