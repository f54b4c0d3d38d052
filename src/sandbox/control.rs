//! The control endpoint, by which tests order faults, wait for events, and see what happened.
//!
//! ```text
//! POST   /control/faults            order a fault -> {"id": 1}
//! GET    /control/faults            all faults, with how many requests each met and holds
//! DELETE /control/faults[/ID]       take back all (or one), releasing what they hold
//! POST   /control/release[/ID]      release what all (or one) hold -> {"released": 1}
//! GET    /control/wait?on=create&stage=held&count=1&timeout_ms=10000
//!                                   200 once it happened so many times, 408 if it does not
//! GET    /control/requests          counts by operation and stage, and the log
//! DELETE /control/requests          forget both, and every video's `bytes_received`
//! GET    /control/videos[?digest=sha1]   what is stored, the deleted too; `received` is how many
//!                                   whole files came, `bytes_received` the length of all bodies
//!                                   since the start: also of those that broke off or came again;
//!                                   `parts` how many parts wait to be joined (null: no such upload)
//! POST   /control/videos/KEY        {"status": "failed", "message": "…"}; null: the timer's again
//! DELETE /control/videos/KEY        deletes it, as a person does on the platform's own pages; answers
//!                                   what it was at that moment
//! POST   /control/clock             {"advance_s": 3600} puts the sandbox's clock forward, a
//!                                   negative number back: `Date`, signatures and links go by it
//! ```
//!
//! A fault names the operation that it meets, how often (`times`, 1 by default, `null` forever),
//! and what it does. The operations are `any`; of v1 `create`, `show`, `list`, `update`, `delete`,
//! `form-upload` and `resumable`; of S3 `s3-put` (a whole file) and `part-put`; of v2 `v2-create`,
//! `v2-get`, `v2-list`, `v2-update`, `v2-delete`, `v2-reupload`, `v2-originals`, `v2-parts` (the
//! list of slots) and `v2-complete`. What there is to do, [`Kind`](super::faults::Kind) has it all:
//!
//! ```json
//! {"on": "create", "times": 2, "fault": {"kind": "status", "status": 503}}
//! {"on": "s3-put", "skip": 1, "fault": {"kind": "reset", "after_bytes": 1000000}}
//! {"on": "create", "fault": {"kind": "hold-after-acting"}}
//! {"on": "list", "times": null, "fault": {"kind": "wrong-answer", "how": "truncated-json"}}
//! {"on": "v2-get", "fault": {"kind": "delay", "milliseconds": 500}}
//! {"on": "part-put", "fault": {"kind": "wrong-etag"}}
//! {"on": "v2-parts", "fault": {"kind": "parts-list", "how": "holes"}}
//! {"on": "v2-parts", "times": 2, "fault": {"kind": "expired-links"}}
//! {"on": "v2-complete", "fault": {"kind": "status", "status": 202, "body": "{}"}}
//! {"on": "create", "fault": {"kind": "slow-fetch", "bytes_per_second": 100000}}
//! {"on": "v2-create", "fault": {"kind": "fail-processing", "message": "…"}}
//! ```
//!
//! A list of parts is wrong by `holes`, `duplicated`, `unsorted`, `wrong-total`, `quoted-etags`,
//! `wrong-etags`, `no-links`, `first-page-again` or `empty`. What is ordered of a download
//! (`slow-fetch`, `fail-processing`) meets the call that begins it.
//!
//! A request meets one fault: the first ordered that takes it and is not used up.
//!
//! None of it is signed: it is off unless asked for, and shows no token, link or secret.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::Sandbox;
use super::faults::Fault;
use super::link::Method as Way;
use super::operation::Target;
use super::params::Params;
use super::parts;
use super::refusal::Refusal;
use super::requests::Stage;
use super::sign::hex;
use super::status::Forced;
use super::video::Video;

/// Why a control request cannot be answered: a status and a sentence.
type Wrong = (StatusCode, String);

