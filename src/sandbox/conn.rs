//! The connections: what hyper reads from and writes to, with a handle by which a handler can cut
//! the connection under hyper's feet.
//!
//! Invariant: a connection that was ordered to end sends no further byte. It ends with a FIN
//! ([`Conn::close`]) or with a real RST ([`Conn::reset`]: linger zero, then close).
//!
//! A connection that hyper ends by itself, because it answered before it had read the request, is
//! closed as web servers do it: what the client still sends is read and dropped for a while, lest
//! the kernel answers it with a RST that overtakes the answer.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A handle on one connection; clones mean the same connection.
#[derive(Debug, Clone)]
pub(super) struct Conn {
    ended: CancellationToken,
    with_reset: Arc<AtomicBool>,
    abrupt: Arc<AtomicBool>,
}

impl Conn {
    fn new(ended: CancellationToken) -> Self {
        Self {
            ended,
            with_reset: Arc::default(),
            abrupt: Arc::default(),
        }
    }

    /// Ends the connection without a word.
    pub(super) fn close(&self) {
        self.ended.cancel();
    }

    /// Ends the connection with a RST.
    pub(super) fn reset(&self) {
        self.with_reset.store(true, Ordering::Release);
        self.ended.cancel();
    }

    /// When it ends, nothing that still comes in is waited for.
    pub(super) fn be_abrupt(&self) {
        self.abrupt.store(true, Ordering::Release);
    }

    /// Returns once the connection is over, no matter which side ended it. Cancel safe.
    pub(super) async fn over(&self) {
        self.ended.cancelled().await;
    }
}

impl Connected<IncomingStream<'_, Door>> for Conn {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().conn.clone()
    }
}

/// The listener; `stop` ends every connection that came through it.
pub(super) struct Door {
    listener: TcpListener,
    stop: CancellationToken,
}

impl Door {
    pub(super) fn new(listener: TcpListener, stop: CancellationToken) -> Self {
        Self { listener, stop }
    }
}

impl Listener for Door {
    type Io = Io;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Io, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Only latency hangs on it; a socket that refuses is as good.
                    stream.set_nodelay(true).ok();
                    let conn = Conn::new(self.stop.child_token());
                    return (Io::new(stream, conn, self.stop.clone()), peer);
                }
                // Out of descriptors, or the client went away in between: neither is fixed by
                // trying at once, and neither is a reason to end.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A TCP stream that fails once its [`Conn`] is ended.
pub(super) struct Io {
    stream: TcpStream,
    conn: Conn,
    stop: CancellationToken,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Io {
    fn new(stream: TcpStream, conn: Conn, stop: CancellationToken) -> Self {
        let ended = Box::pin(conn.ended.clone().cancelled_owned());
        Self {
            stream,
            conn,
            stop,
            ended,
        }
    }

    /// Keeps the socket open behind hyper's back until the client has had the answer.
    fn linger(&self) -> io::Result<()> {
        let socket = std::net::TcpStream::from(self.stream.as_fd().try_clone_to_owned()?);
        socket.shutdown(Shutdown::Write)?;
        let socket = TcpStream::from_std(socket)?;
        let stop = self.stop.clone();
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        runtime.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(LINGER) => {}
                () = stop.cancelled() => {}
                () = drain(socket) => {}
            }
        });
        Ok(())
    }

    /// Fails once the connection was ordered to end, and wakes the task when that happens later.
    fn alive(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if self.conn.with_reset.load(Ordering::Acquire) {
            // Should it fail, the client sees a FIN instead: a broken connection anyway.
            self.stream.set_zero_linger().ok();
        } else if !self.conn.ended.is_cancelled() && !self.conn.abrupt.load(Ordering::Acquire) {
            // A socket that the client has closed already needs no lingering, and refuses it.
            self.linger().ok();
        }
        self.conn.ended.cancel();
    }
}

/// Reads until the client is done.
async fn drain(mut socket: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.alive(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// How long a client may continue sending after it was answered.
const LINGER: Duration = Duration::from_secs(5);

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
