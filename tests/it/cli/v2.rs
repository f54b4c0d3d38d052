//! `check` and `call` with an account of API v2, on a sandbox.

use std::fs;

use jw_ingest::sandbox::SAMPLE_SITE;
use serde_json::Value;

use super::fixture::{Fixture, SECRET};
use crate::sandbox::stand::Stand;

/// A fixture whose account is the sandbox's site.
fn fixture(stand: &Stand) -> Fixture {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.path("daemon.toml")).unwrap();
    let api = format!("api = \"v2\"\nsite = \"{SAMPLE_SITE}\"");
    let text = text.replace("key = \"XOqEAfxj\"", &api);
    let text = text.replace("http://127.0.0.1:9/v1", &stand.url("/v2"));
    fs::write(fixture.path("daemon.toml"), text).unwrap();
    fixture
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_v2_is_checked_and_called() {
    let stand = Stand::with(|options| SECRET.clone_into(&mut options.v2_secret)).await;
    let fixture = fixture(&stand);
    let checked = fixture.run(&["check"]).done();
    assert!(
        checked.contains("the platform accepts the site"),
        "{checked}"
    );
    let json = |arguments: &[&str]| -> Value {
        let out = fixture.run(arguments).done();
        serde_json::from_str(&out).unwrap()
    };
    let made = json(&[
        "call",
        "-X",
        "post",
        "media",
        "upload={\"method\": \"multipart\"}",
        "metadata={\"title\": \"T\"}",
    ]);
    let path = format!("/media/{}/", made["id"].as_str().unwrap());
    assert_eq!(json(&["call", &path])["metadata"]["title"], "T");
    let listed = json(&["call", "/media", "page_length=1", "q=title:\"t\""]);
    assert_eq!(listed["total"], 1);
    let gone = json(&["call", "--method", "DELETE", &path]);
    assert_eq!(gone, Value::Object(serde_json::Map::new()));
    let ran = fixture.run(&["call", &path]);
    let refusal: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &refusal["code"]), (1, &"not_found".into()));
    assert_eq!(fixture.run(&["call", "-X", "HEAD", &path]).code, 2);
    let text = fs::read_to_string(fixture.path("daemon.toml")).unwrap();
    let other = text.replace(SAMPLE_SITE, "aBcD1234");
    fs::write(fixture.path("daemon.toml"), other).unwrap();
    let ran = fixture.run(&["check"]);
    let says = "; does base-url end in /v2?; compare site and secret with those of the property";
    assert!(ran.code != 0 && ran.out.contains(says), "{ran:?}");
    stand.stop().await;
}

#[test]
fn an_account_of_v1_takes_no_method() {
    let ran = Fixture::new().run(&["call", "-X", "GET", "/videos/list"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("leave --method out"), "{ran:?}");
}
