//! `/videos/list`: search, filters, order and pages (JW docs, v1 videos/list).

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::Sandbox;
use super::params::Params;
use super::refusal::Refusal;
use super::video::Video;

/// A list call, understood.
#[derive(Debug)]
struct Query {
    searches: Vec<Search>,
    tags: Vec<String>,
    all_tags: bool,
    /// UNIX seconds.
    updated_after: Option<i64>,
    order: Order,
    limit: usize,
    offset: usize,
}

/// One search: a text in any of some fields.
#[derive(Debug)]
struct Search {
    fields: Vec<String>,
    /// Lower case.
    text: String,
}

#[derive(Debug)]
struct Order {
    by: String,
    descending: bool,
}

/// Lists videos.
pub(super) fn list(sandbox: &Sandbox, params: &Params) -> Result<Value, Refusal> {
    let query = Query::read(params)?;
    let now = sandbox.now_ms();
    Ok(sandbox.store.read(|videos, _| {
        let mut found: Vec<&Video> = videos
            .values()
            .filter(|video| query.takes(video, now))
            .collect();
        found.sort_by(|a, b| query.order.compare(a, b, now));
        let page: Vec<Value> = found
            .iter()
            .skip(query.offset)
            .take(query.limit)
            .map(|video| video.shown(now))
            .collect();
        json!({"status": "ok", "videos": page, "total": found.len(), "limit": query.limit,
               "offset": query.offset})
    }))
}

impl Query {
    fn read(params: &Params) -> Result<Self, Refusal> {
        let count = |name| {
            params
                .number(name)
                .map(|found| found.map(|n| usize::try_from(n).unwrap_or(usize::MAX)))
        };
        let limit = count("result_limit")?.unwrap_or(DEFAULT_LIMIT);
        if limit > LARGEST_LIMIT {
            return Err(Refusal::invalid("result_limit", "The maximum is 1000"));
        }
        let all_tags = match params.get("tags_mode") {
            None | Some("all") => true,
            Some("any") => false,
            Some(_) => return Err(Refusal::invalid("tags_mode", "Neither all nor any")),
        };
        let tags = params.get("tags").unwrap_or_default();
        let updated_after = params.number("updated_after")?;
        Ok(Self {
            searches: Search::read(params)?,
            tags: tags
                .split(',')
                .map(lower)
                .filter(|tag| !tag.is_empty())
                .collect(),
            all_tags,
            updated_after: updated_after.map(|at| i64::try_from(at).unwrap_or(i64::MAX)),
            order: Order::read(params.get("order_by").unwrap_or("date:desc"))?,
            limit,
            offset: count("result_offset")?.unwrap_or(0),
        })
    }

    fn takes(&self, video: &Video, now: i64) -> bool {
        let own = lower(video.fields.get("tags").map_or("", String::as_str));
        let own: Vec<&str> = own.split(',').map(str::trim).collect();
        let mut wanted = self.tags.iter().map(|tag| own.contains(&tag.trim()));
        let tagged = self.tags.is_empty()
            || if self.all_tags {
                wanted.all(|has| has)
            } else {
                wanted.any(|has| has)
            };
        let fresh = self
            .updated_after
            .is_none_or(|after| video.updated(now).div_euclid(1000) > after);
        tagged && fresh && self.searches.iter().all(|search| search.hits(video, now))
    }
}

impl Search {
    /// All `search` parameters; the *name* carries the fields: `search:title,custom.x=…`.
    fn read(params: &Params) -> Result<Vec<Self>, Refusal> {
        let mut searches = Vec::new();
        for (name, value) in params.pairs() {
            let fields = match name.strip_prefix("search") {
                Some("") => DEFAULT_FIELDS.map(str::to_owned).to_vec(),
                Some(rest) => match rest.strip_prefix(':') {
                    Some(fields) => fields.split(',').map(str::to_owned).collect(),
                    None => continue,
                },
                None => continue,
            };
            let known = |field: &String| {
                let custom = field
                    .strip_prefix("custom.")
                    .is_some_and(|name| !name.is_empty());
                custom || field == "*" || ALL_FIELDS.contains(&field.as_str())
            };
            if let Some(stranger) = fields.iter().find(|field| !known(field)) {
                return Err(Refusal::invalid(
                    name,
                    &format!("Cannot search in {stranger}"),
                ));
            }
            searches.push(Self {
                fields,
                text: lower(value),
            });
        }
        Ok(searches)
    }

    fn hits(&self, video: &Video, now: i64) -> bool {
        let has = |text: &str| lower(text).contains(&self.text);
        let field = |name: &str| video.text(name, now).is_some_and(|text| has(&text));
        let custom = || video.custom.values().any(|value| has(value));
        self.fields.iter().any(|name| match name.as_str() {
            "*" => ALL_FIELDS.into_iter().any(field) || custom(),
            "custom.*" => custom(),
            name => field(name),
        })
    }
}

