//! The lines of the list of all that waits, for what is no file that counts.

use std::io;

use super::super::waiting::{Kind, Row};
use super::*;
use crate::watch::census::Entry;
use crate::watch::select::Rule;

/// The entry after this one; the first after none.
fn next(entry: Option<&Entry>) -> Option<Entry> {
    let denied = || io::Error::from_raw_os_error(libc::EACCES);
    Some(match entry {
        None => Entry::File(path(), identity()),
        Some(Entry::File(..)) => Entry::Ignored(path(), Rule::Partial(".part")),
        Some(Entry::Ignored(..)) => Entry::IgnoredFolder(path(), Rule::NotRecursive),
        Some(Entry::IgnoredFolder(..)) => Entry::Beside(path()),
        Some(Entry::Beside(_)) => Entry::Trouble(path(), denied()),
        Some(Entry::Trouble(..)) => Entry::FolderTrouble(path(), denied()),
        Some(Entry::FolderTrouble(..)) => Entry::Offline(path(), denied()),
        Some(Entry::Offline(..)) => return None,
    })
}

#[test]
fn each_kind_of_line_has_its_reason() {
    let mut told = Vec::new();
    let mut entry = next(None);
    while let Some(found) = entry.take() {
        entry = next(Some(&found));
        // Files that count are shown by the table, and what is beside them is counted only.
        if matches!(found, Entry::File(..) | Entry::Beside(_)) {
            continue;
        }
        let row = Row::without_job(found, None);
        told.push((row.kind, row.reason));
    }
    let hung = Row::no_answer(&path());
    told.push((hung.kind, hung.reason));
    let kinds: Vec<_> = told.iter().map(|(kind, _)| *kind).collect();
    let expected = [
        Kind::Ignored,
        Kind::IgnoredFolder,
        Kind::Unreadable,
        Kind::Unreadable,
        Kind::Offline,
        Kind::NoAnswer,
    ];
    assert_eq!(kinds, expected);
    let told = told.into_iter().map(|(kind, reason)| (kind.word(), reason));
    insta::assert_snapshot!("lines", cases(told));
}
