//! Where the bytes of an upload go: to a file, hashed on the way, on a thread of its own.
//!
//! The file is removed again unless it is kept, so an upload that breaks off leaves nothing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use md5::{Digest, Md5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::token;

/// An upload that is coming in.
pub(super) struct Sink {
    bytes: mpsc::Sender<Bytes>,
    writer: JoinHandle<io::Result<Received>>,
}

/// A file that came in whole.
#[derive(Debug)]
pub(super) struct Received {
    path: Option<PathBuf>,
    /// Bytes.
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
}

impl Sink {
    /// Begins a file in `folder`.
    pub(super) fn open(folder: &Path) -> Self {
        let path = folder.join(token::alphanumeric(16));
        let (bytes, mut incoming) = mpsc::channel::<Bytes>(CHUNKS_WAITING);
        let writer = tokio::task::spawn_blocking(move || {
            let mut received = Received {
                path: Some(path.clone()),
                size: 0,
                md5: [0; 16],
            };
            let mut file = BufWriter::with_capacity(BUFFER, File::create(path)?);
            let mut hash = Md5::new();
            while let Some(chunk) = incoming.blocking_recv() {
                hash.update(&chunk);
                file.write_all(&chunk)?;
                let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                received.size = received.size.saturating_add(length);
            }
            file.flush()?;
            received.md5 = hash.finalize().into();
            Ok(received)
        });
        Self { bytes, writer }
    }

    /// Adds bytes; waits while the disk is behind.
    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.bytes.send(bytes).await.is_ok() {
            return Ok(());
        }
        // The writer went away before its time: it says why.
        let end = (&mut self.writer).await.map_err(io::Error::other)?;
        end.and(Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// All is there.
    pub(super) async fn finish(self) -> io::Result<Received> {
        drop(self.bytes);
        self.writer.await.map_err(io::Error::other)?
    }
}

impl Received {
    /// A file that is there whole, read again for its size and MD5. Blocks on the disk.
    pub(super) fn reread(path: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        let mut received = Self {
            path: Some(path),
            size: 0,
            md5: [0; 16],
        };
        let mut hash = Md5::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = file.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            hash.update(bytes);
            received.size += u64::try_from(length).unwrap_or(u64::MAX);
        }
        received.md5 = hash.finalize().into();
        Ok(received)
    }

    /// One file of others, one behind the other. Blocks on the disk; `stopped` ends it early.
    pub(super) fn join(
        pieces: &[PathBuf],
        folder: &Path,
        stopped: impl Fn() -> bool,
    ) -> io::Result<Self> {
        let path = folder.join(token::alphanumeric(16));
        let mut whole = BufWriter::with_capacity(BUFFER, File::create(&path)?);
        let mut joined = Self {
            path: Some(path),
            size: 0,
            md5: [0; 16],
        };
        let mut hash = Md5::new();
        let mut buffer = vec![0; BUFFER];
        for piece in pieces {
            let mut piece = File::open(piece)?;
            loop {
                if stopped() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                let length = piece.read(&mut buffer)?;
                let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
                    break;
                };
                hash.update(bytes);
                whole.write_all(bytes)?;
                joined.size += u64::try_from(length).unwrap_or(u64::MAX);
            }
        }
        whole.flush()?;
        joined.md5 = hash.finalize().into();
        Ok(joined)
    }

    /// Moves the file to its place.
    pub(super) fn keep(mut self, place: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, place)?;
        }
        self.path = None;
        Ok(())
    }

    /// The file, for a look inside.
    pub(super) fn open(&self) -> io::Result<File> {
        File::open(self.path.as_deref().unwrap_or(Path::new("")))
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // If it cannot be removed now, the next start does.
            fs::remove_file(path).ok();
        }
    }
}

const BUFFER: usize = 256 * 1024;

/// Chunks between the socket and the disk; hyper's are 400 KiB at most, so this bounds the memory.
const CHUNKS_WAITING: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::sign::hex;

    #[tokio::test]
    async fn bytes_are_counted_hashed_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = Sink::open(dir.path());
        for part in ["a", "", "bc"] {
            sink.write(Bytes::from_static(part.as_bytes()))
                .await
                .unwrap();
        }
        let received = sink.finish().await.unwrap();
        assert_eq!(
            (received.size, hex(&received.md5)),
            (3, "900150983cd24fb0d6963f7d28e17f72".into())
        );
        let place = dir.path().join("kept");
        received.keep(&place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"abc");
        let again = Received::reread(place).unwrap();
        assert_eq!(
            (again.size, hex(&again.md5)),
            (3, "900150983cd24fb0d6963f7d28e17f72".into())
        );
    }

    #[test]
    fn pieces_are_joined_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let piece = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let pieces = [piece("1", b"a"), piece("2", b""), piece("3", b"bc")];
        let joined = Received::join(&pieces, dir.path(), || false).unwrap();
        assert_eq!(
            (joined.size, hex(&joined.md5)),
            (3, "900150983cd24fb0d6963f7d28e17f72".into())
        );
        joined.keep(&dir.path().join("kept")).unwrap();
        assert_eq!(fs::read(dir.path().join("kept")).unwrap(), b"abc");
        assert!(Received::join(&pieces, dir.path(), || true).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[tokio::test]
    async fn what_is_not_kept_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut sink = Sink::open(dir.path());
        sink.write(Bytes::from_static(b"x")).await.unwrap();
        drop(sink.finish().await.unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_disk_that_refuses_is_an_error() {
        let mut sink = Sink::open(Path::new("/nonexistent/folder"));
        let error = loop {
            if let Err(error) = sink.write(Bytes::from_static(b"x")).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