impl Order {
    fn read(text: &str) -> Result<Self, Refusal> {
        let (by, direction) = text.split_once(':').unwrap_or((text, "asc"));
        let descending = match direction {
            "asc" => false,
            "desc" => true,
            _ => return Err(Refusal::invalid("order_by", "The direction is asc or desc")),
        };
        if !ORDERS.contains(&by) {
            return Err(Refusal::invalid("order_by", "Cannot order by that field"));
        }
        Ok(Self {
            by: by.to_owned(),
            descending,
        })
    }

    fn compare(&self, a: &Video, b: &Video, now: i64) -> Ordering {
        let order = match self.by.as_str() {
            "date" => a.date().cmp(&b.date()),
            "updated" => a.updated(now).cmp(&b.updated(now)),
            name => a.text(name, now).cmp(&b.text(name, now)),
        };
        let order = order.then(a.number.cmp(&b.number));
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 1000;
const DEFAULT_FIELDS: [&str; 5] = ["author", "description", "tags", "title", "video_key"];
const ALL_FIELDS: [&str; 7] = [
    "author",
    "description",
    "tags",
    "title",
    "video_key",
    "link",
    "md5",
];
const ORDERS: [&str; 5] = ["date", "updated", "title", "author", "video_key"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::link::{Link, Method, Order as Upload};
    use std::collections::BTreeMap;

    fn video(number: u64, fields: &[(&str, &str)], ingest: &str) -> Video {
        let order = Upload::plain(Method::S3);
        Video {
            key: format!("Key0000{number}"),
            number,
            created: 1000,
            edited: 5000 * i64::try_from(number).unwrap(),
            fields: fields
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            custom: BTreeMap::from([("ingest_id".to_owned(), ingest.to_owned())]),
            link: Link::issue(order, 9, false),
            media: None,
            received: 0,
            pending: None,
            forced: None,
        }
    }

    fn query(raw: &str) -> Query {
        let mut params = Params::default();
        params.decode(raw.as_bytes()).unwrap();
        Query::read(&params).unwrap()
    }

    /// The numbers of the videos that a query finds, in its order.
    fn found(raw: &str) -> Vec<u64> {
        let videos = [
            video(
                1,
                &[("title", "Harbour at Night"), ("tags", "sea, Ships")],
                "ing:1:",
            ),
            video(
                2,
                &[
                    ("title", "été"),
                    ("description", "HARBOUR"),
                    ("tags", "sea"),
                ],
                "ing:12:",
            ),
            video(3, &[("title", "x"), ("link", "http://harbour")], "ing:2:"),
        ];
        let query = query(raw);
        let mut hits: Vec<&Video> = videos
            .iter()
            .filter(|video| query.takes(video, 9))
            .collect();
        hits.sort_by(|a, b| query.order.compare(a, b, 9));
        hits.iter().map(|video| video.number).collect()
    }

    #[test]
    fn a_search_finds_parts_of_words_in_either_case() {
        assert_eq!(found("search=harb&order_by=date:asc"), [1, 2]);
        assert_eq!(found("search:*=harb&order_by=date:asc"), [1, 2, 3]);
        assert_eq!(found("search:link=harb"), [3]);
        assert_eq!(found("search:description,link=harb&order_by=date"), [2, 3]);
        assert_eq!(found("search=%C3%89T%C3%89"), [2]);
        assert_eq!(found("search=key00003"), [3]);
    }

    #[test]
    fn custom_fields_are_searched_by_substring_only() {
        assert_eq!(found("search:custom.ingest_id=ing:1&order_by=date"), [1, 2]);
        assert_eq!(found("search:custom.ingest_id=ing:1:"), [1]);
        assert_eq!(found("search:custom.*=NG:2"), [3]);
        assert_eq!(found("search:custom.other=ing"), [0; 0]);
    }

    #[test]
    fn tags_times_and_orders_are_obeyed() {
        assert_eq!(found("tags=SEA&order_by=date"), [1, 2]);
        assert_eq!(found("tags=sea,ships"), [1]);
        assert_eq!(found("tags=sea,ships&tags_mode=any&order_by=date"), [1, 2]);
        assert_eq!(found("updated_after=5&order_by=updated:desc"), [3, 2]);
        assert_eq!(found(""), [3, 2, 1]);
        assert_eq!(found("order_by=title"), [1, 3, 2]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for raw in [
            "result_limit=1001",
            "result_limit=ten",
            "order_by=colour",
            "order_by=date:up",
            "search:colour=x",
            "search:=x",
            "tags_mode=some",
        ] {
            let mut params = Params::default();
            params.decode(raw.as_bytes()).unwrap();
            assert!(Query::read(&params).is_err(), "{raw}");
        }
    }
}
