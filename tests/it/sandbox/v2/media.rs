//! Media: create, get, update, delete, re-upload; who may, and how often.

use std::time::Duration;

use jw_ingest::sandbox::{SAMPLE_SITE, SAMPLE_V2_SECRET};
use serde_json::{Value, json};

use super::super::stand::{Answer, Stand, now, text};
use super::{ask, create, media, refusal, until};

fn wrong(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_file_goes_up_by_one_put_and_is_the_same_video_in_v1() {
    let stand = Stand::start().await;
    let body = json!({"upload": {"method": "direct"}, "metadata": {"title": "Été", "tags": ["a", "b"],
        "external_id": "ing-1", "custom_params": {"ingest": "one"}, "permalink": "http://p",
        "publish_start_date": "2020-02-20T08:58:26+00:00"}});
    let created = media(&stand, "POST", "/", body).await;
    assert_eq!(created.status, 201);
    let created = created.body;
    assert_eq!(
        (&created["status"], &created["type"]),
        (&json!("created"), &json!("media"))
    );
    assert_eq!(created["external_id"], "ing-1");
    let id = text(&created["id"]);
    assert_eq!(id.len(), 8);
    let put = stand.put(&text(&created["upload_link"]), "abc").await;
    assert_eq!(put.status(), 200);
    assert_eq!(
        put.headers()["etag"],
        "\"900150983cd24fb0d6963f7d28e17f72\""
    );

    let now = until(&stand, &id, "ready").await;
    assert_eq!(now["error_message"], Value::Null);
    assert_eq!(now["metadata"]["tags"], json!(["a", "b"]));
    assert_eq!(now["metadata"]["custom_params"], json!({"ingest": "one"}));
    assert_eq!(
        now["metadata"]["publish_start_date"],
        "2020-02-20T08:58:26.000+00:00"
    );
    assert!(text(&now["created"]).ends_with("+00:00"));
    assert!(now.get("upload_link").is_none(), "the link is given once");
    let video = stand.show(&id).await;
    assert_eq!(
        (&video["title"], &video["size"]),
        (&json!("Été"), &json!("3"))
    );
    assert_eq!(video["custom"]["ingest"], "one");
    assert_eq!(stand.stored(&id), b"abc");
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let stand = Stand::start().await;
    let all = format!("/v2/sites/{SAMPLE_SITE}/media/");
    let bare = stand.http.get(stand.url(&all)).send().await.unwrap();
    assert_eq!(refusal(&Answer::of(bare).await), wrong(401, "unauthorized"));
    let naked = stand
        .http
        .get(stand.url(&all))
        .header("authorization", SAMPLE_V2_SECRET);
    let naked = Answer::of(naked.send().await.unwrap()).await;
    assert_eq!(refusal(&naked), wrong(401, "unauthorized"));
    assert!(naked.headers.contains_key("jw-request-id"));
    for (bearer, method, path, expected) in [
        ("wrong", "GET", all.as_str(), wrong(403, "unauthorized")),
        ("wrong", "POST", &all, wrong(403, "unauthorized")),
        (
            SAMPLE_V2_SECRET,
            "GET",
            "/v2/sites/othersit/media/",
            wrong(404, "not_found"),
        ),
        (
            SAMPLE_V2_SECRET,
            "GET",
            "/v2/nothing/",
            wrong(404, "not_found"),
        ),
        (
            SAMPLE_V2_SECRET,
            "PUT",
            &all,
            wrong(405, "method_not_allowed"),
        ),
        (
            SAMPLE_V2_SECRET,
            "GET",
            "/v2/uploads/x/parts",
            wrong(403, "unauthorized"),
        ),
    ] {
        let answer = ask(&stand, bearer, (method, path), Value::Null).await;
        assert_eq!(refusal(&answer), expected, "{method} {path}");
    }
    assert_eq!(stand.total().await, 0);
}

#[tokio::test]
async fn bodies_that_say_what_cannot_be_make_nothing() {
    let stand = Stand::start().await;
    for body in [
        json!([]),
        json!({"upload": []}),
        json!("x"),
        json!({"upload": {"method": "single"}}),
        json!({"upload": {"method": "direct", "size": 3}}),
        json!({"upload": {"method": "external", "source_url": "http://h/x.m3u8"}}),
        json!({"upload": {"method": "fetch"}}),
        json!({"upload": {"method": "fetch", "download_url": "ftp://h/x"}}),
        json!({"metadata": {"title": 7}}),
        json!({"metadata": {"title": null}}),
        json!({"metadata": {"language": "en"}}),
        json!({"metadata:": {"title": "x"}}),
        json!({"title": "x"}),
    ] {
        let answer = media(&stand, "POST", "/", body.clone()).await;
        assert_eq!(refusal(&answer), wrong(400, "invalid_body"), "{body}");
    }
    let url = stand.url(&format!("/v2/sites/{SAMPLE_SITE}/media/"));
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = stand.http.post(&url).bearer_auth(SAMPLE_V2_SECRET);
        let request = request.header("content-type", kind).body("{}");
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(refusal(&answer), wrong(400, "invalid_body"), "{kind}");
    }
    assert_eq!(stand.total().await, 0);
    // What is asked for least is a direct upload.
    let answer = media(&stand, "POST", "", json!({})).await;
    assert_eq!(answer.status, 201);
    assert!(answer.body["upload_link"].is_string());
}

