//! The faults of v2, each seen from the client's side.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::stand::{Stand, text};
use super::{Upload, create, media, refusal, seen, until};

/// Orders a fault and lists the first three slots, the first of which is filled.
async fn spoilt(stand: &Stand, upload: &Upload, how: &str) -> Value {
    stand
        .fault(json!({"on": "v2-parts", "fault": {"kind": "parts-list", "how": how}}))
        .await;
    let answer = upload.list(stand, "?page=1&page_length=3").await;
    assert_eq!(answer.status, 200);
    answer.body
}

#[tokio::test]
async fn a_list_of_parts_is_wrong_as_ordered() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    upload.put(&stand, 1, "abc").await;
    let ids = |page: &Value| {
        let parts = page["parts"].as_array().unwrap();
        parts
            .iter()
            .map(|part| part["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    assert_eq!(ids(&spoilt(&stand, &upload, "holes").await), [1, 2]);
    assert_eq!(
        ids(&spoilt(&stand, &upload, "duplicated").await),
        [1, 1, 2, 2, 3, 3]
    );
    assert_eq!(ids(&spoilt(&stand, &upload, "unsorted").await), [3, 2, 1]);
    assert_eq!(spoilt(&stand, &upload, "empty").await["parts"], json!([]));
    assert_eq!(spoilt(&stand, &upload, "wrong-total").await["total"], 2);
    let quoted = spoilt(&stand, &upload, "quoted-etags").await;
    assert_eq!(quoted["parts"][0]["etag"], format!("\"{md5}\""));
    let other = spoilt(&stand, &upload, "wrong-etags").await;
    assert!(other["parts"][0]["etag"].is_string() && other["parts"][0]["etag"] != md5);
    let bare = spoilt(&stand, &upload, "no-links").await;
    assert!(bare["parts"][1].get("upload_link").is_none());
    stand
        .fault(
            json!({"on": "v2-parts", "fault": {"kind": "parts-list", "how": "first-page-again"}}),
        )
        .await;
    let again = upload.list(&stand, "?page=2&page_length=3").await.body;
    assert_eq!((ids(&again), &again["page"]), (vec![1, 2, 3], &json!(2)));
    let right = upload.list(&stand, "?page=2&page_length=3").await.body;
    assert_eq!(
        (ids(&right), &right["total"]),
        (vec![4, 5, 6], &json!(10_000))
    );
}

#[tokio::test]
async fn a_status_in_place_of_acting_has_the_body_of_its_host() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    let link = upload.link(&stand, 1).await;
    stand
        .fault(json!({"on": "part-put", "fault": {"kind": "status", "status": 503}}))
        .await;
    let response = stand.put(&link, "abc").await;
    assert_eq!(response.status(), 503);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("<Code>SlowDown</Code>")
    );
    stand
        .fault(json!({"on": "v2-create", "fault": {"kind": "status", "status": 503}}))
        .await;
    let answer = media(&stand, "POST", "/", json!({})).await;
    assert_eq!(refusal(&answer), (503, "server_error".to_owned()));
    assert_eq!(stand.total().await, 1);

    // What was said to be accepted, and was not.
    upload.put(&stand, 1, "abc").await;
    let accepted = json!({"kind": "status", "status": 202, "body": "{}"});
    stand
        .fault(json!({"on": "v2-complete", "fault": accepted}))
        .await;
    assert_eq!(upload.complete(&stand).await.status, 202);
    assert_eq!(
        until(&stand, &upload.media, "created").await["status"],
        "created"
    );
    assert_eq!(upload.complete(&stand).await.status, 202);
    until(&stand, &upload.media, "ready").await;
}

#[tokio::test]
async fn an_answer_is_lost_after_the_act() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    upload.put(&stand, 1, "abc").await;
    stand
        .fault(json!({"on": "v2-complete", "fault": {"kind": "answer-lost"}}))
        .await;
    let url = stand.url(&format!("/v2/uploads/{}/complete", upload.id));
    let request = stand.http.put(url).bearer_auth(&upload.token);
    assert!(request.send().await.is_err());
    until(&stand, &upload.media, "ready").await;
    assert_eq!(refusal(&upload.complete(&stand).await).0, 409);
}

