//! The v1 API of the sandbox.

use serde_json::{Value, json};

use super::stand::{KEY, Stand, encode, now, sign, signed, signed_at, text};

#[tokio::test]
async fn all_three_transport_forms_are_accepted() {
    let stand = Stand::start().await;
    let url = stand.url("/v1/videos/create");
    let get = stand
        .http
        .get(format!("{url}?{}", signed(&[("title", "a b+c")])))
        .send();
    assert_eq!(get.await.unwrap().status(), 200);
    let post = stand
        .http
        .post(format!("{url}?{}", signed(&[("title", "query")])))
        .send();
    assert_eq!(post.await.unwrap().status(), 200);
    // Blanks as plus signs on the wire; the signature is over what they stand for.
    let form = signed(&[("title", "two  blanks")]).replace("%20", "+");
    assert_eq!(stand.post("create", form).await.status, 200);
    let titles = stand.ok("list", &[("order_by", "title:asc")]).await;
    let titles: Vec<&str> = titles["videos"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|v| v["title"].as_str())
        .collect();
    assert_eq!(titles, ["a b+c", "query", "two  blanks"]);
}

#[tokio::test]
async fn what_is_not_authentic_is_refused_and_does_nothing() {
    let stand = Stand::start().await;
    let good = signed(&[("title", "x")]);
    let now = now();
    let too_old = now - 27 * 3600 - 60;
    for (form, expected) in [
        (
            good.replace("title=x", "title=y"),
            (400, "SignatureInvalid"),
        ),
        (format!("{good}&more=1"), (400, "SignatureInvalid")),
        (good.replace(KEY, "abcdefgh"), (400, "ApiKeyInvalid")),
        (good.replace("api_key", "apikey"), (400, "ApiKeyMissing")),
        (good.replace("api_nonce", "nonce"), (400, "NonceMissing")),
        (
            good.replace("api_timestamp", "timestamp"),
            (400, "TimestampMissing"),
        ),
        (
            good.replace("api_signature", "signature"),
            (400, "SignatureMissing"),
        ),
        (
            good.replace("title=x", "title=%zz"),
            (400, "ParameterEncodingError"),
        ),
        (
            signed_at(too_old, &[("title", "x")]),
            (403, "TimestampExpired"),
        ),
        (
            signed_at(now * 1000, &[("title", "x")]),
            (400, "TimestampInvalid"),
        ),
    ] {
        let answer = stand.post("create", form.clone()).await;
        assert_eq!(
            answer.refusal(),
            (expected.0, expected.1.to_owned()),
            "{form}"
        );
    }
    assert_eq!(stand.total().await, 0);
    assert_eq!(
        stand.post("create", good).await.status,
        200,
        "and the good one is good"
    );
}

#[tokio::test]
async fn a_replay_is_refused_and_not_executed() {
    let stand = Stand::start().await;
    let form = signed(&[("title", "once")]);
    assert_eq!(stand.post("create", form.clone()).await.status, 200);
    for _ in 0..2 {
        let again = stand.post("create", form.clone()).await;
        assert_eq!(again.refusal(), (400, "SignatureInvalid".to_owned()));
    }
    assert_eq!(stand.total().await, 1);
}

