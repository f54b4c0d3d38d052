//! The client of API v2 against the sandbox, which shares no code with it.

use jw_ingest::disposition::{Disposition, Need};
use jw_ingest::metadata::Metadata;
use jw_ingest::platform::v2::{Client, Uploads};
use jw_ingest::platform::{Error, Grant, NewVideo, Status, Verb, Video, VideoKey};
use jw_ingest::sandbox::{SAMPLE_SITE, SAMPLE_V2_SECRET};
use jw_ingest::way::Way;
use md5::{Digest, Md5};
use serde_json::json;
use url::Url;

use crate::sandbox::stand::{Stand, in_time};

const TITLE: &str = "Été +1 \"à la plage\" – 北京 & 100%.mp4";
const NEW: NewVideo<'_> = NewVideo {
    title: TITLE,
    metadata: &Metadata::NONE,
    ingest_id: "0198d5a0-7c1e-7b3a-9f00-0123456789ab",
    way: Way::Direct,
    size: Some(3),
    source: None,
};

fn client(stand: &Stand) -> Client {
    client_with(stand, SAMPLE_SITE, SAMPLE_V2_SECRET)
}

fn client_with(stand: &Stand, site: &str, token: &str) -> Client {
    let base = Url::parse(&stand.url("/v2")).unwrap();
    Client::new("main", (site, &base), &token.into()).unwrap()
}

