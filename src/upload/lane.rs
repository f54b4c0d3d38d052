//! The threads that transfers run on, each with its own runtime, HTTP client and connections.
//!
//! A thread for each transfer, because the body reads the disk inline. It stays for a while after its
//! transfer and takes the next one: with it stay its open connection, worth several times the speed
//! for many small files, and its HTTP client, whose certificate store takes milliseconds to load. One
//! client for all transfers would not do, as its connections live on the runtime that opened them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::flight::Flight;
use super::watchdog::Timeouts;
use super::wear::{Trip, Wear};
use super::{Cargo, Receipt, form, resumable, s3};
use crate::platform::link::is_loopback;
use crate::way::Way;

/// A transfer, ready to run.
pub(super) struct Task {
    pub(super) way: Way,
    pub(super) cargo: Cargo,
    pub(super) flight: Arc<Flight>,
    pub(super) timeouts: Timeouts,
    pub(super) stop: CancellationToken,
    pub(super) done: oneshot::Sender<Result<Receipt, Error>>,
}

/// Gives a task to a lane that is free, or to a new one.
pub(super) fn submit(mut task: Task) -> Result<(), Error> {
    loop {
        let free = idle().pop();
        let Some(free) = free else {
            return open_lane(task);
        };
        match free.tasks.send(task) {
            Ok(()) => return Ok(()),
            // Only a lane that died between two tasks; the next one is as good.
            Err(returned) => task = returned.0,
        }
    }
}

fn open_lane(task: Task) -> Result<(), Error> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Start)?;
    let (tasks, queue) = mpsc::unbounded_channel();
    let lane = Lane {
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        tasks,
    };
    thread::Builder::new()
        .name("upload".to_owned())
        .spawn(move || lane.work(&runtime, queue, task))
        .map_err(Error::Start)?;
    Ok(())
}

/// A thread that carries transfers, one at a time.
#[derive(Clone)]
struct Lane {
    number: u64,
    tasks: mpsc::UnboundedSender<Task>,
}

impl Lane {
    fn work(self, runtime: &Runtime, mut queue: mpsc::UnboundedReceiver<Task>, first: Task) {
        let mut kept = None;
        let mut next = Some(first);
        while let Some(task) = next {
            let Task {
                way,
                cargo,
                flight,
                timeouts,
                stop,
                done,
            } = task;
            let (started, is_first) = (Instant::now(), kept.is_none());
            let result = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => Err(Error::Cancelled { complete: !flight.close() }),
                    result = carry_cargo(way, &cargo, &flight, timeouts, &mut kept) => result,
                }
            });
            if way == Way::Multipart && result.is_ok() {
                let trip = Trip {
                    host: cargo.link.expose().host_str(),
                    bytes: cargo.size,
                    took: started.elapsed(),
                    is_first,
                };
                if lock(&WEAR).is_worn_after(trip) {
                    // The connection goes with its client.
                    kept = None;
                }
            }
            drop(cargo);
            // Free before the result is known, so that a caller that waits for it finds this lane.
            idle().push(self.clone());
            // A caller that is gone wants no result.
            done.send(result).ok();
            next = runtime.block_on(self.wait(&mut queue));
        }
    }

    /// Waits for another task, with the open connections looked after meanwhile.
    async fn wait(&self, queue: &mut mpsc::UnboundedReceiver<Task>) -> Option<Task> {
        if let Ok(task) = tokio::time::timeout(KEPT_FOR, queue.recv()).await {
            return task;
        }
        let withdrawn = {
            let mut idle = idle();
            let before = idle.len();
            idle.retain(|lane| lane.number != self.number);
            idle.len() < before
        };
        // Another caller took this lane from the list at the last moment: its task is on the way.
        if withdrawn { None } else { queue.recv().await }
    }
}

/// A client and what it was built for.
struct Kept {
    timeouts: Timeouts,
    peer: Peer,
    client: reqwest::Client,
}

/// What of a link decides how its client is built.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Peer {
    is_loopback: bool,
    /// Plain HTTP: it needs no CA certificates, which a small machine may not have.
    is_plain: bool,
}

impl Peer {
    fn of(link: &url::Url) -> Self {
        Self {
            is_loopback: is_loopback(link),
            is_plain: link.scheme() == "http",
        }
    }
}

async fn carry_cargo(
    way: Way,
    cargo: &Cargo,
    flight: &Arc<Flight>,
    timeouts: Timeouts,
    kept: &mut Option<Kept>,
) -> Result<Receipt, Error> {
    let peer = Peer::of(cargo.link.expose());
    let client = match kept {
        Some(kept) if kept.timeouts == timeouts && kept.peer == peer => kept.client.clone(),
        _ => {
            let client = build_client(timeouts, peer)?;
            *kept = Some(Kept {
                timeouts,
                peer,
                client: client.clone(),
            });
            client
        }
    };
    match way {
        Way::S3 | Way::Direct => s3::put(&client, cargo, flight).await,
        Way::Form => form::post(&client, cargo, flight).await,
        Way::Resumable => resumable::post(&client, cargo, flight).await,
        Way::Multipart => s3::put_part(&client, cargo, flight).await,
        Way::Fetch | Way::Ftp => Err(Error::NotByLink(way.word())),
    }
}

/// HTTP/1.1, as one socket per transfer is several times faster than HTTP/2's small windows; and no
/// timeout of the library's, as none of them knows an upload that moves from one that does not.
fn build_client(timeouts: Timeouts, peer: Peer) -> Result<reqwest::Client, Error> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("jw-ingest/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(KEPT_FOR)
        // A server may take its time over the last megabytes without reading: leave that to the
        // watchdog, whose times are the ones in the configuration.
        .tcp_user_timeout(timeouts.stall.max(timeouts.response));
    if peer.is_loopback {
        builder = builder.no_proxy();
    }
    if peer.is_plain {
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|source| Error::Setup(source.without_url()))
}

/// The lanes that wait for a task.
fn idle() -> MutexGuard<'static, Vec<Lane>> {
    lock(&IDLE)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static IDLE: Mutex<Vec<Lane>> = Mutex::new(Vec::new());
static WEAR: Mutex<Wear> = Mutex::new(Wear::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close idle connections after some 15 to 60 s; a PUT into a closing one fails.
const KEPT_FOR: Duration = Duration::from_secs(10);
