//! A file of JSON lines that is only appended to.
//!
//! A line counts once its newline is there: what a kill cut off is dropped on reading, and what a
//! full disk cut off is taken back at once, so that the next line does not follow half a one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An open journal.
pub(super) struct Journal {
    file: File,
    length: u64,
}

impl Journal {
    /// All whole lines; none where the file is not there.
    pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .enumerate()
            .map(|(at, line)| {
                serde_json::from_str(line).map_err(|error| {
                    let place = format!("{} line {}: {error}", path.display(), at + 1);
                    io::Error::new(io::ErrorKind::InvalidData, place)
                })
            })
            .collect()
    }

    /// Writes the file again with `lines`, atomically, and opens it for more.
    pub(super) fn replace<T: Serialize>(path: &Path, lines: Vec<T>) -> io::Result<Self> {
        let fresh = path.with_extension("new");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        let mut journal = Self { file, length: 0 };
        for line in lines {
            journal.append(&line)?;
        }
        fs::rename(&fresh, path)?;
        Ok(journal)
    }

    /// Adds one line.
    pub(super) fn append<T: Serialize>(&mut self, line: &T) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if let Err(error) = self.file.write_all(&text) {
            self.file.set_len(self.length)?;
            io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.length = self
            .length
            .saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_its_end_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::replace(&path, vec![1, 2]).unwrap();
        journal.append(&3).unwrap();
        journal.file.write_all(b"4").unwrap();
        assert_eq!(Journal::read::<u8>(&path).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        fs::write(&path, "1\nx\n2\n").unwrap();
        let error = Journal::read::<u8>(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(
            Journal::read::<u8>(&dir.path().join("absent"))
                .unwrap()
                .is_empty()
        );
    }
}
