//! The far end: it reads and drops, and answers as S3 and the platform would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use serde_json::json;

use crate::child::Child;
use crate::line::{FAR, Net};

/// No other process is in the namespace.
const PORT: u16 = 8700;

/// The address of a thing at the sink.
pub(crate) fn url(path: &str) -> String {
    format!("http://{FAR}:{PORT}/{path}")
}

/// Starts it; it ends when it is dropped, and also if this program is killed.
pub(crate) fn start(net: &Net) -> Result<Child, String> {
    let myself = std::env::current_exe().map_err(|error| format!("its own path: {error}"))?;
    let mut command = net.far_command(myself);
    command.arg("sink").stdin(Stdio::piped());
    let mut sink = Child::start(command.stderr(Stdio::piped()))?;
    sink.first_word()?;
    Ok(sink)
}

/// The role: serves until its parent is gone.
#[expect(clippy::print_stderr, reason = "the word that its parent waits for")]
pub(crate) fn serve() -> Result<(), String> {
    let listener = TcpListener::bind((FAR, PORT)).map_err(|error| format!("sink: {error}"))?;
    eprintln!("ready");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || talk(stream));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink()).ok();
    Ok(())
}

/// Answers requests until the other side hangs up.
fn talk(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::with_capacity(1 << 20, stream);
    loop {
        let mut first = String::new();
        stream.read_line(&mut first).ok()?;
        let (method, rest) = first.split_once(' ')?;
        let target = rest.split(' ').next()?;
        let mut length = 0;
        let mut line = String::new();
        while stream.read_line(&mut line).ok()? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
            line.clear();
        }
        io::copy(&mut stream.by_ref().take(length), &mut io::sink()).ok()?;
        let body = if method == "GET" {
            page(target)
        } else {
            String::new()
        };
        // It names no MD5: what it would cost to make one here would be missing at the line.
        let answer = format!(
            "HTTP/1.1 200 OK\r\nETag: \"sink\"\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

/// A page of the 10,000 slots of an upload that has no part yet.
fn page(target: &str) -> String {
    let asked = |name: &str| {
        let (_, query) = target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|pair| pair.0 == name)?.1.parse::<u32>().ok()
    };
    let page = asked("page").unwrap_or(1);
    let length = asked("page_length").unwrap_or(10).min(1000);
    let first = page.saturating_sub(1).saturating_mul(length);
    let parts: Vec<_> = (first..first.saturating_add(length))
        .filter(|slot| *slot < SLOTS)
        .map(|slot| json!({"id": slot + 1, "upload_link": url("part"), "etag": null}))
        .collect();
    json!({"page": page, "page_length": length, "total": SLOTS, "parts": parts}).to_string()
}

const SLOTS: u32 = 10_000;
