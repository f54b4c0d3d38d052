//! Reading the platform's list of an upload's part slots, and not believing what cannot be true.
//!
//! Every upload has 10,000 slots, in pages; a slot has a link to send its part to, or the `ETag` of
//! what is there already, or both (JW docs, v2 multipart uploads). Only the pages are read that it
//! takes to see all slots of the file. A list that cannot be true is asked for once more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cut::MOST_PARTS;
use crate::disposition::Disposition;
use crate::platform::Link;
use crate::platform::v2::{PartsPage, Uploads};
use crate::upload::error::Error;

/// What cannot be true of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// There is no such slot.
    #[error("it has a part {0}, and parts are numbered from 1 to 10000")]
    Number(u32),
    /// All pages are read, and one of the slots is on none.
    #[error("part {0} is missing in it")]
    Missing(u32),
    /// Two slots of one number, and not the same.
    #[error("part {0} is in it twice, with different contents")]
    Repeated(u32),
    /// Fewer slots than parts, more than there can be, or another number on each page.
    #[error("it claims to have {0} parts")]
    Total(u64),
    /// Another page than the one that was asked for.
    #[error("page {asked} was asked for, and page {given} came")]
    OtherPage {
        /// From 1.
        asked: u32,
        /// What the answer says about itself.
        given: u32,
    },
    /// Too many pages.
    #[error("it does not end")]
    Endless,
    /// The part must be sent, and nothing says where to.
    #[error("part {0} has neither a link nor a checksum")]
    NoLink(u32),
}

/// One slot of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The page that it is on.
    pub(super) page: u32,
    pub(super) link: Option<Link>,
    /// MD5 of what is there, lower-case hex; seldom something else.
    pub(super) etag: Option<String>,
}

/// The slots of a file, by their numbers.
pub(super) type Entries = BTreeMap<u32, Entry>;

/// Lists the slots 1 to `count`.
pub(super) async fn list_slots(uploads: &Uploads, count: u32) -> Result<Entries, Error> {
    for _ in 0..MOST_DOUBTS {
        match walk(uploads, count).await {
            Err(Error::List(lie)) => tracing::debug!("{}; asking again", Error::List(lie)),
            result => return result,
        }
    }
    walk(uploads, count).await
}

/// Lists the slots of one page, and sees to it that `number` is among them, with a link.
pub(super) async fn list_page(
    uploads: &Uploads,
    count: u32,
    (page, number): (u32, u32),
) -> Result<Entries, Error> {
    let look = async || -> Result<Entries, Error> {
        let mut list = List::new(count);
        list.take(page, fetch_page(uploads, page).await?)?;
        match list.entries.get(&number) {
            None => Err(Lie::Missing(number).into()),
            Some(Entry { link: None, .. }) => Err(Lie::NoLink(number).into()),
            Some(_) => Ok(list.entries),
        }
    };
    for _ in 0..MOST_DOUBTS {
        match look().await {
            Err(Error::List(lie)) => tracing::debug!("{}; asking again", Error::List(lie)),
            result => return result,
        }
    }
    look().await
}

async fn walk(uploads: &Uploads, count: u32) -> Result<Entries, Error> {
    let mut list = List::new(count);
    for page in 1..=MOST_PAGES {
        if !list.take(page, fetch_page(uploads, page).await?)? {
            return Err(Lie::Missing(list.first_missing()).into());
        }
        if list.is_complete() {
            return Ok(list.entries);
        }
    }
    Err(Lie::Endless.into())
}

/// One page; what passes is waited for a moment, as running parts may depend on it.
async fn fetch_page(uploads: &Uploads, page: u32) -> Result<PartsPage, Error> {
    let mut tries = 1;
    loop {
        let error = match uploads.page(page, PAGE_LENGTH).await {
            Ok(page) => return Ok(page),
            Err(error) => error,
        };
        match error.disposition() {
            Disposition::Transient { after } if tries < MOST_TRIES => {
                let pause = after.unwrap_or_default().max(BACKOFF * tries);
                if pause > LONGEST_PAUSE {
                    return Err(Error::Listing(error));
                }
                tracing::debug!("{error}; asking again");
                tokio::time::sleep(pause).await;
            }
            _ => return Err(Error::Listing(error)),
        }
        tries += 1;
    }
}

/// A list as far as it is read.
struct List {
    count: u32,
    total: Option<u64>,
    entries: Entries,
    /// Slots that the file does not need.
    beyond: BTreeSet<u32>,
}

impl List {
    fn new(count: u32) -> Self {
        Self {
            count,
            total: None,
            entries: Entries::new(),
            beyond: BTreeSet::new(),
        }
    }

