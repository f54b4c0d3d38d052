//! What the writers left behind, and how to tell people what became of it otherwise.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::support::Site;

/// The bytes of a file at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) sha256: String,
    pub(super) md5: String,
    size: usize,
}

impl Content {
    pub(super) fn of(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        Self {
            sha256: hex(&Sha256::digest(&bytes)),
            md5: hex(&Md5::digest(&bytes)),
            size: bytes.len(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What one writer left behind.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) way: &'static str,
    number: usize,
    pub(super) finals: Vec<(PathBuf, Content)>,
    /// Left alone so long that they may have been taken for final.
    pub(super) perhaps: Vec<(PathBuf, Content)>,
}

impl Entry {
    pub(super) fn new(way: &'static str, number: usize) -> Self {
        Self {
            way,
            number,
            finals: Vec::new(),
            perhaps: Vec::new(),
        }
    }
}

/// What all writers left behind.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
}

/// What to say about a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Final,
    Perhaps,
}

/// Something that is not as it should be.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The number of the file that it is about, as in its name.
    pub(super) number: Option<usize>,
    pub(super) what: String,
}

impl Ledger {
    pub(super) fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn files(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn finals(&self) -> usize {
        self.entries.iter().map(|entry| entry.finals.len()).sum()
    }

    /// All contents by SHA-256, with the number of their file.
    pub(super) fn contents(&self) -> HashMap<&str, (Claim, usize)> {
        let mut all = HashMap::new();
        for entry in &self.entries {
            for (claim, list) in [
                (Claim::Perhaps, &entry.perhaps),
                (Claim::Final, &entry.finals),
            ] {
                for (_, content) in list {
                    all.insert(content.sha256.as_str(), (claim, entry.number));
                }
            }
        }
        all
    }

    /// Whether this MD5 is that of a content that may be uploaded.
    pub(super) fn knows(&self, md5: &str) -> bool {
        let lists = self
            .entries
            .iter()
            .flat_map(|e| e.finals.iter().chain(&e.perhaps));
        lists.into_iter().any(|(_, content)| content.md5 == md5)
    }

    /// Whether a file was changed after it may have settled: what is read of it then is torn, found
    /// out after the last byte, and withdrawn.
    pub(super) fn was_changed_late(&self, number: usize) -> bool {
        let entry = self.entries.iter().find(|entry| entry.number == number);
        entry.is_some_and(|entry| !entry.perhaps.is_empty())
    }

    /// Tells all that is known of the files in trouble.
    pub(super) fn report(&self, site: &Site, trouble: &[Trouble]) -> String {
        let mut text = format!("{} things are wrong\n", trouble.len());
        for Trouble { number, what } in trouble.iter().take(8) {
            writeln!(text, "\n== {what}").unwrap();
            let Some(number) = number else { continue };
            let entry = self.entries.iter().find(|entry| entry.number == *number);
            writeln!(text, "{entry:#?}").unwrap();
            let mark = format!("{number:05}-");
            for job in site.jobs() {
                if job.path.to_string_lossy().contains(&mark) {
                    writeln!(text, "{job:?}").unwrap();
                    writeln!(text, "{:?}", site.story(job.id)).unwrap();
                }
            }
            for (path, _) in entry.into_iter().flat_map(|entry| &entry.finals) {
                let said = site.command(&["explain", path.to_str().unwrap()]);
                text += &String::from_utf8_lossy(&said.stdout);
            }
            let log = site.log();
            let lines = log.lines().filter(|line| line.contains(&mark));
            lines.for_each(|line| writeln!(text, "{line}").unwrap());
        }
        text
    }
}