#[tokio::test]
async fn a_part_is_cut_in_mid_body() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    let link = upload.link(&stand, 1).await;
    let order = json!({"kind": "reset", "after_bytes": 1_000_000});
    stand.fault(json!({"on": "part-put", "fault": order})).await;
    let request = stand.http.put(&link).body(vec![7; 8_000_000]);
    assert!(request.send().await.is_err());
    let seen = seen(&stand, &upload.media).await;
    assert_eq!(seen["parts"], 0);
    assert!(
        seen["bytes_received"].as_u64().unwrap() >= 1_000_000,
        "{seen}"
    );
}

#[tokio::test]
async fn an_etag_is_another_ones() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    let link = upload.link(&stand, 1).await;
    stand
        .fault(json!({"on": "part-put", "fault": {"kind": "wrong-etag"}}))
        .await;
    let response = stand.put(&link, "abc").await;
    assert_eq!(
        response.headers()["etag"],
        "\"d41d8cd98f00b204e9800998ecf8427e\""
    );
    let order = json!({"kind": "wrong-etag", "etag": "\"x-2\""});
    stand.fault(json!({"on": "part-put", "fault": order})).await;
    assert_eq!(stand.put(&link, "abc").await.headers()["etag"], "\"x-2\"");
    let list = upload.list(&stand, "?page_length=1").await.body;
    assert_eq!(list["parts"][0]["etag"], "900150983cd24fb0d6963f7d28e17f72");
}

#[tokio::test]
async fn links_have_expired_before_they_are_given() {
    let stand = Stand::start().await;
    for on in ["v2-create", "v2-parts"] {
        stand
            .fault(json!({"on": on, "fault": {"kind": "expired-links"}}))
            .await;
    }
    let created = create(&stand, json!({"method": "direct"})).await;
    let upload = Upload::begin(&stand).await;
    for link in [text(&created["upload_link"]), upload.link(&stand, 1).await] {
        let response = stand.put(&link, "abc").await;
        assert_eq!(response.status(), 403);
        assert!(
            response
                .text()
                .await
                .unwrap()
                .contains("Request has expired")
        );
    }
    upload.put(&stand, 1, "abc").await;
}

#[tokio::test]
async fn an_answer_is_late_or_something_else() {
    let stand = Stand::start().await;
    stand
        .fault(json!({"on": "v2-get", "fault": {"kind": "delay", "milliseconds": 300}}))
        .await;
    let id = text(&create(&stand, json!({"method": "direct"})).await["id"]);
    let begun = Instant::now();
    until(&stand, &id, "created").await;
    assert!(begun.elapsed() >= Duration::from_millis(300));

    let order = json!({"kind": "wrong-answer", "how": "truncated-json"});
    stand
        .fault(json!({"on": "v2-create", "fault": order}))
        .await;
    let answer = media(&stand, "POST", "/", json!({})).await;
    assert_eq!(answer.status, 201);
    assert!(answer.body.is_string(), "half of it is no JSON");
    assert_eq!(stand.total().await, 2);
    let order = json!({"kind": "wrong-answer", "how": "error"});
    stand.fault(json!({"on": "v2-list", "fault": order})).await;
    let answer = media(&stand, "GET", "/", Value::Null).await;
    assert_eq!(refusal(&answer), (200, "server_error".to_owned()));
}

#[tokio::test]
async fn processing_fails_as_ordered() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    upload.put(&stand, 1, "abc").await;
    let order = json!({"kind": "fail-processing", "message": "no such codec"});
    stand
        .fault(json!({"on": "v2-complete", "fault": order}))
        .await;
    assert_eq!(upload.complete(&stand).await.status, 202);
    let failed = until(&stand, &upload.media, "failed").await;
    assert_eq!(failed["error_message"], "no such codec");
}
