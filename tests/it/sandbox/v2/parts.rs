//! Uploads in parts: the slots, the bytes, and the completion.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::super::stand::{Stand, now, target, text};
use super::{MIN_PART, Upload, ask, create, media, refusal, seen, until};

fn wrong(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A part that no other part is equal to.
fn part(number: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap() ^ number)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test]
async fn parts_in_any_order_become_the_file() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    let parts = [part(1, MIN_PART), part(2, MIN_PART + 1), part(3, 7)];
    for number in [3_u8, 1, 2] {
        let bytes = &parts[usize::from(number) - 1];
        let link = upload.link(&stand, u32::from(number)).await;
        let response = stand.put(&link, bytes.clone()).await;
        let md5 = hex(&Md5::digest(bytes));
        assert_eq!(response.headers()["etag"], format!("\"{md5}\""));
        let listed = upload
            .list(&stand, &format!("?page_length=1&page={number}"))
            .await
            .body;
        let expected = json!([{"id": number, "etag": md5}]);
        assert_eq!(
            listed["parts"], expected,
            "without quotes, and without a link"
        );
    }
    assert_eq!(seen(&stand, &upload.media).await["parts"], 3);
    let done = upload.complete(&stand).await;
    assert_eq!((done.status, done.body), (202, json!({})));
    until(&stand, &upload.media, "ready").await;
    assert_eq!(stand.stored(&upload.media), parts.concat());
    let seen = seen(&stand, &upload.media).await;
    assert_eq!(
        (&seen["received"], &seen["method"]),
        (&json!(1), &json!("parts"))
    );
    assert_eq!(seen["bytes_received"], json!(2 * MIN_PART + 8));
    let left = stand
        .dir
        .join("media")
        .join(&upload.media)
        .join("parts")
        .join(&upload.id);
    assert!(!left.exists(), "the parts are gone");
}

#[tokio::test]
async fn the_list_has_ten_thousand_slots_in_pages_of_a_thousand_at_most() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    let page = upload.list(&stand, "").await.body;
    assert_eq!(
        (&page["page"], &page["page_length"], &page["total"]),
        (&json!(1), &json!(10), &json!(10_000))
    );
    assert_eq!(page["parts"].as_array().unwrap().len(), 10);
    let last = upload.list(&stand, "/?page=10&page_length=1000").await.body;
    let parts = last["parts"].as_array().unwrap();
    assert_eq!(
        (parts.len(), &parts[0]["id"], &parts[999]["id"]),
        (1000, &json!(9001), &json!(10_000))
    );
    assert_eq!(parts[999]["etag"], Value::Null);
    let beyond = upload.list(&stand, "?page=11&page_length=1000").await.body;
    assert_eq!(beyond["parts"], json!([]));
    for query in ["?page_length=1001", "?page=0", "?page_length=0", "?page=x"] {
        let answer = upload.list(&stand, query).await;
        assert_eq!(refusal(&answer), wrong(400, "invalid_parameter"), "{query}");
    }
}

#[tokio::test]
async fn what_makes_no_file_is_not_completed() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    let conflict = wrong(409, "invalid_state");
    assert_eq!(refusal(&upload.complete(&stand).await), conflict, "no part");
    upload.put(&stand, 2, "last").await;
    assert_eq!(refusal(&upload.complete(&stand).await), conflict, "a gap");
    // A slot that is filled has no link any more, but the one that it had stays good.
    let first = upload.link(&stand, 1).await;
    stand.put(&first, vec![1; MIN_PART - 1]).await;
    assert_eq!(
        refusal(&upload.complete(&stand).await),
        conflict,
        "a small part"
    );
    let now = until(&stand, &upload.media, "created").await;
    assert_eq!(now["status"], "created");
    stand.put(&first, vec![1; MIN_PART]).await;
    assert_eq!(upload.complete(&stand).await.status, 202);
    assert_eq!(
        refusal(&upload.complete(&stand).await),
        conflict,
        "a second time"
    );
    assert_eq!(refusal(&upload.list(&stand, "").await), conflict);
    until(&stand, &upload.media, "ready").await;
    assert_eq!(stand.stored(&upload.media).len(), MIN_PART + 4);
    let seen = seen(&stand, &upload.media).await;
    assert_eq!(
        seen["bytes_received"],
        json!(2 * MIN_PART - 1 + 4),
        "what came again counts"
    );
}

#[tokio::test]
async fn a_part_link_is_of_no_use_once_the_upload_is_over() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    let (first, second) = (upload.link(&stand, 1).await, upload.link(&stand, 2).await);
    stand.put(&first, "abc").await;
    // The type that was never announced is refused for a part too.
    let typed = stand
        .http
        .put(&first)
        .header("content-type", "video/mp4")
        .body("x");
    assert_eq!(typed.send().await.unwrap().status(), 403);
    assert_eq!(upload.complete(&stand).await.status, 202);
    until(&stand, &upload.media, "ready").await;
    let late = stand.put(&second, "late").await;
    assert_eq!(late.status(), 404);
    assert!(
        late.text()
            .await
            .unwrap()
            .contains("<Code>NoSuchUpload</Code>")
    );
    assert_eq!(stand.stored(&upload.media), b"abc");

    let upload = Upload::begin(&stand).await;
    let link = upload.link(&stand, 1).await;
    media(
        &stand,
        "DELETE",
        &format!("/{}/", upload.media),
        Value::Null,
    )
    .await;
    assert_eq!(stand.put(&link, "late").await.status(), 404);
    assert_eq!(
        refusal(&upload.list(&stand, "").await),
        wrong(404, "not_found")
    );
    assert_eq!(
        refusal(&upload.complete(&stand).await),
        wrong(404, "not_found")
    );
}

