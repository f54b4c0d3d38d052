//! The two accounts and their watches: each policy for replaced files with each fate after the upload.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{KEY, Platform, Site, V2_SECRET};

/// A watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: &'static str,
    /// The platform that it goes to: 0 speaks v1, 1 speaks v2.
    pub(super) account: usize,
    pub(super) on_replace: &'static str,
    pub(super) after: &'static str,
    more: &'static str,
    /// How many names its files have: the fewer, the more often one takes another's place.
    pub(super) names: u64,
}

const fn place(
    (name, account): (&'static str, usize),
    (on_replace, after): (&'static str, &'static str),
    more: &'static str,
    names: u64,
) -> Place {
    Place {
        name,
        account,
        on_replace,
        after,
        more,
        names,
    }
}

/// All watches.
pub(super) const PLACES: [Place; 14] = [
    place(("keep", 0), ("new", "keep"), "", 30),
    place(("sent", 0), ("new", "keep"), "method = \"resumable\"", 15),
    place(("replace", 0), ("replace", "keep"), "", 6),
    place(("hold", 0), ("hold", "keep"), "", 10),
    place(("move", 0), ("new", "move"), "", 20),
    place(("trash", 0), ("hold", "trash"), "notes = true", 20),
    place(("delete", 0), ("new", "delete"), "", 20),
    place(("latest", 0), ("replace", "delete"), "", 6),
    place(
        ("keep-2", 1),
        ("new", "keep"),
        "mode = \"poll\"\npoll-interval = \"400ms\"",
        30,
    ),
    place(("replace-2", 1), ("replace", "keep"), "", 6),
    place(("hold-2", 1), ("hold", "move"), "", 15),
    place(("trash-2", 1), ("new", "trash"), "", 20),
    place(("delete-2", 1), ("new", "delete"), "", 20),
    place(("latest-2", 1), ("replace", "delete"), "", 6),
];

impl Place {
    /// The watched folder.
    pub(super) fn folder(&self, site: &Site) -> PathBuf {
        site.folder().join(self.name)
    }

    /// Its `move-to`.
    fn moved(&self, site: &Site) -> PathBuf {
        site.root().join("moved").join(self.name)
    }

    fn text(&self, site: &Site) -> String {
        let Self {
            name,
            on_replace,
            after,
            more,
            ..
        } = self;
        let account = ["main", "second"][self.account];
        let folder = self.folder(site).display().to_string();
        let mut text = format!(
            "[[watch]]\nname = \"{name}\"\npath = \"{folder}\"\naccount = \"{account}\"\nsettle = \"300ms\"\n\
             on-replace = \"{on_replace}\"\nafter-upload = \"{after}\"\ngrace = \"600ms\"\n{more}\n"
        );
        if *after == "move" {
            let moved = self.moved(site);
            writeln!(text, "move-to = \"{}\"", moved.display()).unwrap();
        }
        text
    }
}

/// The place that a path is in, not in its trash; and the place whose trash or target it is in.
pub(super) fn of(site: &Site, path: &Path) -> Option<(Place, bool)> {
    PLACES.into_iter().find_map(|place| {
        let trash = place.folder(site).join(".trash");
        if path.starts_with(trash) || path.starts_with(place.moved(site)) {
            Some((place, false))
        } else {
            path.starts_with(place.folder(site))
                .then_some((place, true))
        }
    })
}

/// Makes the folders and writes the second account's secret.
pub(super) fn make(site: &Site) {
    for place in PLACES {
        fs::create_dir_all(place.folder(site).join("day 1")).unwrap();
        fs::create_dir_all(place.moved(site)).unwrap();
    }
    site.write_secret_file("secret-2", V2_SECRET);
    drop(site.outside());
}

/// Writes the configuration, without some of the watches.
pub(super) fn configure(site: &Site, platforms: &[Platform; 2], without: &[&str]) {
    let root = site.root().display();
    let mut text = format!(
        "[account.main]\napi = \"v1\"\nkey = \"{KEY}\"\nsecret-file = \"{root}/secret\"\nbase-url = \"{}\"\n\n\
         [account.second]\napi = \"v2\"\nsite = \"sAnDb0x1\"\nsecret-file = \"{root}/secret-2\"\nbase-url = \"{}\"\n\n\
         [upload]\nfiles-at-once = 6\ns3-limit = \"200 kB\"\ndirect-limit = \"200 kB\"\nsegment-size = \"256 KiB\"\n\
         stall-timeout = \"3s\"\n\n",
        platforms[0].base_url(),
        platforms[1].v2_url(),
    );
    for place in PLACES {
        if !without.contains(&place.name) {
            text += &place.text(site);
        }
    }
    site.configure(&platforms[0], &text);
}
