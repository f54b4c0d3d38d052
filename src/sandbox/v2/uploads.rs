//! Uploads in parts: the list of their slots, and their completion (JW docs, v2 multipart uploads).
//!
//! An upload has 10,000 slots from the first. The list says what is in them, and how to fill those
//! that are empty.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::Wrong;
use super::{Asked, media};
use crate::sandbox::errand::{self, Orders};
use crate::sandbox::faults::WrongList;
use crate::sandbox::link::{Method, SIZE_LIMIT};
use crate::sandbox::parts::{self, Part, SLOTS};
use crate::sandbox::refusal::Refusal;
use crate::sandbox::status::Pending;
use crate::sandbox::video::Video;

/// `GET /v2/uploads/<id>/parts`
pub(super) fn list(asked: &Asked<'_>, upload: &str) -> Result<(StatusCode, Value), Wrong> {
    let page = number(asked, "page", 1)?;
    let length = number(asked, "page_length", PAGE)?;
    if length > LONGEST_PAGE {
        return Err(Wrong::parameter("'page_length' is 1000 at most"));
    }
    let video = find(asked, upload)?;
    if video.link.used {
        return Err(over());
    }
    let folder = asked.sandbox.store.parts(&video.key, upload);
    let filled = asked.sandbox.store.read(|_, _| parts::list(&folder));
    let filled = filled.map_err(Refusal::from)?;
    let how = asked.call.wrong_list();
    let shown = if how == Some(WrongList::FirstPageAgain) {
        1
    } else {
        page
    };
    let first = (shown - 1).saturating_mul(length).saturating_add(1);
    let last = shown.saturating_mul(length).min(SLOTS);
    let lifetime = i64::try_from(asked.sandbox.options.part_link_lifetime.as_secs());
    let slots = (first..=last).map(|slot| {
        if let Some(part) = filled.get(&slot) {
            return json!({"id": slot, "etag": part.md5});
        }
        let number = slot.to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", upload)];
        let link = media::link(asked, &video, &query, lifetime.unwrap_or(i64::MAX));
        json!({"id": slot, "etag": null, "upload_link": link})
    });
    let mut slots: Vec<Value> = slots.collect();
    let mut total = SLOTS;
    if let Some(how) = how {
        total = spoil(how, &mut slots);
    }
    let answer = json!({"page": page, "page_length": length, "total": total, "parts": slots});
    Ok((StatusCode::OK, answer))
}

/// `PUT /v2/uploads/<id>/complete`
pub(super) fn complete(asked: &Asked<'_>, upload: &str) -> Result<(StatusCode, Value), Wrong> {
    let said = serde_json::from_slice::<Value>(&asked.body).ok();
    if !asked.body.is_empty() && !said.is_some_and(|said| said == json!({})) {
        return Err(Wrong::body("there is nothing to say here"));
    }
    let found = find(asked, upload)?;
    let folder = asked.sandbox.store.parts(&found.key, upload);
    let now = asked.sandbox.now_ms();
    let video = asked.sandbox.store.change(&found.key, |video| {
        if video.link.used {
            return Err(over());
        }
        let filled = parts::list(&folder).map_err(Refusal::from)?;
        check(&filled)?;
        video.link.used = true;
        video.pending = Some(Pending::begin(now));
        Ok(())
    })?;
    errand::start(asked.sandbox, &video, Orders::of(asked.call));
    Ok((StatusCode::ACCEPTED, json!({})))
}

/// The media whose upload it is, while there is such an upload.
fn find(asked: &Asked<'_>, upload: &str) -> Result<Video, Wrong> {
    let now = asked.sandbox.now_s();
    let is_it = |video: &&Video| {
        let link = &video.link;
        link.order.method == Method::Parts && link.token == upload && now <= link.expires
    };
    let found = asked
        .sandbox
        .store
        .read(|videos, _| videos.values().find(is_it).cloned());
    found.ok_or_else(|| Wrong::not_found("there is no such upload"))
}

/// Whether the parts make a file: no gap, and none but the last too small for S3 to join.
fn check(filled: &BTreeMap<u32, Part>) -> Result<(), Wrong> {
    let conflict = |description: String| Wrong::state(StatusCode::CONFLICT, description);
    let last = filled.last_key_value().map(|(number, _)| *number);
    let last = last.ok_or_else(|| conflict("no part was uploaded".to_owned()))?;
    for number in 1..last {
        match filled.get(&number) {
            None => return Err(conflict(format!("part {number} is missing"))),
            Some(part) if part.size < SMALLEST => {
                return Err(conflict(format!("part {number} is smaller than 5 MiB")));
            }
            Some(_) => {}
        }
    }
    if filled.values().map(|part| part.size).sum::<u64>() > SIZE_LIMIT {
        return Err(conflict("the file is larger than 25 GB".to_owned()));
    }
    Ok(())
}

