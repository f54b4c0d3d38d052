//! What a sidecar says once a video has got other content: it is sent, and the video keeps its
//! ingest id.

use std::fs;

use serde_json::{Value, json};

use super::{SMALL, assert_replaced, one_is_up, put_over, watch};
use crate::support::{Dice, Platform, Site};

#[test]
fn a_sidecar_is_told_with_and_after_the_new_content() {
    for v2 in [false, true] {
        let (platform, mut dice) = (Platform::start(), Dice::new());
        let more = watch("replace", "");
        let site = if v2 {
            Site::v2(&platform, &more)
        } else {
            Site::with(&platform, &more)
        };
        let (daemon, file, key) = one_is_up(&site, &mut dice, SMALL);
        daemon.signal("TERM");
        daemon.wait();
        put_over(&site, &file, &dice.bytes(SMALL));
        for title in ["Second", "Third"] {
            let sidecar = json!({"title": title, "custom": {"desk": title}}).to_string();
            fs::write(site.folder().join("news.json"), sidecar).unwrap();
            assert!(site.command(&["run", "--until-idle"]).status.success());
            assert_replaced(&platform, (&file, &key));
            let answer = platform.control("GET", "videos", &Value::Null);
            let video = &answer["videos"][0];
            assert_eq!(video["fields"]["title"], title);
            assert_eq!(video["custom"]["desk"], title);
            let mark = site.value::<String>("SELECT ingest_id FROM jobs WHERE id = 1");
            assert_eq!(video["custom"]["ingest_id"], json!(mark.unwrap()));
        }
    }
}
