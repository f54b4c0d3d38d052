//! An S3 server of another project (`s3s-fs`) in this process: it checks signatures of both
//! versions, expiry and checksums, and keeps objects as plain files.
//!
//! In front of it is what the platform adds for uploads in parts: a list of slots with links, and a
//! call that completes the upload.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, put};
use jw_ingest::platform::Pass;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use url::Url;

use super::sign::{ACCESS_KEY, Permission, SECRET_KEY, Version};
use crate::support::listen;

const BUCKET: &str = "videos";
const TOKEN: &str = "eyJ0.dG9rZW4.c2ln";
/// Slots of one upload (JW docs, v2 multipart uploads).
const SLOTS: u32 = 10_000;

/// A running server; it ends with the test's runtime.
#[derive(Clone)]
pub(super) struct Server(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    root: TempDir,
    service: S3Service,
    upload: Mutex<Upload>,
    /// How many parts may still come through; those beyond wait.
    gate: Semaphore,
    /// Whether the links on the next page are of yesterday.
    stale: AtomicBool,
}

/// The one multipart upload of a test.
#[derive(Default)]
struct Upload {
    key: String,
    id: String,
    /// What S3 answered, by the number of the part.
    etags: BTreeMap<u32, String>,
    /// Every part that was stored, in the order of its answer.
    stored: Vec<u32>,
}

impl Server {
    /// Within a runtime.
    pub(super) fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let listener = listen();
        let server = Self(Arc::new(Inner {
            address: listener.local_addr().unwrap(),
            root,
            service: builder.build(),
            upload: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            stale: AtomicBool::new(false),
        }));
        let router = Router::new()
            .route("/v2/uploads/UpId1234/parts", get(parts))
            .route("/v2/uploads/UpId1234/complete", put(complete))
            .fallback(through)
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// A link for a PUT of this key.
    pub(super) fn link(&self, version: Version, key: &str) -> String {
        let path = format!("/{BUCKET}/{key}");
        Permission::new("PUT", &path).link(version, self.address())
    }

    /// What the server has under this key.
    pub(super) fn object(&self, key: &str) -> Option<Vec<u8>> {
        fs::read(self.0.root.path().join(BUCKET).join(key)).ok()
    }

    /// Begins a multipart upload at the server; gives the pass that the platform would give.
    pub(super) async fn begin(&self, key: &str) -> Pass {
        let answer = self.post(key, &[("uploads", "")], String::new()).await;
        let (_, rest) = answer.split_once("<UploadId>").expect("an upload");
        let (id, _) = rest.split_once("</UploadId>").unwrap();
        *self.0.upload.lock().unwrap() = Upload {
            key: key.to_owned(),
            id: id.to_owned(),
            ..Upload::default()
        };
        let url = format!("http://{}/v2/uploads/UpId1234", self.address());
        Pass::new(Url::parse(&url).unwrap(), TOKEN, None).unwrap()
    }

    /// From now on so many parts come through, and those beyond wait until there are more.
    pub(super) fn let_through(&self, parts: usize) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
        self.0.gate.add_permits(parts);
    }

    /// Lets the next page have links whose time is over.
    pub(super) fn hand_out_stale_links_once(&self) {
        self.0.stale.store(true, Ordering::Relaxed);
    }

    /// The numbers of the parts that were stored, in the order of their answers.
    pub(super) fn stored(&self) -> Vec<u32> {
        self.0.upload.lock().unwrap().stored.clone()
    }

    /// A call of the bucket's owner.
    async fn post(&self, key: &str, query: &[(&str, &str)], body: String) -> String {
        let path = format!("/{BUCKET}/{key}");
        let permission = Permission {
            query,
            ..Permission::new("POST", &path)
        };
        let link = permission.link(Version::V4, self.address());
        let client = reqwest::Client::builder().no_proxy();
        let client = client.tls_certs_only([]).build().unwrap();
        let answer = client.post(link).body(body).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        // S3 may say 200 and then fail.
        assert!(status.is_success() && !text.contains("<Error>"), "{text}");
        text
    }
}

/// Anything that is not the platform's goes to S3.
async fn through(State(server): State<Server>, request: Request) -> Response {
    let number = number_in(request.uri(), "partNumber");
    if number.is_some() {
        server.0.gate.acquire().await.unwrap().forget();
    }
    let (head, body) = request.into_parts();
    let request = Request::from_parts(head, s3s::Body::http_body_unsync(body));
    let answer = server.0.service.call(request).await.unwrap();
    if let Some(number) = number
        && answer.status().is_success()
    {
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let mut upload = server.0.upload.lock().unwrap();
        upload.etags.insert(number, etag);
        upload.stored.push(number);
    }
    answer.map(Body::new)
}

/// A page of slots, with links of both versions in turns.
async fn parts(
    State(server): State<Server>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    authorise(&headers)?;
    let page = number_in(&uri, "page").unwrap();
    let length = number_in(&uri, "page_length").unwrap();
    assert!((1..=1000).contains(&length), "{length}");
    let seconds = if server.0.stale.swap(false, Ordering::Relaxed) {
        -60
    } else {
        600
    };
    let upload = server.0.upload.lock().unwrap();
    let path = format!("/{BUCKET}/{}", upload.key);
    let slots = ((page - 1) * length + 1..=page * length).take_while(|number| *number <= SLOTS);
    let slots = slots.map(|number| {
        let text = number.to_string();
        let permission = Permission {
            query: &[("partNumber", &text), ("uploadId", &upload.id)],
            seconds,
            ..Permission::new("PUT", &path)
        };
        let version = Version::ALL[usize::from(number % 2 == 0)];
        let etag = upload.etags.get(&number).map(|etag| etag.trim_matches('"'));
        let link = permission.link(version, server.address());
        json!({"id": number, "upload_link": link, "etag": etag})
    });
    let slots: Vec<Value> = slots.collect();
    let body = json!({"page": page, "page_length": length, "total": SLOTS, "parts": slots});
    Ok(body.to_string())
}

async fn complete(
    State(server): State<Server>,
    headers: HeaderMap,
) -> Result<&'static str, StatusCode> {
    authorise(&headers)?;
    let (key, id, parts) = {
        let upload = server.0.upload.lock().unwrap();
        let parts = upload.etags.iter().map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        });
        (
            upload.key.clone(),
            upload.id.clone(),
            parts.collect::<String>(),
        )
    };
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    server.post(&key, &[("uploadId", &id)], body).await;
    Ok("{}")
}

/// A number among the parameters of a request.
fn number_in(uri: &Uri, name: &str) -> Option<u32> {
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs.find(|pair| pair.0 == name)?.1.parse().ok()
}

fn authorise(headers: &HeaderMap) -> Result<(), StatusCode> {
    let bearer = headers.get("authorization").and_then(|it| it.to_str().ok());
    if bearer == Some(&format!("Bearer {TOKEN}")) {
        Ok(())
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}