#[tokio::test]
async fn a_part_that_breaks_off_never_was() {
    let stand = Stand::start().await;
    let upload = Upload::begin(&stand).await;
    upload.put(&stand, 1, "old").await;
    let link = upload.link(&stand, 2).await;
    let mut stream = stand.connect().await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n",
        target(&link),
        stand.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[7; 999]).await.unwrap();
    drop(stream);
    stand.reached("part-put", "broken", 1).await;
    let list = upload.list(&stand, "?page_length=2").await.body;
    assert_eq!(list["parts"][1]["etag"], Value::Null);
    let seen = seen(&stand, &upload.media).await;
    assert_eq!(
        (&seen["parts"], &seen["bytes_received"]),
        (&json!(1), &json!(1002))
    );
    stand.nothing_incoming().await;
}

#[tokio::test]
async fn an_upload_answers_to_its_own_token_while_it_is_good() {
    let stand = Stand::with(|options| {
        options.upload_token_lifetime = Duration::from_mins(1);
        options.link_lifetime = Duration::from_hours(1);
    })
    .await;
    let (upload, other) = (Upload::begin(&stand).await, Upload::begin(&stand).await);
    let claims = upload.token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let expires = claims["exp"].as_u64().unwrap();
    assert!((now() + 55..=now() + 60).contains(&expires), "{claims}");
    let path = format!("/v2/uploads/{}/parts", upload.id);
    for bearer in [jw_ingest::sandbox::SAMPLE_V2_SECRET, &other.token, "a.b.c"] {
        let answer = ask(&stand, bearer, ("GET", &path), Value::Null).await;
        assert_eq!(refusal(&answer), wrong(403, "unauthorized"));
    }
    assert_eq!(upload.list(&stand, "").await.status, 200);
    stand.advance(62).await;
    assert_eq!(
        refusal(&upload.list(&stand, "").await),
        wrong(403, "unauthorized")
    );
    assert_eq!(
        refusal(&upload.complete(&stand).await),
        wrong(403, "unauthorized")
    );
}

#[tokio::test]
async fn an_upload_that_is_past_its_time_is_not_there() {
    let stand = Stand::with(|options| options.link_lifetime = Duration::from_mins(1)).await;
    let upload = Upload::begin(&stand).await;
    let link = upload.link(&stand, 1).await;
    stand.advance(62).await;
    assert_eq!(stand.put(&link, "abc").await.status(), 404);
    assert_eq!(
        refusal(&upload.list(&stand, "").await),
        wrong(404, "not_found")
    );
    assert_eq!(
        refusal(&upload.complete(&stand).await),
        wrong(404, "not_found")
    );
}

async fn on(dir: &Path) -> Stand {
    Stand::on(dir, |_| {}).await
}

#[tokio::test]
async fn parts_outlive_the_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let stand = on(dir.path()).await;
    let upload = Upload::begin(&stand).await;
    upload.put(&stand, 1, part(1, MIN_PART)).await;
    stand.stop().await;

    let stand = on(dir.path()).await;
    let list = upload.list(&stand, "?page_length=2").await.body;
    assert!(list["parts"][0]["etag"].is_string(), "{list}");
    upload.put(&stand, 2, "tail").await;
    // Whether this run joins the parts or the next one does: they are joined once.
    let path = stand
        .dir
        .join("media")
        .join(&upload.media)
        .join("parts")
        .join(&upload.id);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2);
    assert_eq!(upload.complete(&stand).await.status, 202);
    stand.stop().await;

    let stand = on(dir.path()).await;
    until(&stand, &upload.media, "ready").await;
    assert_eq!(
        stand.stored(&upload.media),
        [part(1, MIN_PART), b"tail".to_vec()].concat()
    );
    assert_eq!(seen(&stand, &upload.media).await["received"], 1);
}

#[tokio::test]
async fn a_replacement_may_come_in_parts() {
    let stand = Stand::start().await;
    let created = create(&stand, json!({"method": "direct"})).await;
    let id = text(&created["id"]);
    stand.put(&text(&created["upload_link"]), "old").await;
    until(&stand, &id, "ready").await;
    let order = json!({"upload": {"method": "multipart"}});
    let again = media(&stand, "PUT", &format!("/{id}/reupload"), order)
        .await
        .body;
    let upload = Upload {
        media: id.clone(),
        id: text(&again["upload_id"]),
        token: text(&again["upload_token"]),
    };
    upload.put(&stand, 1, "new").await;
    assert_eq!(stand.stored(&id), b"old");
    assert_eq!(upload.complete(&stand).await.status, 202);
    until(&stand, &id, "ready").await;
    assert_eq!(stand.stored(&id), b"new");
}