fn over() -> Wrong {
    Wrong::state(StatusCode::CONFLICT, "the upload was completed already")
}

/// A whole number from 1 on.
fn number(asked: &Asked<'_>, name: &str, usual: u32) -> Result<u32, Wrong> {
    let wrong = || Wrong::parameter(format!("'{name}' is not a whole number above 0"));
    let given = asked.query.number(name).map_err(|_| wrong())?;
    match given.map(u32::try_from) {
        None => Ok(usual),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err(wrong()),
    }
}

/// Makes a page wrong; answers the total that it then has.
fn spoil(how: WrongList, slots: &mut Vec<Value>) -> u32 {
    let label = |slots: &mut Vec<Value>, to: fn(&str) -> String| {
        for slot in slots {
            if let Some(etag) = slot.get("etag").and_then(Value::as_str).map(to) {
                slot["etag"] = json!(etag);
            }
        }
    };
    match how {
        WrongList::Holes => {
            let mut at = 0;
            slots.retain(|_| {
                at += 1;
                at % 3 != 0
            });
        }
        WrongList::Duplicated => {
            *slots = slots
                .iter()
                .flat_map(|slot| [slot.clone(), slot.clone()])
                .collect();
        }
        WrongList::Unsorted => slots.reverse(),
        WrongList::WrongTotal => {
            return u32::try_from(slots.len())
                .unwrap_or(SLOTS)
                .saturating_sub(1);
        }
        WrongList::QuotedEtags => label(slots, |etag| format!("\"{etag}\"")),
        WrongList::WrongEtags => label(slots, |_| "0123456789abcdef0123456789abcdef".to_owned()),
        WrongList::NoLinks => {
            for slot in slots.iter_mut().filter_map(Value::as_object_mut) {
                slot.remove("upload_link");
            }
        }
        WrongList::FirstPageAgain => {}
        WrongList::Empty => slots.clear(),
    }
    SLOTS
}

/// The slots on a page unless another number is asked for.
const PAGE: u32 = 10;
/// JW docs, v2 uploads; the official SDK asks for as many.
const LONGEST_PAGE: u32 = 1000;
/// The smallest part that S3 joins to one behind it, in bytes.
const SMALLEST: u64 = 5 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn verdict(sizes: &[(u32, u64)]) -> Result<(), String> {
        let part = |size| Part {
            size,
            md5: String::new(),
            path: PathBuf::new(),
        };
        let filled = sizes.iter().map(|(n, size)| (*n, part(*size))).collect();
        check(&filled).map_err(|wrong| wrong.description)
    }

    #[test]
    fn parts_make_a_file_without_gaps_and_small_ones() {
        assert_eq!(verdict(&[(1, 1)]), Ok(()));
        assert_eq!(verdict(&[(1, SMALLEST), (2, 0)]), Ok(()));
        for (sizes, why) in [
            (&[][..], "no part was uploaded"),
            (&[(2, 9)], "part 1 is missing"),
            (&[(1, SMALLEST), (3, 9)], "part 2 is missing"),
            (&[(1, SMALLEST - 1), (2, 9)], "part 1 is smaller than 5 MiB"),
            (&[(1, SIZE_LIMIT), (2, 1)], "the file is larger than 25 GB"),
        ] {
            assert_eq!(verdict(sizes), Err(why.to_owned()));
        }
    }

    #[test]
    fn a_page_is_spoilt_as_ordered() {
        let page = || {
            vec![
                json!({"id": 1, "etag": "a"}),
                json!({"id": 2, "etag": null}),
                json!({"id": 3}),
            ]
        };
        let spoilt = |how| {
            let mut slots = page();
            let total = spoil(how, &mut slots);
            (total, slots)
        };
        let ids = |how| {
            let (_, slots) = spoilt(how);
            slots
                .iter()
                .map(|slot| slot["id"].as_u64().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(WrongList::Holes), [1, 2]);
        assert_eq!(ids(WrongList::Duplicated), [1, 1, 2, 2, 3, 3]);
        assert_eq!(ids(WrongList::Unsorted), [3, 2, 1]);
        assert_eq!(ids(WrongList::Empty), [0; 0]);
        assert_eq!(spoilt(WrongList::WrongTotal), (2, page()));
        assert_eq!(spoilt(WrongList::QuotedEtags).1[0]["etag"], "\"a\"");
        assert_eq!(spoilt(WrongList::QuotedEtags).1[1]["etag"], Value::Null);
    }
}
