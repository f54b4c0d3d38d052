//! What the tests of transfers in parts have in common, beside the host.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use md5::{Digest, Md5};
use tokio_util::sync::CancellationToken;

use super::super::{PartsOrder, send_parts};
use super::host::PART;
use crate::upload::{Error, Progress, Receipt};

/// Bytes of which no two parts are alike.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| u8::try_from((i % 251 + i / PART) % 256).unwrap())
        .collect()
}

pub(super) fn md5(bytes: &[u8]) -> String {
    crate::hex::lower(&Md5::digest(bytes))
}

/// Sends it; meanwhile the progress is looked at all the time, and must never say too much.
pub(super) async fn send(order: PartsOrder) -> Result<Receipt, Error> {
    let (progress, size) = (Arc::clone(&order.progress), order.size);
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let watching = std::thread::spawn(move || most_of(&progress, &over));
    let result = send_parts(order, CancellationToken::new()).await;
    is_over.store(true, Ordering::Relaxed);
    let most = watching.join().unwrap();
    assert!(most <= size, "{most} of {size} bytes");
    result
}

fn most_of(progress: &Progress, is_over: &AtomicBool) -> u64 {
    let mut most = 0;
    while !is_over.load(Ordering::Relaxed) {
        most = most.max(progress.sent());
        std::thread::park_timeout(Duration::from_micros(200));
    }
    most.max(progress.sent())
}

/// An order's record of parts.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<BTreeMap<u32, String>>>);

impl Notes {
    pub(super) fn keep(order: &mut PartsOrder) -> Self {
        let notes = Self::default();
        let kept = notes.clone();
        order.on_part = Box::new(move |number, md5| {
            kept.0.lock().unwrap().insert(number, md5.to_owned());
            Ok(())
        });
        notes
    }

    pub(super) fn numbers(&self) -> Vec<u32> {
        self.0.lock().unwrap().keys().copied().collect()
    }

    pub(super) fn sums(&self) -> BTreeMap<u32, String> {
        self.0.lock().unwrap().clone()
    }
}
