//! Waiting for the limit of all uploads, on a thread that blocks.

use std::future::poll_fn;
use std::task::Poll;

use tokio::runtime::{Builder, Runtime};

use super::error::Error;
use crate::upload::flight::Flight;
use crate::upload::throttle::Gate;

/// The place of one transfer before the limit.
pub(super) struct Pace {
    // Dropped first: its timer belongs to the runtime.
    gate: Gate,
    runtime: Runtime,
}

impl Pace {
    pub(super) fn new(flight: &Flight) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(Error::Start)?;
        Ok(Self {
            gate: flight.gate(),
            runtime,
        })
    }

    /// Waits until some of `wanted` bytes may be sent, and answers how many: at least one.
    pub(super) fn wait(&mut self, flight: &Flight, wanted: u64) -> Result<u64, Error> {
        let gate = &mut self.gate;
        self.runtime.block_on(poll_fn(|cx| {
            // It is polled several times a second, so that a transfer that was given up ends soon.
            if let Err(fault) = flight.hand_out(0, false) {
                return Poll::Ready(Err(Error::of_fault(fault)));
            }
            gate.poll(cx, wanted).map(Ok)
        }))
    }
}
