//! A resumable upload, sent by hand: requests as text over bare connections.

use std::fmt::Write as _;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stand::{Answer, Stand, in_time, link, rest, target, text};

/// The size of the file of these tests.
pub(crate) const TOTAL: usize = 1_000_000;

/// One video that waits for its segments.
pub(crate) struct Upload<'a> {
    stand: &'a Stand,
    pub(crate) key: String,
    pub(crate) session: String,
    target: String,
}

/// An answer; status 0 where the connection ended without one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The bytes of the file from `first` to `last`.
pub(crate) fn bytes(first: usize, last: usize) -> Vec<u8> {
    (first..=last)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

impl<'a> Upload<'a> {
    pub(crate) async fn begin(stand: &'a Stand, extra: &[(&str, &str)]) -> Self {
        let mut all = vec![("upload_method", "multipart")];
        all.extend_from_slice(extra);
        Self::over(stand, &stand.ok("create", &all).await)
    }

    /// Over the link of an answer.
    pub(crate) fn over(stand: &'a Stand, answer: &Value) -> Self {
        Self {
            stand,
            key: text(&answer["media"]["key"]),
            session: text(&answer["session_id"]),
            target: format!("{}&api_format=json", target(&link(answer))),
        }
    }

    /// One that continues at a sandbox that was started again.
    pub(crate) fn resumed(stand: &'a Stand, key: &str, session: &str) -> Self {
        let target = format!("/v1/videos/upload/resumable?key={key}&api_format=json");
        Self {
            stand,
            key: key.to_owned(),
            session: session.to_owned(),
            target,
        }
    }

    /// The same upload with another key in its address, or another session.
    pub(crate) fn forged(&self, key: &str, session: &str) -> Self {
        Self {
            stand: self.stand,
            key: key.to_owned(),
            session: session.to_owned(),
            target: self.target.replace(&self.key, key),
        }
    }

    /// The head of a segment's request, ready for its body.
    pub(crate) fn head(&self, first: usize, last: usize) -> String {
        let range = format!("X-Content-Range: bytes {first}-{last}/{TOTAL}");
        let session = format!("X-Session-ID: {}", self.session);
        self.head_of(last + 1 - first, &[TYPE, NAME, &range, &session])
    }

    pub(crate) fn head_of(&self, length: usize, headers: &[&str]) -> String {
        let length = format!("Content-Length: {length}");
        self.head_without_length("POST", &[headers, &[&length]].concat())
    }

    pub(crate) fn head_without_length(&self, method: &str, headers: &[&str]) -> String {
        let mut head = format!(
            "{method} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
            self.target
        );
        for header in headers {
            write!(head, "{header}\r\n").unwrap();
        }
        head + "\r\n"
    }

    /// Sends one segment of the file.
    pub(crate) async fn send(&self, first: usize, last: usize) -> Reply {
        self.exchange(&self.head(first, last), &bytes(first, last))
            .await
    }

    /// Sends that, and reads what comes until the other side ends.
    pub(crate) async fn exchange(&self, head: &str, body: &[u8]) -> Reply {
        let mut stream = self.stand.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        // The other side need not want the body.
        stream.write_all(body).await.ok();
        // A peer that closes with something unread resets: no answer anyway.
        Reply::of(&rest(&mut stream).await.unwrap_or_default())
    }

    /// What the control endpoint says about the video.
    pub(crate) async fn stored(&self) -> Value {
        let Answer { body, .. } = self.stand.control("GET", "videos", Value::Null).await;
        let videos = body["videos"].as_array().unwrap();
        let video = videos.iter().find(|video| video["key"] == self.key);
        video.unwrap().clone()
    }

    /// How many whole files came, and how many bytes in all.
    pub(crate) async fn counts(&self) -> (u64, u64) {
        let video = self.stored().await;
        let count = |name: &str| video[name].as_u64().unwrap();
        (count("received"), count("bytes_received"))
    }
}

impl Reply {
    pub(crate) fn of(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.get(9..12).map_or(0, |status| status.parse().unwrap());
        Self {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        lines
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Asserts that more is wanted, and that these ranges are there.
    #[track_caller]
    pub(crate) fn has(&self, ranges: &str) {
        assert_eq!((self.status, self.body.as_str()), (201, ranges), "{self:?}");
        assert_eq!(self.header("range"), Some(ranges));
        assert_eq!(self.header("content-type"), None);
    }

    /// Asserts that the program behind refused the file.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        assert_eq!((self.status, text(&body["code"]).as_str()), (status, code));
    }
}

/// Reads one answer whose length is known off a connection that stays open.
pub(crate) async fn next_answer(stream: &mut tokio::net::TcpStream) -> Reply {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        in_time(stream.read_exact(&mut byte)).await.unwrap();
        answer.push(byte[0]);
    }
    let mut reply = Reply::of(&String::from_utf8(answer).unwrap());
    let length = reply.header("content-length").map(str::parse);
    let mut body = vec![0; length.map_or(0, Result::unwrap)];
    in_time(stream.read_exact(&mut body)).await.unwrap();
    reply.body = String::from_utf8(body).unwrap();
    reply
}

pub(crate) const TYPE: &str = "Content-Type: application/octet-stream";
pub(crate) const NAME: &str = "Content-Disposition: attachment; filename=\"clip one.mp4\"";
