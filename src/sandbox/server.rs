//! The server: what all requests share, its start and its end.
//!
//! Invariant: when [`serve`] returns, no request is in progress any more and the folder is free.

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

use super::options::Options;
use super::origin::Origin;
use super::{conn, errand, faults, limit, requests, route, sessions, store, token};
use crate::clock;

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
    /// [`Options::public_url`] is not an address that links can begin with.
    #[error("the public URL has to be http:// or https://, a host, and nothing behind it")]
    PublicUrl,
}

/// Everything that the requests have in common.
pub(super) struct Sandbox {
    pub(super) options: Options,
    /// Where upload links point to.
    pub(super) origin: Origin,
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
        // What is left is removed with the temporary folder.
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
    let origin = match &options.public_url {
        Some(url) => Origin::read(url).ok_or(Error::PublicUrl)?,
        None => Origin::local(address),
    };
    let unusable = |source| Error::Folder {
        dir: dir.to_owned(),
        source,
    };
    let store = store::Store::open(dir, now).map_err(unusable)?;
    let lifetime = seconds(options.link_lifetime);
    let sessions = sessions::Sessions::open(dir, store.incoming(), lifetime, now);
    let stopping = CancellationToken::new();
    // Every request in progress holds the sandbox, and so does what it left to the disk: when the
    // receiver ends, none is left.
    let (alive, mut all_done) = mpsc::channel::<Infallible>(1);
    let sandbox = Arc::new(Sandbox {
        origin,
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
    errand::go_on(&sandbox);
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
        self.after(self.options.link_lifetime)
    }

    /// How much later than now, in UNIX seconds.
    pub(super) fn after(&self, lifetime: Duration) -> i64 {
        self.now_s().saturating_add(seconds(lifetime))
    }
}

fn seconds(lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)
}
