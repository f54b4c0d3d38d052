//! A server for tests that does on its socket exactly what a test says, and nothing of HTTP's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// What a client sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// The running server; it lives as long as the test's process.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    requests: Receiver<Request>,
}

impl Stub {
    /// Runs `script` for each connection, on a thread of its own, with the connection's number.
    pub(crate) fn serve(script: impl Fn(usize, &mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        let script = std::sync::Arc::new(script);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut peer = Peer {
                    stream: BufReader::new(stream.unwrap()),
                    log: sender.clone(),
                };
                let script = std::sync::Arc::clone(&script);
                thread::spawn(move || script(number, &mut peer));
            }
        });
        Self { address, requests }
    }

    /// Answers the n-th request of all with the n-th answer, on as few connections as the client
    /// likes.
    pub(crate) fn answering<const N: usize>(answers: [String; N]) -> Self {
        let answers = std::sync::Mutex::new(answers.into_iter());
        Self::serve(move |_, peer| {
            while peer.request() {
                let Some(answer) = answers.lock().unwrap().next() else {
                    return;
                };
                peer.say(&answer);
            }
        })
    }

    /// The next request that came in.
    pub(crate) fn request(&self) -> Request {
        self.requests
            .recv_timeout(PATIENCE)
            .expect("a request arrives")
    }

    /// Whether a further request came in by now.
    pub(crate) fn has_more(&self) -> bool {
        self.next_by_now().is_some()
    }

    /// The next request, if it came in by now.
    pub(crate) fn next_by_now(&self) -> Option<Request> {
        self.requests.try_recv().ok()
    }
}

/// One connection.
pub(crate) struct Peer {
    stream: BufReader<TcpStream>,
    log: Sender<Request>,
}

impl Peer {
    /// Reads a whole request and passes it to the test; false at the end of the connection.
    pub(crate) fn request(&mut self) -> bool {
        let Some(head) = self.head() else {
            return false;
        };
        self.rest_of(head).is_some()
    }

    /// Reads the body that belongs to a head, and passes the whole request to the test too.
    pub(crate) fn rest_of(&mut self, mut request: Request) -> Option<Request> {
        let length = request
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        request.body = vec![0; length];
        self.stream.read_exact(&mut request.body).ok()?;
        self.log.send(request.clone()).ok()?;
        Some(request)
    }

    /// Reads the head of a request.
    pub(crate) fn head(&mut self) -> Option<Request> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        Some(Request {
            head,
            body: Vec::new(),
        })
    }

    /// Reads `count` bytes of a body.
    pub(crate) fn take(&mut self, count: usize) {
        self.stream.read_exact(&mut vec![0; count]).unwrap();
    }

    /// Reads until the client closes, which is what cancelling must do.
    pub(crate) fn until_closed(&mut self) {
        // However it ends, it ended.
        std::io::copy(&mut self.stream, &mut std::io::sink()).ok();
    }

    /// Reads until the client closes, and counts the bytes.
    pub(crate) fn count(&mut self) -> u64 {
        std::io::copy(&mut self.stream, &mut std::io::sink()).unwrap_or(u64::MAX)
    }

    /// Sends text as it is.
    pub(crate) fn say(&mut self, text: &str) {
        // A client that has hung up already is what some tests are about.
        self.stream.get_mut().write_all(text.as_bytes()).ok();
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).ok();
    }
}

/// An answer with its length, so that the connection can be used again.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// How long a test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
