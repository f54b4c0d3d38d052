//! Uploads to an S3 server of another project, by links that it would have signed itself: its
//! reading of signatures, expiry, checksums and parts judges ours.

mod server;
mod sign;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use jw_ingest::disposition::Disposition;
use jw_ingest::platform::v2::Uploads;
use jw_ingest::platform::{Link, Pass};
use jw_ingest::upload::multipart::{PartsOrder, send_parts};
use jw_ingest::upload::{self, Error, Order, RESPONSE_TIMEOUT, Receipt, Seen, Throttle, Verdict};
use jw_ingest::way::Way;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::server::Server;
use self::sign::{Permission, Version};
use crate::support::{DEADLINE, Dice};

const MIB: u64 = 1024 * 1024;
/// The smallest that S3 allows, for many parts of a small file.
const PART: u64 = 5 * MIB;

/// A file of bytes that no other has, and those bytes.
fn file(size: u64) -> (File, Vec<u8>) {
    let bytes = Dice::new().bytes(size.try_into().unwrap());
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    (file, bytes)
}

async fn put(way: Way, link: &str, file: File, size: u64) -> Result<Receipt, Error> {
    let order = Order {
        seen: Seen::now(&file).unwrap(),
        file,
        size,
        link: Link::new(Url::parse(link).unwrap(), None),
        name: "Übung.mp4".to_owned(),
        progress: Arc::default(),
        throttle: Throttle::default(),
        stall_timeout: DEADLINE,
        response_timeout: RESPONSE_TIMEOUT,
        hash: true,
        before_last_byte: Box::new(|_| Ok(())),
        segment_size: upload::SEGMENT_SIZE,
        on_confirmed: Box::new(|_| Ok(())),
    };
    upload::send(way, order, CancellationToken::new()).await
}

/// Parts with their MD5, as the job table keeps them.
type Parts = BTreeMap<u32, String>;

/// A transfer of four parts at once that is cancelled once so many have arrived; with what it
/// reported, on top of what was known.
async fn send(
    pass: &Pass,
    file: &File,
    known: Parts,
    cancel_after: usize,
) -> (Result<Receipt, Error>, Parts) {
    let reported = Arc::new(Mutex::new(known.clone()));
    let cancel = CancellationToken::new();
    let (record, stop) = (Arc::clone(&reported), cancel.clone());
    let order = PartsOrder {
        file: file.try_clone().unwrap(),
        size: file.metadata().unwrap().len(),
        part_size: PART,
        parts_at_once: NonZeroU32::new(4).unwrap(),
        uploads: Uploads::new(pass).unwrap(),
        known,
        progress: Arc::default(),
        throttle: Throttle::default(),
        stall_timeout: DEADLINE,
        response_timeout: RESPONSE_TIMEOUT,
        before_complete: Box::new(|| Ok(())),
        on_part: Box::new(move |number, md5| {
            let mut record = record.lock().unwrap();
            record.insert(number, md5.to_owned());
            if record.len() == cancel_after {
                stop.cancel();
            }
            Ok(())
        }),
    };
    let sent = send_parts(order, cancel).await;
    let reported = reported.lock().unwrap().clone();
    (sent, reported)
}

const NEVER: usize = usize::MAX;

#[tokio::test(flavor = "multi_thread")]
async fn a_put_by_a_link_of_either_version_arrives_whole() {
    let server = Server::start();
    for way in [Way::S3, Way::Direct] {
        for version in Version::ALL {
            let (file, bytes) = file(7 * MIB + 1);
            let key = format!("{}-{version:?}", way.word());
            let receipt = put(way, &server.link(version, &key), file, 7 * MIB + 1)
                .await
                .unwrap();
            assert!(receipt.verified, "{key}: S3 names the MD5");
            assert!(server.object(&key) == Some(bytes), "{key} is damaged");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_forged_or_over_is_refused_and_told_apart() {
    let server = Server::start();
    for version in Version::ALL {
        let good = server.link(version, "k");
        let path = "/videos/k";
        let of = |permission: Permission<'_>| permission.link(version, server.address());
        let strange = Permission {
            access_key: "AKIDNOBODY",
            ..Permission::new("PUT", path)
        };
        let over = Permission {
            seconds: -60,
            ..Permission::new("PUT", path)
        };
        let signature = good.rsplit_once("ignature=").unwrap().1;
        let turned: String = signature.chars().rev().collect();
        for (what, link, expected) in [
            ("over", of(over), Verdict::LinkExpired),
            ("of a stranger", of(strange), Verdict::LinkRefused),
            (
                "for a look only",
                of(Permission::new("GET", path)),
                Verdict::LinkRefused,
            ),
            (
                "for another key",
                good.replace("/videos/k", "/videos/other"),
                Verdict::LinkRefused,
            ),
            (
                "forged",
                good.replace(signature, &turned),
                Verdict::LinkRefused,
            ),
        ] {
            // More than fits between the two: one that is out when the server hangs up on its head
            // may miss why.
            let (file, _) = file(12 * MIB);
            let error = put(Way::S3, &link, file, 12 * MIB).await.unwrap_err();
            let Error::Answered(answered) = &error else {
                panic!("{version:?} {what}: {error}")
            };
            assert_eq!(answered.verdict, expected, "{version:?} {what}: {error}");
            assert_eq!(error.disposition(), Disposition::LinkExpired, "{what}");
            let text = format!("{error} {error:?}");
            assert!(!text.contains(signature), "{text}");
        }
        assert!(server.object("k").is_none() && server.object("other").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_become_one_file_also_by_links_that_had_to_be_fetched_again() {
    let server = Server::start();
    for (key, size) in [("many", 8 * PART + 1), ("even", 2 * PART), ("one", 3)] {
        let (file, bytes) = file(size);
        let pass = server.begin(key).await;
        if key == "many" {
            server.hand_out_stale_links_once();
        }
        let (sent, reported) = send(&pass, &file, Parts::new(), NEVER).await;
        let receipt = sent.unwrap();
        assert!(receipt.verified && receipt.bytes == size, "{receipt:?}");
        let parts = u32::try_from(size.div_ceil(PART)).unwrap();
        assert!(reported.keys().copied().eq(1..=parts), "{reported:?}");
        assert!(server.object(key) == Some(bytes), "{key} is damaged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_before_a_break_is_not_sent_again() {
    let server = Server::start();
    let (file, bytes) = file(9 * PART + 4);
    let pass = server.begin("k").await;
    server.let_through(3);
    let (sent, known) = send(&pass, &file, Parts::new(), 3).await;
    let error = sent.unwrap_err();
    assert!(
        matches!(error, Error::Cancelled { complete: false }),
        "{error}"
    );
    let before = server.stored();
    assert_eq!((before.len(), known.len()), (3, 3), "{before:?}");
    assert!(server.object("k").is_none(), "completed too early");

    // A part whose report was lost with the process is found at the server.
    let mut known = known;
    known.remove(&before[0]);
    server.let_through(100);
    let (sent, reported) = send(&pass, &file, known, NEVER).await;
    assert!(sent.unwrap().verified);
    let mut stored = server.stored();
    stored.sort_unstable();
    assert!(stored.into_iter().eq(1..=10), "each part once");
    assert_eq!(reported.len(), 10);
    assert!(server.object("k") == Some(bytes), "damaged");
}