#[tokio::test]
async fn a_media_is_changed_and_deleted() {
    let stand = Stand::start().await;
    let body =
        json!({"metadata": {"title": "old", "author": "A", "custom_params": {"a": "1", "b": "2"}}});
    let created = media(&stand, "POST", "/", body).await.body;
    let path = format!("/{}/", text(&created["id"]));
    let body = json!({"metadata": {"title": "new", "custom_params": {"b": "3"}}});
    let changed = media(&stand, "PATCH", &path, body).await;
    assert_eq!(changed.status, 200);
    let metadata = &changed.body["metadata"];
    assert_eq!(
        (&metadata["title"], &metadata["author"]),
        (&json!("new"), &json!("A"))
    );
    assert_eq!(metadata["custom_params"], json!({"b": "3"}));
    let refused = media(
        &stand,
        "PATCH",
        &path,
        json!({"upload": {}, "metadata": {}}),
    )
    .await;
    assert_eq!(refusal(&refused), wrong(400, "invalid_body"));

    let deleted = media(&stand, "DELETE", &path, Value::Null).await;
    assert_eq!((deleted.status, deleted.body), (204, json!("")));
    for (method, body) in [
        ("GET", Value::Null),
        ("DELETE", Value::Null),
        ("PATCH", json!({"metadata": {}})),
    ] {
        let answer = media(&stand, method, &path, body).await;
        assert_eq!(refusal(&answer), wrong(404, "not_found"), "{method}");
    }
    let late = stand.put(&text(&created["upload_link"]), "abc").await;
    assert_eq!(late.status(), 200, "S3 knows no media");
}

#[tokio::test]
async fn a_file_is_replaced_when_its_media_is_ready_and_not_before() {
    let stand = Stand::start().await;
    let created = create(&stand, json!({"method": "direct"})).await;
    let id = text(&created["id"]);
    let path = format!("/{id}/reupload/");
    let order = json!({"upload": {"method": "direct"}});
    let refused = media(&stand, "PUT", &path, order.clone()).await;
    assert_eq!(refusal(&refused), wrong(400, "invalid_state"));
    stand.put(&text(&created["upload_link"]), "old").await;
    until(&stand, &id, "ready").await;
    let again = media(&stand, "PUT", &path, order.clone()).await;
    assert_eq!(again.status, 200);
    stand.put(&text(&again.body["upload_link"]), "new").await;
    until(&stand, &id, "ready").await;
    assert_eq!(stand.stored(&id), b"new");
    let none = media(&stand, "PUT", "/absent00/reupload/", order).await;
    assert_eq!(refusal(&none), wrong(404, "not_found"));
}

#[tokio::test]
async fn each_bearer_has_its_own_requests_a_minute() {
    let stand = Stand::with(|options| options.rate_limit = 2).await;
    // The window is aligned to the minute: this test is not to begin at the end of one.
    let left = 60 - now() % 60;
    if left < 10 {
        stand.advance(i64::try_from(left).unwrap()).await;
    }
    let first = media(&stand, "GET", "/", Value::Null).await;
    assert_eq!(
        (first.status, &first.headers["jw-request-limit"]),
        (200, &"2".parse().unwrap())
    );
    assert_eq!(first.headers["jw-request-remaining"], "1");
    let created = media(
        &stand,
        "POST",
        "/",
        json!({"upload": {"method": "multipart"}}),
    )
    .await;
    assert_eq!(created.headers["jw-request-remaining"], "0");
    let over = media(&stand, "POST", "/", json!({})).await;
    assert_eq!(refusal(&over), wrong(429, "too_many_requests"));
    assert_eq!(over.headers["jw-request-remaining"], "0");
    assert!(over.headers.contains_key("jw-request-id"));
    // Neither v1 nor the upload's token has used anything of it.
    assert_eq!(stand.total().await, 1);
    let token = text(&created.body["upload_token"]);
    let path = format!("/v2/uploads/{}/parts", text(&created.body["upload_id"]));
    assert_eq!(
        ask(&stand, &token, ("GET", &path), Value::Null)
            .await
            .status,
        200
    );
    stand.advance(60).await;
    assert_eq!(media(&stand, "GET", "/", Value::Null).await.status, 200);
}

#[tokio::test]
async fn an_object_in_s3_is_noticed_later() {
    let stand = Stand::with(|options| {
        options.s3_notice = Duration::from_hours(1);
        options.processing = Duration::from_hours(1);
    })
    .await;
    let created = create(&stand, json!({"method": "direct"})).await;
    let id = text(&created["id"]);
    stand.put(&text(&created["upload_link"]), "abc").await;
    for status in ["created", "processing", "ready"] {
        let answer = media(&stand, "GET", &format!("/{id}"), Value::Null).await;
        assert_eq!(answer.body["status"], status);
        stand.advance(3600).await;
    }
}
