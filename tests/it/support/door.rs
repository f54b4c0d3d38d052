//! A door between the daemon and the API: shut, its port refuses every connection, as a platform
//! does that cannot be reached.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::net::TcpSocket;

/// The door, shut at first.
pub(crate) struct Door {
    /// Bound and not listening: the port is ours, and refuses.
    socket: Option<TcpSocket>,
    address: SocketAddr,
    to: SocketAddr,
    open: Arc<AtomicBool>,
}

impl Door {
    /// Takes a free port.
    pub(crate) fn before(to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            socket: Some(socket),
            to,
            open: Arc::new(AtomicBool::new(false)),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections are passed on.
    pub(crate) fn open(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let socket = self.socket.take().unwrap();
        let listener = runtime.block_on(async { socket.listen(64).unwrap().into_std().unwrap() });
        listener.set_nonblocking(false).unwrap();
        self.open.store(true, Ordering::SeqCst);
        let (open, to) = (Arc::clone(&self.open), self.to);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                pass(stream.unwrap(), to).unwrap();
            }
        });
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.open.swap(false, Ordering::SeqCst) {
            // One more, so that the thread looks.
            drop(TcpStream::connect(self.address));
        }
    }
}

fn pass(here: TcpStream, to: SocketAddr) -> io::Result<()> {
    let there = TcpStream::connect(to)?;
    for (mut from, mut to) in [(here.try_clone()?, there.try_clone()?), (there, here)] {
        thread::spawn(move || {
            // A broken connection ends it like any other end.
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        });
    }
    Ok(())
}
