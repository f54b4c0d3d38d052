//! The parts of a v2 upload, as files in a folder of their own: `<number>-<size>-<md5>`.
//!
//! Invariant: a part is in the folder only when all of its bytes are in its file, and its name says
//! what they are, so that a sandbox that was killed needs no other record of it.
//!
//! Callers hold the store's lock while they put parts in or decide by what is there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::sign::hex;
use super::sink::Received;

/// One part that came in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Bytes.
    pub(super) size: u64,
    /// MD5 of the bytes, hexadecimal.
    pub(super) md5: String,
    pub(super) path: PathBuf,
}

/// The slots of every upload (JW docs, v2 multipart uploads), which are also the part numbers that
/// S3 takes: 1 to 10,000.
pub(super) const SLOTS: u32 = 10_000;

/// All parts by their number; none where there is no such folder.
pub(super) fn list(folder: &Path) -> io::Result<BTreeMap<u32, Part>> {
    let mut parts = BTreeMap::<u32, (SystemTime, Part)>::new();
    for (number, at, part) in files(folder)? {
        // A kill may leave two of one number: the later one counts.
        if parts.get(&number).is_none_or(|(other, _)| *other <= at) {
            parts.insert(number, (at, part));
        }
    }
    Ok(parts
        .into_iter()
        .map(|(number, (_, part))| (number, part))
        .collect())
}

/// Puts a part in the place of what was there under its number.
pub(super) fn put(folder: &Path, number: u32, received: Received) -> io::Result<()> {
    let name = format!("{number}-{}-{}", received.size, hex(&received.md5));
    let place = folder.join(name);
    received.keep(&place)?;
    for (other, _, part) in files(folder)? {
        if other == number && part.path != place {
            fs::remove_file(part.path)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> io::Result<Vec<(u32, SystemTime, Part)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((number, size, md5)) = name.to_str().and_then(read_name) else {
            continue;
        };
        let part = Part {
            size,
            md5,
            path: entry.path(),
        };
        found.push((number, entry.metadata()?.modified()?, part));
    }
    Ok(found)
}

fn read_name(name: &str) -> Option<(u32, u64, String)> {
    let (number, rest) = name.split_once('-')?;
    let (size, md5) = rest.split_once('-')?;
    Some((number.parse().ok()?, size.parse().ok()?, md5.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::sink::Sink;
    use bytes::Bytes;

    async fn received(dir: &Path, bytes: &'static [u8]) -> Received {
        let mut sink = Sink::open(dir);
        sink.write(Bytes::from_static(bytes)).await.unwrap();
        sink.finish().await.unwrap()
    }

    #[tokio::test]
    async fn a_part_takes_the_place_of_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("parts");
        assert!(list(&folder).unwrap().is_empty());
        fs::create_dir(&folder).unwrap();
        for (number, bytes) in [(2, &b"x"[..]), (1, b"first"), (2, b"abc"), (2, b"abc")] {
            put(&folder, number, received(dir.path(), bytes).await).unwrap();
        }
        let parts = list(&folder).unwrap();
        let told: Vec<(u32, u64)> = parts.iter().map(|(n, part)| (*n, part.size)).collect();
        assert_eq!(told, [(1, 5), (2, 3)]);
        assert_eq!(parts[&2].md5, "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(fs::read(&parts[&2].path).unwrap(), b"abc");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn there_is_no_part_without_its_upload() {
        let dir = tempfile::tempdir().unwrap();
        let piece = received(dir.path(), b"abc").await;
        assert!(put(&dir.path().join("gone"), 1, piece).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
