//! The media of a site: pages, order and search (JW docs, v2 "listing media").

use std::cmp::Ordering;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::Wrong;
use super::query::Query;
use super::{Asked, shown};
use crate::sandbox::video::Video;

/// `GET /v2/sites/<site>/media/`
pub(super) fn list(asked: &Asked<'_>) -> Result<(StatusCode, Value), Wrong> {
    let page = number(asked, "page", 1)?;
    let length = number(asked, "page_length", 10)?;
    if page.saturating_mul(length) > DEEPEST {
        return Err(Wrong::parameter("a query has 10,000 results at most"));
    }
    let order = Order::read(asked.query.get("sort").unwrap_or("created:dsc"))?;
    let query = asked.query.get("q").map(Query::read).transpose()?;
    let now = asked.sandbox.now_ms();
    let lag = i64::try_from(asked.sandbox.options.search_lag.as_millis()).unwrap_or(i64::MAX);
    let takes = |video: &Video| {
        let indexed = now.saturating_sub(video.created) >= lag;
        query
            .as_ref()
            .is_none_or(|query| indexed && query.takes(video, now))
    };
    Ok(asked.sandbox.store.read(|videos, _| {
        let mut found: Vec<&Video> = videos.values().filter(|video| takes(video)).collect();
        found.sort_by(|a, b| order.compare(a, b, now));
        let skipped = (page - 1).saturating_mul(length);
        let media: Vec<Value> = found
            .iter()
            .skip(skipped)
            .take(length)
            .map(|video| shown::media(video, now))
            .collect();
        let list = json!({"page": page, "page_length": length, "total": found.len(),
                          "media": media});
        (StatusCode::OK, list)
    }))
}

fn number(asked: &Asked<'_>, name: &str, usual: usize) -> Result<usize, Wrong> {
    let wrong = || Wrong::parameter(format!("'{name}' is not a whole number above 0"));
    let given = asked.query.number(name).map_err(|_| wrong())?;
    match given.map(usize::try_from) {
        None => Ok(usual),
        Some(Ok(number)) if number > 0 => Ok(number),
        Some(_) => Err(wrong()),
    }
}

/// `field:asc` or `field:dsc`.
#[derive(Debug)]
struct Order {
    by: By,
    descending: bool,
}

#[derive(Debug, Clone, Copy)]
enum By {
    Created,
    Modified,
    Title,
    Id,
}

impl Order {
    fn read(text: &str) -> Result<Self, Wrong> {
        let (by, direction) = text.split_once(':').unwrap_or((text, "asc"));
        let by = match by {
            "created" => By::Created,
            "last_modified" => By::Modified,
            "title" => By::Title,
            "id" => By::Id,
            _ => return Err(Wrong::parameter("'sort' knows no such field")),
        };
        let descending = match direction {
            "asc" => false,
            "dsc" => true,
            _ => return Err(Wrong::parameter("'sort' goes asc or dsc")),
        };
        Ok(Self { by, descending })
    }

    fn compare(&self, a: &Video, b: &Video, now: i64) -> Ordering {
        let order = match self.by {
            By::Created => a.created.cmp(&b.created),
            By::Modified => a.updated(now).cmp(&b.updated(now)),
            By::Title => a.text("title", now).cmp(&b.text("title", now)),
            By::Id => a.key.cmp(&b.key),
        };
        let order = order.then(a.number.cmp(&b.number));
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

/// Results beyond this many cannot be had (JW docs, v2 "listing media").
const DEEPEST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_spelt_as_documented() {
        assert!(Order::read("created:dsc").unwrap().descending);
        assert!(!Order::read("title").unwrap().descending);
        for text in ["created:desc", "colour:asc", "", "created:"] {
            assert!(Order::read(text).is_err(), "{text}");
        }
    }
}