/// Answers one request to `/control/…`.
pub(super) async fn handle(sandbox: &Arc<Sandbox>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path: Vec<&str> = parts.uri.path().split('/').skip(2).collect();
    let query = parts.uri.query().unwrap_or_default();
    let outcome = match (parts.method.clone(), path.as_slice()) {
        (Method::POST, ["faults"]) => order(sandbox, body).await,
        (Method::GET, ["faults"]) => Ok(json!({"faults": sandbox.faults.list()})),
        (Method::DELETE, ["faults"]) => Ok(json!({"cleared": sandbox.faults.clear(None)})),
        (Method::DELETE, ["faults", id]) => {
            number(id).map(|id| json!({"cleared": sandbox.faults.clear(Some(id))}))
        }
        (Method::POST, ["release"]) => Ok(json!({"released": sandbox.faults.release(None)})),
        (Method::POST, ["release", id]) => {
            number(id).map(|id| json!({"released": sandbox.faults.release(Some(id))}))
        }
        (Method::GET, ["wait"]) => wait(sandbox, query).await,
        (Method::GET, ["requests"]) => Ok(sandbox.requests.shown()),
        (Method::DELETE, ["requests"]) => {
            sandbox.requests.clear();
            Ok(json!({}))
        }
        (Method::GET, ["videos"]) => videos(sandbox, query).await,
        (Method::POST, ["videos", key]) => force(sandbox, key, body).await,
        (Method::DELETE, ["videos", key]) => delete(sandbox, key).await,
        (Method::POST, ["clock"]) => advance(sandbox, body).await,
        _ => Err((
            StatusCode::NOT_FOUND,
            "there is no such control request".to_owned(),
        )),
    };
    let (status, value) = outcome.map_or_else(
        |(status, why)| (status, json!({"error": why})),
        |v| (StatusCode::OK, v),
    );
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn order(sandbox: &Sandbox, body: Body) -> Result<Value, Wrong> {
    let fault: Fault = read(body).await?;
    Ok(json!({"id": sandbox.faults.order(fault)}))
}

async fn wait(sandbox: &Sandbox, query: &str) -> Result<Value, Wrong> {
    let mut params = Params::default();
    params
        .decode(query.as_bytes())
        .map_err(|refusal| bad(refusal.message))?;
    let target: Target = word(&params, "on", "any")?;
    let stage: Stage = word(&params, "stage", "answered")?;
    let count = params
        .number("count")
        .map_err(|refusal| bad(refusal.message))?
        .unwrap_or(1);
    let timeout = params
        .number("timeout_ms")
        .map_err(|refusal| bad(refusal.message))?;
    let limit = Duration::from_millis(timeout.unwrap_or(WAIT_MS));
    let reached = sandbox.requests.wait(target, stage, count);
    let in_time = tokio::time::timeout(limit, reached).await.is_ok();
    let seen = sandbox.requests.count(target, stage);
    if in_time {
        return Ok(json!({"count": seen}));
    }
    let why = format!("waited for {count} requests, saw {seen}");
    Err((StatusCode::REQUEST_TIMEOUT, why))
}

async fn videos(sandbox: &Arc<Sandbox>, query: &str) -> Result<Value, Wrong> {
    let (mut videos, deleted): (Vec<Video>, Vec<String>) = sandbox.store.read(|videos, deleted| {
        (
            videos.values().cloned().collect(),
            deleted.iter().cloned().collect(),
        )
    });
    videos.sort_by_key(|video| video.number);
    let digest = query == "digest=sha1";
    let sandbox = Arc::clone(sandbox);
    let shown = tokio::task::spawn_blocking(move || -> Vec<Value> {
        videos
            .iter()
            .map(|video| shown(&sandbox, video, digest))
            .collect()
    });
    let shown = shown.await.map_err(|_| bad("the videos cannot be read"))?;
    Ok(json!({"videos": shown, "deleted": deleted}))
}

fn shown(sandbox: &Sandbox, video: &Video, digest: bool) -> Value {
    let now = sandbox.now_ms();
    let media = video.media.as_ref();
    let original = sandbox.store.original(&video.key);
    json!({
        "key": video.key,
        "status": video.status(now),
        "error": video.failure(now),
        "fields": video.fields,
        "custom": video.custom,
        "method": video.link.order.method,
        "received": video.received,
        "bytes_received": sandbox.requests.bytes(&video.key),
        "size": media.map(|media| media.size),
        "md5": media.map(|media| &media.md5),
        "parts": (video.link.order.method == Way::Parts).then(|| {
            let folder = sandbox.store.parts(&video.key, &video.link.token);
            parts::list(&folder).map(|parts| parts.len()).unwrap_or_default()
        }),
        "name": media.and_then(|media| media.name.as_ref()),
        "stored_size": original.metadata().ok().map(|meta| meta.len()),
        "stored_sha1": digest.then(|| File::open(&original).ok().and_then(sha1)).flatten(),
        "path": original,
    })
}

/// Reads the stored bytes again: what is on the disk, not what was hashed on the way there.
fn sha1(mut file: File) -> Option<String> {
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hex(&hash.finalize())),
            length => hash.update(buffer.get(..length)?),
        }
    }
}

async fn force(sandbox: &Sandbox, key: &str, body: Body) -> Result<Value, Wrong> {
    let forced: Option<Forced> = read(body).await?;
    let now = sandbox.now_ms();
    let changed = sandbox.store.change::<Refusal>(key, |video| {
        video.forced = forced;
        video.edited = now;
        Ok(())
    });
    let video = changed.map_err(|refusal| (refusal.code.status(), refusal.message))?;
    Ok(json!({"status": video.status(now)}))
}

async fn delete(sandbox: &Arc<Sandbox>, key: &str) -> Result<Value, Wrong> {
    let wrong = |refusal: Refusal| (refusal.code.status(), refusal.message);
    let video = sandbox.store.video(key);
    sandbox.store.delete(&[key.to_owned()]).map_err(wrong)?;
    let (sandbox, video) = (Arc::clone(sandbox), video.into_iter());
    // Its bytes are gone: what is shown is the record.
    let shown = tokio::task::spawn_blocking(move || {
        video.map(|video| shown(&sandbox, &video, false)).collect()
    });
    let videos: Vec<Value> = shown.await.map_err(|_| bad("the video cannot be shown"))?;
    Ok(json!({"videos": videos}))
}

/// How far to put the clock forward, in seconds, on top of before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: i64,
}

async fn advance(sandbox: &Sandbox, body: Body) -> Result<Value, Wrong> {
    let Advance { advance_s } = read(body).await?;
    let before = sandbox.ahead.fetch_add(advance_s, Ordering::Relaxed);
    Ok(json!({"ahead_s": before.saturating_add(advance_s)}))
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Wrong> {
    let bytes = to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|_| bad("the body cannot be read"))?;
    serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))
}

/// A word of the query, in the spelling that JSON has for it.
fn word<T: DeserializeOwned>(params: &Params, name: &str, usual: &str) -> Result<T, Wrong> {
    let text = params.get(name).unwrap_or(usual);
    serde_json::from_value(json!(text)).map_err(|error| bad(format!("{name}: {error}")))
}

fn number(text: &str) -> Result<u64, Wrong> {
    text.parse().map_err(|_| bad("a fault has a number"))
}

fn bad(why: impl Into<String>) -> Wrong {
    (StatusCode::BAD_REQUEST, why.into())
}

const WAIT_MS: u64 = 30_000;
const BODY_LIMIT: usize = 1024 * 1024;
