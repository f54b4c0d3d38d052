//! A listener in the platform's place, which refuses each video and notes when it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

pub(crate) struct Platform {
    address: SocketAddr,
    requests: Receiver<(Instant, String)>,
}

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

impl Platform {
    pub(crate) fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || answer(stream, &sender));
            }
        });
        Ok(Self { address, requests })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the first request in which this name is; says when it came.
    pub(crate) fn request_about(&self, name: &str) -> Outcome<Instant> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.requests.recv_timeout(left) {
                Ok((at, request)) if request.contains(name) => return Ok(at),
                Ok(_) => {}
                Err(_) => return Err(format!("no request about {name}")),
            }
        }
    }
}

/// One request for each connection; what is asked is in its first bytes.
fn answer(mut stream: TcpStream, sender: &Sender<(Instant, String)>) {
    let at = Instant::now();
    let mut bytes = vec![0; 64 * 1024];
    let Ok(read) = stream.read(&mut bytes) else {
        return;
    };
    bytes.truncate(read);
    let request = String::from_utf8_lossy(&bytes).into_owned();
    // For what it asks: a fault of the platform's own would let the account rest.
    let why = r#"{"status": "error", "code": "ParameterInvalid", "title": "no", "message": "no"}"#;
    let length = why.len();
    let refusal = format!(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{why}"
    );
    // Nothing waits any more once the benchmark is over.
    if sender.send((at, request)).is_ok() {
        stream.write_all(refusal.as_bytes()).ok();
    }
}
