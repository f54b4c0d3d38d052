//! The links of all parts that are still to be sent, renewed page by page as they expire.
//!
//! Their lifetime is not documented, and a large file takes hours. A worker that meets an expired
//! link has its page listed again; the others of that page get theirs from the same listing, as
//! calls to the platform are few (60 a minute).

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use super::list::{self, Entries, Lie};
use crate::platform::Link;
use crate::platform::v2::Uploads;
use crate::upload::error::Error;

/// All links, and the right to ask for new ones.
pub(super) struct Links {
    uploads: Uploads,
    count: u32,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    links: BTreeMap<u32, (u32, Link)>,
    /// How often each page was listed again.
    listings: BTreeMap<u32, u32>,
}

/// One part's link, and which listing it is from.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) link: Link,
    page: u32,
    listing: u32,
}

impl Links {
    pub(super) fn new(uploads: Uploads, count: u32, entries: Entries) -> Self {
        let mut held = Held::default();
        held.take(entries);
        Self {
            uploads,
            count,
            held: Mutex::new(held),
        }
    }

    /// The newest link of a part; waits while links are being listed.
    pub(super) async fn get(&self, number: u32) -> Result<Issued, Error> {
        self.held.lock().await.get(number)
    }

    /// A newer link than the one that was refused.
    pub(super) async fn renew(&self, number: u32, refused: &Issued) -> Result<Issued, Error> {
        // Held all the while: the parts of one page wait for one listing.
        let mut held = self.held.lock().await;
        let listing = held.listings.get(&refused.page).copied().unwrap_or(0);
        if listing == refused.listing {
            let asked = (refused.page, number);
            held.take(list::list_page(&self.uploads, self.count, asked).await?);
            held.listings
                .insert(refused.page, listing.saturating_add(1));
        }
        held.get(number)
    }

    /// The part is there: its link is needed no more.
    pub(super) async fn forget(&self, number: u32) {
        self.held.lock().await.links.remove(&number);
    }
}

impl Held {
    fn take(&mut self, entries: Entries) {
        let links = entries
            .into_iter()
            .filter_map(|(number, entry)| Some((number, (entry.page, entry.link?))));
        self.links.extend(links);
    }

    fn get(&self, number: u32) -> Result<Issued, Error> {
        let (page, link) = self.links.get(&number).ok_or(Lie::NoLink(number))?;
        Ok(Issued {
            link: link.clone(),
            page: *page,
            listing: self.listings.get(page).copied().unwrap_or(0),
        })
    }
}