    /// Adds a page; false if it brought nothing that was not there before.
    fn take(&mut self, page: u32, found: PartsPage) -> Result<bool, Lie> {
        if let Some(given) = found.page
            && given != page
        {
            return Err(Lie::OtherPage { asked: page, given });
        }
        if let Some(total) = found.total {
            let is_possible = (u64::from(self.count)..=u64::from(MOST_PARTS)).contains(&total);
            if !is_possible || self.total.is_some_and(|before| before != total) {
                return Err(Lie::Total(total));
            }
            self.total = Some(total);
        }
        let mut is_news = false;
        for slot in found.slots {
            let number = slot.number;
            if !(1..=MOST_PARTS).contains(&number) {
                return Err(Lie::Number(number));
            }
            if number > self.count {
                is_news |= self.beyond.insert(number);
                continue;
            }
            let entry = Entry {
                page,
                link: slot.link,
                etag: slot.etag,
            };
            match self.entries.get(&number) {
                None if entry.link.is_none() && entry.etag.is_none() => {
                    return Err(Lie::NoLink(number));
                }
                None => {
                    self.entries.insert(number, entry);
                    is_news = true;
                }
                Some(known) if known.link == entry.link && known.etag == entry.etag => {}
                Some(_) => return Err(Lie::Repeated(number)),
            }
        }
        Ok(is_news)
    }

    fn is_complete(&self) -> bool {
        self.entries.len() == usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    fn first_missing(&self) -> u32 {
        (1..=self.count)
            .find(|number| !self.entries.contains_key(number))
            .unwrap_or(self.count)
    }
}

/// The longest that the platform gives (JW docs, v2; its own libraries ask for it too).
const PAGE_LENGTH: u32 = 1_000;
/// Pages of ten, which is what the platform gives to who does not ask for longer ones.
const MOST_PAGES: u32 = 1_000;
/// How often a list that cannot be true is asked for again.
const MOST_DOUBTS: u32 = 1;
const MOST_TRIES: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(250);
/// A window of the rate limit is a minute; a longer wait is the job's own matter.
const LONGEST_PAUSE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::v2::Slot;

    fn slot(number: u32, etag: &str) -> Slot {
        Slot {
            number,
            link: Link::restore(&format!("- https://s3.example/{number}")).ok(),
            etag: (!etag.is_empty()).then(|| etag.to_owned()),
        }
    }

    fn page(total: Option<u64>, numbers: impl IntoIterator<Item = u32>) -> PartsPage {
        PartsPage {
            page: None,
            total,
            slots: numbers.into_iter().map(|number| slot(number, "")).collect(),
        }
    }

    #[test]
    fn any_order_and_any_length_of_pages_will_do() {
        let mut list = List::new(5);
        assert_eq!(list.take(1, page(Some(10_000), [4, 9_000, 2])), Ok(true));
        assert_eq!(list.take(2, page(None, [5, 4])), Ok(true));
        assert!(!list.is_complete());
        assert_eq!(list.first_missing(), 1);
        assert_eq!(list.take(3, page(Some(10_000), [7, 8])), Ok(true), "beyond");
        assert_eq!(list.take(4, page(None, [3, 1])), Ok(true));
        assert!(list.is_complete());
        let pages: Vec<u32> = list.entries.values().map(|entry| entry.page).collect();
        assert_eq!(pages, [4, 1, 4, 1, 2], "where each was seen first");
    }

    #[test]
    fn a_page_without_news_is_the_end() {
        let mut list = List::new(5);
        assert_eq!(list.take(1, page(None, [1, 2, 8])), Ok(true));
        assert_eq!(list.take(2, page(None, [2, 1, 8])), Ok(false));
        assert_eq!(list.take(3, page(None, [])), Ok(false));
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let other = PartsPage {
            page: Some(1),
            ..page(None, [3])
        };
        let mut changed = page(None, [2]);
        changed.slots = vec![slot(2, "x")];
        for (second, lie) in [
            (page(None, [0]), Lie::Number(0)),
            (page(None, [10_001]), Lie::Number(10_001)),
            (page(Some(2), [3]), Lie::Total(2)),
            (page(Some(10_001), [3]), Lie::Total(10_001)),
            (page(Some(9_999), [3]), Lie::Total(9_999)),
            (other, Lie::OtherPage { asked: 2, given: 1 }),
            (changed, Lie::Repeated(2)),
        ] {
            let mut list = List::new(3);
            assert_eq!(list.take(1, page(Some(10_000), [1, 2])), Ok(true));
            assert_eq!(list.take(2, second), Err(lie));
        }
    }
}
