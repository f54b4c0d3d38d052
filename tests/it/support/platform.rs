//! The sandbox in this process, on a port of its own: it outlives the daemons that are killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use jw_ingest::sandbox::{self, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use super::http;

pub(crate) const KEY: &str = "XOqEAfxj";
pub(crate) const SECRET: &str = "uA96CFtJa138E2T5GhKfngml";
pub(crate) const V2_SECRET: &str = "v2-T0kenOfTheProperty.8h2Jd";

/// What a connection holds unread. The kernel's own buffers grow to tens of megabytes on some
/// machines, and an upload that should hang in mid body would be out before it does.
const RECEIVE_BUFFER: u32 = 256 * 1024;

/// A running platform.
pub(crate) struct Platform {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    dir: TempDir,
}

/// A video as the platform has it.
#[derive(Debug, Clone)]
pub(crate) struct Video {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) status: String,
    pub(crate) ingest_id: String,
    pub(crate) sha1: Option<String>,
    /// How many times its bytes arrived whole.
    pub(crate) received: u64,
}

impl Platform {
    /// Without rate limits, and quick to process.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(KEY, SECRET);
        options.dir = Some(dir.path().to_owned());
        options.control = true;
        V2_SECRET.clone_into(&mut options.v2_secret);
        "sAnDb0x1".clone_into(&mut options.site);
        options.search_lag = Duration::from_millis(100);
        options.processing = Duration::from_millis(200);
        options.s3_notice = Duration::from_millis(100);
        options.rate_limit = 0;
        options.list_rate_limit = 0;
        change(&mut options);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime
                .block_on(async {
                    let listener = listen();
                    tell.send(listener.local_addr().unwrap()).unwrap();
                    sandbox::serve(listener, options, stopped).await
                })
                .unwrap();
        });
        let address = told.recv_timeout(super::DEADLINE).unwrap();
        Self {
            address,
            stop,
            thread: Some(thread),
            dir,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn v2_url(&self) -> String {
        format!("http://{}/v2", self.address)
    }

    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, value) =
            http::request(self.address, method, &format!("/control/{path}"), &text);
        assert_eq!(status, 200, "control {method} {path} {body}: {value}");
        value
    }

    /// A control request that may be refused.
    pub(crate) fn try_control(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let path = format!("/control/{path}");
        let (status, value) = http::request(self.address, method, &path, &text);
        (status == 200).then_some(value)
    }

    /// Orders a fault for the next requests of an operation, e.g.
    /// `("create", json!({"kind": "hold-after-acting"}))`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make it with json! on the spot"
    )]
    pub(crate) fn fault(&self, on: &str, fault: Value) {
        self.faults(on, Some(1), &fault);
    }

    pub(crate) fn faults(&self, on: &str, times: Option<u32>, fault: &Value) {
        self.control(
            "POST",
            "faults",
            &json!({"on": on, "times": times, "fault": fault}),
        );
    }

    pub(crate) fn clear_faults(&self) {
        self.control("DELETE", "faults", &Value::Null);
    }

    pub(crate) fn release(&self) {
        self.control("POST", "release", &Value::Null);
    }

    /// Waits until an operation has reached a stage so many times since the start.
    pub(crate) fn wait(&self, on: &str, stage: &str, count: u64) {
        let limit = super::DEADLINE.as_millis();
        self.control(
            "GET",
            &format!("wait?on={on}&stage={stage}&count={count}&timeout_ms={limit}"),
            &Value::Null,
        );
    }

    /// How many requests of an operation came so far to that stage.
    pub(crate) fn count(&self, on: &str, stage: &str) -> u64 {
        let seen = self.control("GET", "requests", &Value::Null);
        seen["counts"][on][stage].as_u64().unwrap_or_default()
    }

    /// The videos that exist, deleted ones excepted.
    pub(crate) fn videos(&self) -> Vec<Video> {
        let answer = self.control("GET", "videos?digest=sha1", &Value::Null);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let videos = answer["videos"].as_array().unwrap();
        videos
            .iter()
            .map(|video| Video {
                key: text(&video["key"]),
                title: text(&video["fields"]["title"]),
                status: text(&video["status"]),
                ingest_id: match text(&video["fields"]["external_id"]) {
                    none if none.is_empty() => text(&video["custom"]["ingest_id"]),
                    external_id => external_id,
                },
                sha1: video["stored_sha1"].as_str().map(str::to_owned),
                received: video["received"].as_u64().unwrap_or_default(),
            })
            .collect()
    }

    /// Hands out its record of every change, oldest first: `{"video": {…}}`, `{"deleted": [KEY, …]}`, and
    /// others.
    pub(crate) fn record(&self, mut each: impl FnMut(&Value)) {
        let index = File::open(self.dir.path().join("index.jsonl")).unwrap();
        for line in BufReader::new(index).lines() {
            // The last one may be half written.
            if let Ok(line) = serde_json::from_str(&line.unwrap()) {
                each(&line);
            }
        }
    }

    /// Its folder outlives the test.
    pub(crate) fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Bytes of upload bodies that came for all videos together, cut and repeated ones included.
    pub(crate) fn bytes_received(&self) -> u64 {
        let answer = self.control("GET", "videos", &Value::Null);
        let videos = answer["videos"].as_array().unwrap();
        let received = videos
            .iter()
            .map(|video| video["bytes_received"].as_u64().unwrap());
        received.sum()
    }

    /// The tokens and sessions of all uploads so far: what must stay secret.
    pub(crate) fn upload_tokens(&self) -> Vec<String> {
        let index = std::fs::read_to_string(self.dir.path().join("index.jsonl")).unwrap();
        let mut tokens = Vec::new();
        for line in index.lines() {
            collect_tokens(&serde_json::from_str(line).unwrap(), &mut tokens);
        }
        tokens
    }

    /// The log of requests, for a test that failed.
    pub(crate) fn story(&self) -> String {
        let seen = self.control("GET", "requests", &Value::Null);
        serde_json::to_string_pretty(&seen).unwrap()
    }
}

fn collect_tokens(value: &Value, tokens: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        return;
    };
    for (name, value) in object {
        match value.as_str() {
            Some(token) if name == "token" && !token.is_empty() => tokens.push(token.to_owned()),
            _ => collect_tokens(value, tokens),
        }
    }
}

/// A port of its own.
pub(crate) fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1024).unwrap()
}

impl Drop for Platform {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the platform's requests\n{}", self.story());
        }
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
