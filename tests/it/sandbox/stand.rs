//! A running sandbox and a caller that signs for itself, so that nothing of the code under test
//! helps to test it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jw_ingest::sandbox::{Error, Options, serve};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "XOqEAfxj";
pub(crate) const SECRET: &str = "uA96CFtJa138E2T5GhKfngml";

/// No wait of a test lasts longer.
const DEADLINE: Duration = Duration::from_secs(30);

/// A sandbox on a port of its own.
pub(crate) struct Stand {
    pub(crate) address: String,
    pub(crate) dir: PathBuf,
    pub(crate) http: reqwest::Client,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), Error>>,
    own_dir: Option<tempfile::TempDir>,
}

/// What a call answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Stand {
    /// A sandbox without rate limits or waiting times, with its control endpoint.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other options.
    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut stand = Self::on(own.path(), change).await;
        stand.own_dir = Some(own);
        stand
    }

    /// The same in a folder that outlives it.
    pub(crate) async fn on(dir: &Path, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(KEY, SECRET);
        options.dir = Some(dir.to_owned());
        options.control = true;
        options.processing = Duration::ZERO;
        options.s3_notice = Duration::ZERO;
        options.search_lag = Duration::ZERO;
        options.rate_limit = 0;
        options.list_rate_limit = 0;
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listener, options, async {
            stopped.await.ok();
        }));
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(DEADLINE)
            .build()
            .unwrap();
        Self {
            address,
            dir: dir.to_owned(),
            http,
            stop,
            served,
            own_dir: None,
        }
    }

    /// Stops it and waits for its end.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        in_time(self.served).await.unwrap().unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A signed POST with everything in the body.
    pub(crate) async fn call(&self, method: &str, extra: &[(&str, &str)]) -> Answer {
        self.post(method, signed(extra)).await
    }

    /// A POST with that form as its body.
    pub(crate) async fn post(&self, method: &str, form: String) -> Answer {
        let request = self
            .http
            .post(self.url(&format!("/v1/videos/{method}")))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        Answer::of(request.send().await.unwrap()).await
    }

    /// A call that has to succeed.
    pub(crate) async fn ok(&self, method: &str, extra: &[(&str, &str)]) -> Value {
        let answer = self.call(method, extra).await;
        assert_eq!(answer.status, 200, "{method}: {}", answer.body);
        assert_eq!(answer.body["status"], "ok");
        answer.body
    }

    /// A new video: its key, and the link as an address.
    pub(crate) async fn create(&self, extra: &[(&str, &str)]) -> (String, String) {
        let body = self.ok("create", extra).await;
        (text(&body["media"]["key"]), link(&body))
    }

    pub(crate) async fn put(
        &self,
        url: &str,
        bytes: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        self.http.put(url).body(bytes).send().await.unwrap()
    }

    /// What `/videos/show` says about a video.
    pub(crate) async fn show(&self, key: &str) -> Value {
        self.ok("show", &[("video_key", key)]).await["video"].clone()
    }

    /// How many videos there are.
    pub(crate) async fn total(&self) -> u64 {
        self.ok("list", &[]).await["total"].as_u64().unwrap()
    }

    /// The stored bytes of a video.
    pub(crate) fn stored(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.dir.join("media").join(key).join("original")).unwrap()
    }

    /// Returns once no upload in progress has a file. The file of one that broke off goes a moment
    /// after that is told.
    pub(crate) async fn nothing_incoming(&self) {
        let begun = std::time::Instant::now();
        let left = || {
            std::fs::read_dir(self.dir.join("incoming"))
                .unwrap()
                .count()
        };
        while left() > 0 {
            assert!(begun.elapsed().as_secs() < 20, "{} files are left", left());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn control(&self, verb: &str, path: &str, body: Value) -> Answer {
        let verb = verb.parse().unwrap();
        let url = self.url(&format!("/control/{path}"));
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        Answer::of(
            self.http
                .request(verb, url)
                .body(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Orders a fault.
    pub(crate) async fn fault(&self, fault: Value) {
        let answer = self.control("POST", "faults", fault).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Waits until that many requests got that far.
    pub(crate) async fn reached(&self, on: &str, stage: &str, count: u64) {
        let path = format!("wait?on={on}&stage={stage}&count={count}&timeout_ms=20000");
        let answer = self.control("GET", &path, Value::Null).await;
        assert_eq!(answer.status, 200, "{on} {stage} {count}: {}", answer.body);
    }

    pub(crate) async fn release(&self) -> u64 {
        let answer = self.control("POST", "release", Value::Null).await;
        answer.body["released"].as_u64().unwrap()
    }

    pub(crate) async fn advance(&self, seconds: i64) {
        let body = serde_json::json!({"advance_s": seconds});
        assert_eq!(self.control("POST", "clock", body).await.status, 200);
    }

    /// A bare connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// Sends bytes as they are, and reads until the other side ends.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        rest(&mut stream).await.unwrap()
    }
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.unwrap();
        Self {
            status,
            headers,
            body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
        }
    }

    /// Status and error code, for tables of refusals.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, text(&self.body["code"]))
    }
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}

/// The address in the `link` of an answer.
pub(crate) fn link(body: &Value) -> String {
    let part = |name: &str| text(&body["link"][name]);
    let mut query: Vec<String> = Vec::new();
    for (name, value) in body["link"]["query"].as_object().unwrap() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        query.push(format!("{name}={}", encode(&value)));
    }
    format!(
        "{}://{}{}?{}",
        part("protocol"),
        part("address"),
        part("path"),
        query.join("&")
    )
}

/// A link's path and query, for raw requests.
pub(crate) fn target(link: &str) -> &str {
    let rest = link.split_once("://").unwrap().1;
    &rest[rest.find('/').unwrap()..]
}

/// The parameters with the four of the API, and the signature, as a query string.
pub(crate) fn signed(extra: &[(&str, &str)]) -> String {
    signed_at(now(), extra)
}

/// The same with a timestamp of one's own.
pub(crate) fn signed_at(timestamp: u64, extra: &[(&str, &str)]) -> String {
    static NONCE: AtomicU64 = AtomicU64::new(10_000_000);
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed).to_string();
    let timestamp = timestamp.to_string();
    let mut pairs = vec![
        ("api_format", "json"),
        ("api_key", KEY),
        ("api_nonce", &nonce),
        ("api_timestamp", &timestamp),
    ];
    for (name, value) in extra {
        pairs.retain(|(own, _)| own != name);
        pairs.push((name, value));
    }
    sign(&pairs)
}

/// Exactly these parameters, signed.
pub(crate) fn sign(pairs: &[(&str, &str)]) -> String {
    let mut encoded: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    // No name used here is the beginning of another one, so sorting the joined texts is right.
    encoded.sort();
    let base = encoded.join("&");
    let signature = Sha1::digest(format!("{base}{SECRET}"));
    let mut form = format!("{base}&api_signature=");
    for byte in signature {
        write!(form, "{byte:02x}").unwrap();
    }
    form
}

pub(crate) fn encode(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

pub(crate) fn now() -> u64 {
    u64::try_from(jw_ingest::clock::now().as_second()).unwrap()
}

/// Awaits, but not forever.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("the deadline of the test passed")
}

/// Reads until the other side ends; an error where it resets.
pub(crate) async fn rest(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    in_time(stream.read_to_end(&mut bytes)).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
