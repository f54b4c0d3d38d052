//! The server: its options, what all requests share, its start and its end.
//!
//! Invariant: when [`serve`] returns, no request is under way any more and the folder is free.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ranges::OneByte;
use super::{conn, faults, limit, requests, route, sessions, store, token};
use crate::clock;

/// What the stand-in is to be.
#[derive(Clone)]
pub struct Options {
    /// The only API key that it knows.
    pub key: String,
    /// The secret that belongs to the key.
    pub secret: String,
    /// Where it keeps what it got; `None` is a temporary folder that is removed at the end.
    pub dir: Option<PathBuf>,
    /// Whether `/control/…` answers.
    pub control: bool,
    /// How long a video is `processing` (or `updating`).
    pub processing: Duration,
    /// How long after a PUT to S3 the platform notices the object; until then it is `created`.
    pub s3_notice: Duration,
    /// How long upload links, and resumable sessions, live (the platform's form links: 7 days).
    pub link_lifetime: Duration,
    /// Calls a minute, other than list; 0 means no limit (the platform: 60).
    pub rate_limit: u32,
    /// List calls a minute; 0 means no limit (the platform: 30).
    pub list_rate_limit: u32,
    /// How long a server waits for the next byte of a body before it gives the request up.
    pub idle_timeout: Duration,
    /// The longest segment of a resumable upload, in bytes; above it the answer is 413.
    pub segment_limit: Option<u64>,
    /// What becomes of a segment of one byte.
    pub one_byte: OneByte,
}

impl Options {
    /// The platform's own numbers, a processing time of two seconds, and S3 objects that are
    /// noticed after one.
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            secret: secret.into(),
            dir: None,
            control: false,
            processing: Duration::from_secs(2),
            s3_notice: Duration::from_secs(1),
            link_lifetime: Duration::from_hours(7 * 24),
            rate_limit: 60,
            list_rate_limit: 30,
            // S3 gives up after some twenty seconds.
            idle_timeout: Duration::from_secs(20),
            segment_limit: None,
            one_byte: OneByte::Poisons,
        }
    }

    fn link_seconds(&self) -> i64 {
        i64::try_from(self.link_lifetime.as_secs()).unwrap_or(i64::MAX)
    }
}

/// Why the stand-in cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be used, or what an earlier run left in it cannot be read.
    #[error("cannot use the sandbox folder {dir}")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket failed.
    #[error("the sandbox cannot listen")]
    Listen(#[source] io::Error),
}

/// Everything that the requests have in common.
pub(super) struct Sandbox {
    pub(super) options: Options,
    /// `host:port`, as upload links name it.
    pub(super) address: String,
    pub(super) store: store::Store,
    pub(super) sessions: sessions::Sessions,
    pub(super) limits: limit::Limits,
    pub(super) faults: faults::Faults,
    pub(super) requests: requests::Requests,
    /// Seconds by which a test put the clock forward.
    pub(super) ahead: AtomicI64,
    pub(super) stop: CancellationToken,
    /// Dropped as the last of all this, when nothing uses the folder any more.
    _alive: mpsc::Sender<Infallible>,
}

/// Serves until `stop` completes. By then every connection is closed, held requests included, and
/// the folder can be used by the next one.
///
/// # Errors
/// When the folder or the socket cannot be used.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::Listen)?;
    let temporary = options.dir.is_none().then(|| {
        std::env::temp_dir().join(format!("jw-ingest-sandbox-{}", token::alphanumeric(12)))
    });
    let dir = options
        .dir
        .clone()
        .or(temporary.clone())
        .unwrap_or_default();
    let served = run(listener, address, options, &dir, stop).await;
    if let Some(dir) = temporary {
        // Whoever cleans the temporary folder gets what is left.
        std::fs::remove_dir_all(dir).ok();
    }
    served
}

async fn run(
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
    dir: &Path,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let now = clock::now().as_second();
    let unusable = |source| Error::Folder {
        dir: dir.to_owned(),
        source,
    };
    let store = store::Store::open(dir, now).map_err(unusable)?;
    let lifetime = options.link_seconds();
    let sessions = sessions::Sessions::open(dir, store.incoming(), lifetime, now);
    let stopping = CancellationToken::new();
    // Every request under way holds the sandbox, and so does what it left to the disk: when the
    // receiver ends, none is left.
    let (alive, mut all_done) = mpsc::channel::<Infallible>(1);
    let sandbox = Arc::new(Sandbox {
        address: public(address).to_string(),
        store,
        sessions: sessions.map_err(unusable)?,
        limits: limit::Limits::new(options.rate_limit, options.list_rate_limit),
        faults: faults::Faults::default(),
        requests: requests::Requests::new(),
        ahead: AtomicI64::new(0),
        stop: stopping.clone(),
        options,
        _alive: alive,
    });
    let door = conn::Door::new(listener, stopping.clone());
    let routes = Router::new().fallback(route::route).with_state(sandbox);
    let service = routes.into_make_service_with_connect_info::<conn::Conn>();
    let serving = axum::serve(door, service)
        .with_graceful_shutdown(stopping.clone().cancelled_owned())
        .into_future();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop => {
            stopping.cancel();
            serving.await
        }
    };
    stopping.cancel();
    all_done.recv().await;
    served.map_err(Error::Listen)
}

/// The address that links name: one that a client on this machine can reach.
fn public(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::from(([127, 0, 0, 1], address.port()));
    }
    address
}

impl Sandbox {
    /// UNIX milliseconds, by the clock that tests may put forward.
    pub(super) fn now_ms(&self) -> i64 {
        let ahead = self.ahead.load(Ordering::Relaxed).saturating_mul(1000);
        clock::now().as_millisecond().saturating_add(ahead)
    }

    /// UNIX seconds, by the same clock.
    pub(super) fn now_s(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// When a link that is given out now expires, in UNIX seconds.
    pub(super) fn link_end(&self) -> i64 {
        self.now_s().saturating_add(self.options.link_seconds())
    }
}
