//! The v2 API of the sandbox, and the links that it gives out.

mod faults;
mod links;
mod media;
mod parts;
mod search;

use jw_ingest::sandbox::{SAMPLE_SITE, SAMPLE_V2_SECRET};
use reqwest::Method;
use serde_json::{Value, json};

use super::stand::{Answer, Stand, in_time, text};

/// The smallest part that may stand before another one.
pub(super) const MIN_PART: usize = 5 * 1024 * 1024;

/// One v2 request with that bearer; `null` is no body.
pub(super) async fn ask(
    stand: &Stand,
    bearer: &str,
    (method, path): (&str, &str),
    body: Value,
) -> Answer {
    let method: Method = method.parse().unwrap();
    let mut request = stand
        .http
        .request(method, stand.url(path))
        .bearer_auth(bearer);
    if !body.is_null() {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    Answer::of(request.send().await.unwrap()).await
}

/// A request about the media of the site: `path` follows `/v2/sites/<site>/media`.
pub(super) async fn media(stand: &Stand, method: &str, path: &str, body: Value) -> Answer {
    let path = format!("/v2/sites/{SAMPLE_SITE}/media{path}");
    ask(stand, SAMPLE_V2_SECRET, (method, &path), body).await
}

/// A new media for that upload.
pub(super) async fn create(stand: &Stand, upload: Value) -> Value {
    let body = json!({"upload": upload, "metadata": {"title": "T"}});
    let answer = media(stand, "POST", "/", body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

/// The media, once it has that status.
pub(super) async fn until(stand: &Stand, id: &str, status: &str) -> Value {
    in_time(async {
        loop {
            let answer = media(stand, "GET", &format!("/{id}/"), Value::Null).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            if answer.body["status"] == status {
                return answer.body;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Status and code, for tables of refusals.
pub(super) fn refusal(answer: &Answer) -> (u16, String) {
    let first = &answer.body["errors"][0];
    assert!(first["description"].is_string(), "{}", answer.body);
    (answer.status, text(&first["code"]))
}

/// An upload in parts.
pub(super) struct Upload {
    pub(super) media: String,
    pub(super) id: String,
    pub(super) token: String,
}

impl Upload {
    pub(super) async fn begin(stand: &Stand) -> Self {
        let created = create(stand, json!({"method": "multipart"})).await;
        assert!(created.get("upload_link").is_none());
        Self {
            media: text(&created["id"]),
            id: text(&created["upload_id"]),
            token: text(&created["upload_token"]),
        }
    }

    /// A page of the list: what follows `parts` in the address.
    pub(super) async fn list(&self, stand: &Stand, query: &str) -> Answer {
        let path = format!("/v2/uploads/{}/parts{query}", self.id);
        ask(stand, &self.token, ("GET", &path), Value::Null).await
    }

    pub(super) async fn complete(&self, stand: &Stand) -> Answer {
        let path = format!("/v2/uploads/{}/complete", self.id);
        ask(stand, &self.token, ("PUT", &path), Value::Null).await
    }

    /// The link of an empty slot.
    pub(super) async fn link(&self, stand: &Stand, number: u32) -> String {
        let query = format!("?page_length=1&page={number}");
        let page = self.list(stand, &query).await.body;
        text(&page["parts"][0]["upload_link"])
    }

    /// Uploads one part.
    pub(super) async fn put(&self, stand: &Stand, number: u32, bytes: impl Into<Vec<u8>>) {
        let link = self.link(stand, number).await;
        let response = stand.put(&link, bytes.into()).await;
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    }
}

/// What `/control/videos` says about a video.
pub(super) async fn seen(stand: &Stand, key: &str) -> Value {
    let answer = stand.control("GET", "videos", Value::Null).await.body;
    let videos = answer["videos"].as_array().unwrap();
    videos
        .iter()
        .find(|video| video["key"] == key)
        .unwrap()
        .clone()
}
