//! Finds videos again: through the platform's search, which finds too much, and then exactly.

use jiff::Timestamp;

use super::client::{Client, LIST, ListQuery, Search, garbled};
use crate::platform::error::Error;
use crate::platform::video::Video;

impl Client {
    /// All videos whose ingest id is exactly this one, the oldest first.
    ///
    /// # Errors
    /// Also if there are more candidates than can exist, rather than a part of them.
    pub async fn find_by_ingest_id(&self, ingest_id: &str) -> Result<Vec<Video>, Error> {
        let search = Search {
            field: "custom.ingest_id",
            text: ingest_id,
        };
        let mut found = Vec::new();
        for (video, has_custom) in self.search(search).await? {
            // A list that leaves custom fields out must not hide the video: ask for each.
            let video = if has_custom {
                video
            } else {
                self.show(&video.key).await?
            };
            if video.ingest_id.as_deref() == Some(ingest_id) {
                found.push(video);
            }
        }
        Ok(oldest_first(found))
    }

    /// All that a search finds; with each video, whether it came with its custom fields.
    async fn search(&self, search: Search<'_>) -> Result<Vec<(Video, bool)>, Error> {
        let mut found = Vec::new();
        let mut offset = 0;
        for _ in 0..MOST_PAGES {
            let query = ListQuery {
                limit: Some(PAGE),
                offset,
                search: Some(search),
                ..ListQuery::default()
            };
            let (page, has_custom) = self.list_raw(query).await?;
            let count = u64::try_from(page.videos.len()).unwrap_or(u64::MAX);
            found.extend(page.videos.into_iter().zip(has_custom));
            offset = offset.saturating_add(count);
            let is_last = page
                .total
                .map_or(count < u64::from(PAGE), |total| offset >= total);
            if count == 0 || is_last {
                return Ok(found);
            }
        }
        Err(garbled(
            LIST,
            format!("more videos with one {} than there can be", search.field),
        ))
    }

    /// All videos made at or after `since` with exactly these bytes or, while their checksum is not
    /// known, exactly one of these titles; the oldest first.
    ///
    /// For files that came without a call, so that no id is known.
    ///
    /// # Errors
    /// Also if there are more candidates than can be looked through.
    pub async fn find_by_content(
        &self,
        md5: &str,
        titles: &[&str],
        since: Timestamp,
    ) -> Result<Vec<Video>, Error> {
        let mut found: Vec<Video> = Vec::new();
        let searches = titles.iter().map(|title| ("title", *title));
        for (field, text) in std::iter::once(("md5", md5)).chain(searches) {
            if text.is_empty() {
                continue;
            }
            let is_it = |video: &Video| match &video.md5 {
                Some(known) if !md5.is_empty() => known.eq_ignore_ascii_case(md5),
                _ => field == "title" && video.title.as_deref() == Some(text),
            };
            for (video, _) in self.search(Search { field, text }).await? {
                let is_older = video.date.is_some_and(|date| date < since.as_second());
                let is_known = found.iter().any(|known| known.key == video.key);
                if is_it(&video) && !is_older && !is_known {
                    found.push(video);
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        Ok(oldest_first(found))
    }
}

/// The date is the one of creation, as this program never sets another.
fn oldest_first(mut found: Vec<Video>) -> Vec<Video> {
    found.sort_by(|a, b| (a.date, a.updated, &a.key).cmp(&(b.date, b.updated, &b.key)));
    found
}

/// Videos a page when looking one up; a substring search finds hardly more than one.
const PAGE: u32 = 100;
const MOST_PAGES: usize = 20;
