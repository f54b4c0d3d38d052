//! A small web server for the platform to fetch from: it has what a test gives it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running server; its thread ends with the test's process.
pub(crate) struct Web {
    address: SocketAddr,
    pages: Arc<Mutex<Pages>>,
}

#[derive(Default)]
struct Pages {
    /// By path, percent-encoded as requested, without the query.
    content: HashMap<String, Vec<u8>>,
    /// Method and path with query, in order.
    requests: Vec<String>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Arc::<Mutex<Pages>>::default();
        let served = Arc::clone(&pages);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = Arc::clone(&served);
                // A client that goes away in the middle is none of the server's business.
                std::thread::spawn(move || answer(stream, &pages));
            }
        });
        Self { address, pages }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on the path has this content.
    pub(crate) fn serve(&self, path: &str, content: &[u8]) {
        let mut pages = self.pages.lock().unwrap();
        pages.content.insert(path.to_owned(), content.to_vec());
    }

    /// How often a path was asked for by a method.
    pub(crate) fn requests(&self, line: &str) -> usize {
        let pages = self.pages.lock().unwrap();
        pages.requests.iter().filter(|l| *l == line).count()
    }
}

fn answer(stream: TcpStream, pages: &Mutex<Pages>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut header = String::new();
    while reader.read_line(&mut header).ok()? > 2 {
        header.clear();
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let content = {
        let mut pages = pages.lock().unwrap();
        pages.requests.push(format!("{method} {target}"));
        let path = target.split('?').next()?;
        pages.content.get(path).cloned()
    };
    let status = if content.is_some() {
        "200 OK"
    } else {
        "404 Not Found"
    };
    let body = content.unwrap_or_default();
    let mut stream = stream;
    let page = target.split('?').next()?.ends_with("html");
    let kind = if page {
        "Content-Type: text/html; charset=utf-8\r\n"
    } else {
        ""
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{kind}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    if method == "GET" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}
