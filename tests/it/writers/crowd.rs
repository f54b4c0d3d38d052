//! Many writers at once, each file with a way of writing and random numbers of its own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Scope;

use super::hand::Hand;
use super::ledger::{Entry, Ledger};
use super::ways::{self, Way};
use crate::support::{Dice, Site};

/// Most of them wait most of the time.
const WRITERS: usize = 32;

/// All writers of a run.
pub(super) struct Crowd<'a> {
    site: &'a Site,
    seed: u64,
    files: usize,
    ways: Vec<Way>,
    next: AtomicUsize,
    written: Mutex<Vec<Entry>>,
    working: AtomicUsize,
    stopped: AtomicBool,
}

/// Ends the crowd's work if it is dropped in a panic, so that nothing waits for it.
pub(super) struct Ending<'a>(&'a AtomicBool);

impl<'a> Crowd<'a> {
    pub(super) fn new(site: &'a Site, seed: u64, files: usize) -> Self {
        Self {
            site,
            seed,
            files,
            ways: ways::available(site),
            next: AtomicUsize::new(0),
            written: Mutex::default(),
            working: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        self.working.store(WRITERS, Ordering::SeqCst);
        for _ in 0..WRITERS {
            scope.spawn(|| {
                let _end = self.ends_with_panic();
                let _one = Working(&self.working);
                std::iter::from_fn(|| self.next()).for_each(|number| self.write(number));
            });
        }
    }

    /// The next file to write.
    fn next(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let goes_on = number < self.files && !self.stopped.load(Ordering::SeqCst);
        goes_on.then_some(number)
    }

    fn write(&self, number: usize) {
        let file = u64::try_from(number).unwrap();
        let mut dice = Dice::seeded(self.seed ^ (file + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let weights: u64 = self.ways.iter().map(|way| way.weight).sum();
        let mut drawn = dice.below(weights);
        let way = self.ways.iter().find(|way| {
            let this = drawn < way.weight;
            drawn = drawn.wrapping_sub(way.weight);
            this
        });
        let way = way.unwrap();
        let mut hand = Hand::new(self.site, dice, number, way.name);
        (way.write)(&mut hand);
        self.written.lock().unwrap().push(hand.into_entry());
    }

    /// Whether all files are written.
    pub(super) fn is_over(&self) -> bool {
        self.working.load(Ordering::SeqCst) == 0
    }

    pub(super) fn ends_with_panic(&self) -> Ending<'_> {
        Ending(&self.stopped)
    }

    pub(super) fn into_ledger(self) -> Ledger {
        let mut ledger = Ledger::default();
        for entry in self.written.into_inner().unwrap() {
            ledger.add(entry);
        }
        ledger
    }
}

/// Counts down when dropped, also in a panic.
struct Working<'a>(&'a AtomicUsize);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}