async fn until(client: &Client, key: &VideoKey, status: Status) -> Video {
    in_time(async {
        loop {
            let video = client.show(key).await.unwrap();
            if video.status == status {
                return video;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn md5(bytes: &[u8]) -> String {
    let digest = Md5::digest(bytes);
    format!("{:032x}", u128::from_be_bytes(digest.into()))
}

#[tokio::test]
async fn a_media_is_made_sent_found_changed_and_deleted() {
    let stand = Stand::start().await;
    let client = client(&stand);
    client.check_credentials().await.unwrap();
    let other = NewVideo {
        title: "another",
        ingest_id: "0198d5a0-7c1e-7b3a-9f00-0123456789AB",
        ..NEW
    };
    client.create(other).await.unwrap();
    let made = client.create(NEW).await.unwrap();
    let Grant::Link(link) = &made.grant else {
        panic!("{made:?}")
    };
    assert!(link.expires_at().is_some(), "it says when it ends");
    assert_eq!(
        client.show(&made.key).await.unwrap().status,
        Status::Created
    );
    let answer = stand.put(link.expose().as_str(), "abc").await;
    assert_eq!(answer.status().as_u16(), 200);
    let video = until(&client, &made.key, Status::Ready).await;
    assert_eq!(video.title.as_deref(), Some(TITLE));
    assert_eq!(video.ingest_id.as_deref(), Some(NEW.ingest_id));
    let now = jw_ingest::clock::now().as_second();
    assert!(
        video.date.is_some_and(|at| (now - 60..=now).contains(&at)),
        "{video:?}"
    );
    let found = client.find_by_ingest_id(NEW.ingest_id).await.unwrap();
    assert_eq!(
        found.len(),
        1,
        "not the one that differs by case: {found:?}"
    );
    assert_eq!(found[0].key, made.key);
    let since = jiff::Timestamp::from_second(now - 60).unwrap();
    let titles = ["no such title", "— !", TITLE];
    let found = client.find_by_content(&titles, since).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(client.newest(500, 0).await.unwrap().len(), 2);
    assert_eq!(client.newest(500, 500).await.unwrap().len(), 0);
    let path = format!("/media/{}", made.key);
    let fields = [("metadata", "{\"title\": \"changed\"}")];
    client.call(Verb::Patch, &path, &fields).await.unwrap();
    let shown = client.call(Verb::Get, &path, &[]).await.unwrap();
    assert_eq!(shown["metadata"]["title"], "changed");
    assert_eq!(
        shown["metadata"]["custom_params"]["ingest_id"],
        NEW.ingest_id
    );
    client.delete(&made.key).await.unwrap();
    client.delete(&made.key).await.unwrap();
    assert!(client.show(&made.key).await.unwrap_err().is_not_found());
    stand.stop().await;
}

#[tokio::test]
async fn an_upload_in_parts_is_listed_sent_and_completed() {
    let stand = Stand::start().await;
    let client = client(&stand);
    let way = Way::Multipart;
    let made = client.create(NewVideo { way, ..NEW }).await.unwrap();
    let Grant::Parts(pass) = &made.grant else {
        panic!("{made:?}")
    };
    let stored = Grant::restore(way, &made.grant.store()).unwrap();
    assert_eq!(stored, made.grant);
    let uploads = Uploads::new(pass).unwrap();
    let page = uploads.page(10, 1_000).await.unwrap();
    assert_eq!((page.page, page.total), (Some(10), Some(10_000)));
    assert_eq!(page.slots.len(), 1_000);
    assert_eq!(page.slots[999].number, 10_000);
    let error = uploads.complete().await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
    let parts = [vec![7; 5 * 1024 * 1024], vec![8; 3]];
    let page = uploads.page(1, 3).await.unwrap();
    for (slot, part) in page.slots.iter().zip(&parts) {
        assert_eq!(slot.etag, None);
        let link = slot.link.as_ref().unwrap();
        assert!(link.expires_at().is_some());
        let answer = stand.put(link.expose().as_str(), part.clone()).await;
        assert_eq!(answer.status().as_u16(), 200);
    }
    let page = uploads.page(1, 3).await.unwrap();
    for (slot, part) in page.slots.iter().zip(&parts) {
        assert_eq!(slot.etag, Some(md5(part)), "{}", slot.number);
    }
    assert_eq!(page.slots[2].etag, None);
    uploads.complete().await.unwrap();
    let error = uploads.complete().await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ambiguous, "{error}");
    until(&client, &made.key, Status::Ready).await;
    assert_eq!(stand.stored(made.key.as_str()), parts.concat());
    client.delete(&made.key).await.unwrap();
    let error = uploads.page(1, 3).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::LinkExpired, "{error}");
    stand.stop().await;
}

#[tokio::test]
async fn a_wrong_site_or_token_blocks_the_account() {
    let stand = Stand::start().await;
    for (site, token) in [
        ("aBcD1234", SAMPLE_V2_SECRET),
        (SAMPLE_SITE, "another-s3cret"),
    ] {
        let client = client_with(&stand, site, token);
        for error in [
            client.check_credentials().await.unwrap_err(),
            client.create(NEW).await.unwrap_err(),
        ] {
            assert_eq!(
                error.disposition(),
                Disposition::Blocked(Need::Credentials),
                "{error}"
            );
            assert!(error.request_id().is_some());
            let text = format!("{error:?} {error}");
            assert!(!text.contains("s3cret") && !text.contains(SAMPLE_V2_SECRET));
        }
    }
    stand.stop().await;
}

#[tokio::test]
async fn a_token_that_ended_asks_for_another_upload() {
    let stand = Stand::start().await;
    let client = client(&stand);
    let way = Way::Multipart;
    let made = client.create(NewVideo { way, ..NEW }).await.unwrap();
    let Grant::Parts(pass) = &made.grant else {
        panic!("{made:?}")
    };
    let uploads = Uploads::new(pass).unwrap();
    uploads.page(1, 1).await.unwrap();
    stand.advance(8 * 86_400).await;
    let error = uploads.page(1, 1).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::LinkExpired, "{error}");
    stand.stop().await;
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_and_one_that_was_not_made_is_not() {
    let stand = Stand::start().await;
    let client = client(&stand);
    for (fault, expected, videos) in [
        (json!({"kind": "answer-lost"}), Disposition::Ambiguous, 1),
        (
            json!({"kind": "status", "status": 500}),
            Disposition::Ambiguous,
            1,
        ),
        (
            json!({"kind": "status", "status": 400, "code": "invalid_body"}),
            Disposition::Permanent,
            1,
        ),
    ] {
        stand
            .fault(json!({"on": "v2-create", "fault": fault}))
            .await;
        let error = client.create(NEW).await.unwrap_err();
        assert_eq!(error.disposition(), expected, "{fault}: {error}");
        let found = client.find_by_ingest_id(NEW.ingest_id).await.unwrap();
        assert_eq!(found.len(), videos, "{fault}");
    }
    let fault = json!({"kind": "status", "status": 429, "code": "too_many_requests"});
    stand
        .fault(json!({"on": "v2-create", "fault": fault}))
        .await;
    let error = client.create(NEW).await.unwrap_err();
    let after = match error.disposition() {
        Disposition::Transient { after } => after,
        other => panic!("{other:?}: {error}"),
    };
    assert!(after.is_some(), "{error}");
    stand.stop().await;
}

#[tokio::test]
async fn a_fetch_needs_nothing_sent() {
    let stand = Stand::start().await;
    let client = client(&stand);
    let source = Url::parse(&stand.url("/nothing/here.mp4?sig=a%2Bb")).unwrap();
    let video = NewVideo {
        way: Way::Fetch,
        source: Some(&source),
        ..NEW
    };
    let made = client.create(video).await.unwrap();
    assert_eq!(made.grant, Grant::Fetch);
    let video = until(&client, &made.key, Status::Failed).await;
    assert!(video.error.is_some(), "{video:?}");
    let unsaid = NewVideo {
        way: Way::Fetch,
        ..NEW
    };
    let error = client.create(unsaid).await.unwrap_err();
    assert!(matches!(error, Error::Request(_)), "{error}");
    stand.stop().await;
}