#[tokio::test]
async fn calls_that_are_not_the_apis_form_are_refused() {
    let stand = Stand::start().await;
    let url = stand.url("/v1/videos/create");
    let put = stand
        .http
        .put(format!("{url}?{}", signed(&[])))
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 405);
    let json = stand
        .http
        .post(format!("{url}?{}", signed(&[])))
        .header("content-type", "application/json")
        .body(r#"{"title": "x"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(json.status(), 400);
    assert!(json.text().await.unwrap().contains("CallInvalid"));
    let long = stand
        .post("create", format!("title={}", "x".repeat(1024 * 1024)))
        .await;
    assert_eq!(long.refusal(), (400, "CallInvalid".to_owned()));
    assert_eq!(
        stand.call("nothing", &[]).await.refusal(),
        (400, "NoMethod".to_owned())
    );
    assert_eq!(
        stand
            .http
            .get(stand.url("/v2/sites"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(stand.total().await, 0);
}

#[tokio::test]
async fn parameters_that_cannot_be_are_refused() {
    let stand = Stand::start().await;
    for (method, extra, expected) in [
        ("create", "title=", "400 ParameterEmpty"),
        ("create", "upload_method=pigeon", "400 ParameterInvalid"),
        ("create", "resumable=perhaps", "400 ParameterInvalid"),
        ("create", "download_url=ftp://x/y", "400 ParameterInvalid"),
        ("create", "sourcetype=url", "501 NotImplemented"),
        ("create", "md5=x", "400 DigestInvalid"),
        ("create", "date=soon", "400 ParameterInvalid"),
        ("create", "api_format=py", "400 ParameterInvalid"),
        ("list", "result_limit=1001", "400 ParameterInvalid"),
        ("show", "title=x", "400 ParameterMissing"),
        ("show", "video_key=absent00", "404 NotFound"),
        ("update", "video_key=absent00", "404 NotFound"),
        ("delete", "video_key=absent00", "404 NotFound"),
    ] {
        let answer = stand.call(method, &[extra.split_once('=').unwrap()]).await;
        let (status, code) = answer.refusal();
        assert_eq!(format!("{status} {code}"), expected, "{method} {extra}");
    }
    let xml = stand.call("list", &[("api_format", "xml")]).await;
    assert!(text(&xml.body).contains("<code>ParameterInvalid</code>"));
    let now = now().to_string();
    let unformatted = sign(&[
        ("api_key", KEY),
        ("api_nonce", "12345678"),
        ("api_timestamp", &now),
    ]);
    let answer = stand.post("list", unformatted).await;
    assert_eq!(answer.refusal(), (400, "ParameterMissing".to_owned()));
    assert_eq!(stand.total().await, 0);
}

#[tokio::test]
async fn over_the_limit_nothing_is_executed() {
    let stand = Stand::with(|options| options.rate_limit = 2).await;
    // To the beginning of a minute, so that it does not end in the middle of the test.
    let into_minute = i64::try_from(now() % 60).unwrap();
    stand.advance(60 - into_minute).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(stand.call("create", &[("title", "x")]).await);
    }
    assert_eq!(answers[0].body["rate_limit"]["limit"], 2);
    assert_eq!(answers[0].body["rate_limit"]["remaining"], 1);
    assert_eq!(answers[1].headers["x-ratelimit-remaining"], "0");
    let reset = answers[1].body["rate_limit"]["reset"].to_string();
    assert_eq!(answers[2].refusal(), (429, "RateLimitExceeded".to_owned()));
    assert_eq!(answers[2].headers["x-ratelimit-limit"], "2");
    assert_eq!(answers[2].headers["x-ratelimit-reset"], reset.as_str());
    assert_eq!(stand.total().await, 2);
    stand.advance(60).await;
    stand.ok("create", &[("title", "x")]).await;
}

#[tokio::test]
async fn a_video_is_shown_found_changed_and_deleted() {
    let stand = Stand::start().await;
    let extra = [
        ("title", "Été"),
        ("custom.ingest_id", "ing:7:"),
        ("tags", "a,b"),
    ];
    let (key, _) = stand.create(&extra).await;
    let video = stand.show(&key).await;
    assert_eq!(video["status"], "created");
    assert_eq!(
        (&video["size"], &video["md5"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(video["custom"], json!({"ingest_id": "ing:7:"}));

    let found = stand
        .ok("list", &[("search:custom.ingest_id", "NG:7:")])
        .await;
    assert_eq!(
        (&found["total"], &found["limit"], &found["offset"]),
        (&json!(1), &json!(50), &json!(0))
    );
    assert_eq!(found["videos"][0]["key"], key.as_str());

    stand
        .ok(
            "update",
            &[
                ("video_key", &key),
                ("title", "Hiver"),
                ("custom.more", "x"),
            ],
        )
        .await;
    let video = stand.show(&key).await;
    assert_eq!(
        (&video["title"], &video["tags"]),
        (&json!("Hiver"), &json!("a,b"))
    );
    assert_eq!(video["custom"], json!({"ingest_id": "ing:7:", "more": "x"}));

    let (other, _) = stand.create(&[("title", "other")]).await;
    let page = stand
        .ok("list", &[("result_limit", "1"), ("result_offset", "1")])
        .await;
    assert_eq!(
        (
            page["total"].as_u64(),
            page["videos"].as_array().unwrap().len()
        ),
        (Some(2), 1)
    );
    let with_stranger = format!("{other},absent00");
    let answer = stand.call("delete", &[("video_key", &with_stranger)]).await;
    assert_eq!((answer.status, stand.total().await), (404, 2));
    stand
        .ok("delete", &[("video_key", &format!("{key},{other}"))])
        .await;
    assert_eq!(stand.total().await, 0);
    assert_eq!(stand.call("show", &[("video_key", &key)]).await.status, 404);
}

#[tokio::test]
async fn links_have_the_platforms_shapes() {
    let stand = Stand::start().await;
    let single = stand.ok("create", &[("title", "x")]).await;
    let link = &single["link"];
    assert_eq!(
        (&link["protocol"], &link["path"]),
        (&json!("http"), &json!("/v1/videos/upload"))
    );
    assert_eq!(link["address"], stand.address.as_str());
    assert_eq!(link["query"]["key"], single["media"]["key"]);
    assert_eq!(text(&link["query"]["token"]).len(), 40);
    let s3 = stand.ok("create", &[("upload_method", "s3")]).await;
    assert_eq!(
        text(&s3["link"]["path"]),
        format!("/s3/{}", text(&s3["media"]["key"]))
    );
    let week = now() + 7 * 24 * 3600;
    let expires = s3["link"]["query"]["Expires"].as_u64().unwrap();
    assert!(expires > week - 60 && expires <= week);
    assert!(text(&s3["link"]["query"]["AWSAccessKeyId"]).starts_with("AKIA"));
}

#[tokio::test]
async fn create_answers_in_xml_where_it_is_asked_to() {
    let stand = Stand::start().await;
    let answer = stand
        .call("create", &[("api_format", "xml"), ("title", "x")])
        .await;
    let body = text(&answer.body);
    assert!(body.contains("<status>ok</status>"), "{body}");
    assert!(
        body.contains("<video key=\"") && body.contains("<token>"),
        "{body}"
    );
    let answer = stand
        .call("create", &[("api_format", "xml"), ("title", "")])
        .await;
    assert_eq!(answer.status, 400);
    assert!(text(&answer.body).contains("<code>ParameterEmpty</code>"));
}

#[tokio::test]
async fn a_file_is_replaced_only_when_the_video_is_ready() {
    let stand = Stand::start().await;
    let (key, link) = stand.create(&[("upload_method", "s3")]).await;
    let replace = [
        ("video_key", key.as_str()),
        ("update_file", "True"),
        ("upload_method", "s3"),
    ];
    let early = stand.call("update", &replace).await;
    assert_eq!(early.refusal(), (412, "PreconditionFailed".to_owned()));
    assert_eq!(stand.put(&link, "first").await.status(), 200);
    let update = stand.ok("update", &replace).await;
    assert_eq!(
        stand
            .put(&super::stand::link(&update), "second")
            .await
            .status(),
        200
    );
    assert_eq!(stand.stored(&key), b"second");
    assert_eq!(stand.show(&key).await["size"], "6");
}

#[tokio::test]
async fn odd_text_arrives_as_it_was_signed() {
    let stand = Stand::start().await;
    let title = "a~b+c*d 'q' \"(x)!\" <b>&amp; 100%\n北京 ⛄";
    let (key, _) = stand.create(&[("title", title)]).await;
    assert_eq!(stand.show(&key).await["title"], title);
    assert_ne!(encode(title), title);
}
