//! Finds videos again: through the platform's search, which finds too much, and then exactly.

use jiff::Timestamp;

use super::answer::{self, Page};
use super::client::{Client, MEDIA};
use super::transport::Request;
use crate::platform::error::Error;
use crate::platform::verb::Verb;
use crate::platform::video::Video;

/// What to list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing<'a> {
    /// Counted from 1.
    pub(super) page: u64,
    /// The most videos to answer.
    pub(super) length: u32,
    /// For example `last_modified:dsc`.
    pub(super) sort: &'a str,
    /// Only those that this finds.
    pub(super) query: Option<&'a str>,
}

impl Client {
    /// Lists one page of videos.
    pub(super) async fn list(&self, listing: Listing<'_>) -> Result<Page, Error> {
        let (page, length) = (listing.page.to_string(), listing.length.to_string());
        let mut query = vec![
            ("page", page.as_str()),
            ("page_length", &length),
            ("sort", listing.sort),
        ];
        query.extend(listing.query.map(|text| ("q", text)));
        let request = search_request(&query);
        let call = request.call();
        let answer = self.transport().send(request).await?;
        answer::listed(&answer).map_err(|missing| call.lacks(missing))
    }

    /// All videos whose ingest id is exactly this one, the oldest first.
    ///
    /// # Errors
    /// Also if there are more candidates than can exist, rather than a part of them.
    pub async fn find_by_ingest_id(&self, ingest_id: &str) -> Result<Vec<Video>, Error> {
        let query = quote_phrase("external_id", ingest_id);
        let is_it = |video: &Video| video.ingest_id.as_deref() == Some(ingest_id);
        let found = self.all((query.as_deref(), None), is_it).await?;
        Ok(oldest_first(found))
    }

    /// All videos made at or after `since` that have exactly one of these titles, the oldest first.
    ///
    /// For files that came without a call, so that no id is known. API v2 reports no checksum here,
    /// so that a stranger's video with one title must not hide that which has another.
    ///
    /// # Errors
    /// Also if there are more candidates than can be looked through.
    pub async fn find_by_content(
        &self,
        titles: &[&str],
        since: Timestamp,
    ) -> Result<Vec<Video>, Error> {
        let mut found: Vec<Video> = Vec::new();
        for title in titles.iter().filter(|title| !title.is_empty()) {
            let query = quote_phrase("title", title);
            let is_it = |video: &Video| video.title.as_deref() == Some(title);
            for video in self.all((query.as_deref(), Some(since)), is_it).await? {
                if found.iter().all(|known| known.key != video.key) {
                    found.push(video);
                }
            }
        }
        Ok(oldest_first(found))
    }

    /// Goes through all pages, the newest videos first, back to `since`.
    async fn all(
        &self,
        (query, since): (Option<&str>, Option<Timestamp>),
        is_it: impl Fn(&Video) -> bool,
    ) -> Result<Vec<Video>, Error> {
        let since = since.map(Timestamp::as_second);
        let is_older = |video: &Video| video.date.zip(since).is_some_and(|(at, since)| at < since);
        let (mut found, mut seen) = (Vec::new(), 0_u64);
        for page in 1..=MOST_PAGES {
            let listing = Listing {
                page,
                length: PAGE,
                sort: "created:dsc",
                query,
            };
            let Page { videos, total } = self.list(listing).await?;
            let count = u64::try_from(videos.len()).unwrap_or(u64::MAX);
            seen = seen.saturating_add(count);
            let is_last = total.map_or(count < u64::from(PAGE), |total| seen >= total)
                || videos.last().is_some_and(is_older);
            for video in videos {
                // One that was made while the pages were read pushes another onto the next page.
                let is_known = found.iter().any(|known: &Video| known.key == video.key);
                if is_it(&video) && !is_older(&video) && !is_known {
                    found.push(video);
                }
            }
            if count == 0 || is_last {
                return Ok(found);
            }
        }
        Err(search_request(&[])
            .call()
            .lacks("more videos in it than can be searched"))
    }
}

fn search_request<'a>(query: &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request {
        verb: Verb::Get,
        path: &[MEDIA],
        query,
        body: None,
        bare: false,
    }
}

/// `field:"text"`: the search takes words, in any case and with anything between them (JW docs,
/// "Building a request": filters on media are analysed text). `None` for a text without any.
fn quote_phrase(field: &str, text: &str) -> Option<String> {
    let words: String = text
        .chars()
        .map(|letter| match letter {
            '"' | '\\' => ' ',
            letter if letter.is_control() => ' ',
            letter => letter,
        })
        .collect();
    let has_word = words.chars().any(char::is_alphanumeric);
    has_word.then(|| format!("{field}:\"{}\"", words.trim()))
}

fn oldest_first(mut found: Vec<Video>) -> Vec<Video> {
    found.sort_by(|a, b| (a.date, a.updated, &a.key).cmp(&(b.date, b.updated, &b.key)));
    found
}

/// Videos a page; the search hardly finds more than one.
const PAGE: u32 = 100;
const MOST_PAGES: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_cannot_be_left() {
        for (text, expected) in [
            ("ing:1:", Some("title:\"ing:1:\"")),
            ("a \"b\" OR c\\", Some("title:\"a  b  OR c\"")),
            ("Été\n", Some("title:\"Été\"")),
            ("— !", None),
            ("", None),
        ] {
            assert_eq!(quote_phrase("title", text).as_deref(), expected, "{text}");
        }
    }
}
