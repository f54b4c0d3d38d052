//! Whether a job's content is the video of another job of its account, before anything is made.
//!
//! Found cheaply: by the size, then by a fingerprint of samples ([`samples`]), and only where that
//! is another's too by sums over all of the file ([`sums`]). It never goes by name, inode or head
//! alone. A copy of what is on the platform, which is asked now, becomes a `duplicate`; one of what
//! is in progress, or not ready yet, waits for that.

mod proof;
mod samples;
mod search;
pub(super) mod sums;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(super) use self::samples::Kind;
pub(super) use self::samples::fingerprint;
use self::search::Search;
pub(super) use self::sums::Sums;
use super::attempt::Attempt;
use super::end::End;
use super::fetch;
use super::source::{Problem, Source};
use crate::identity::Identity;
use crate::platform::Client;
use crate::queue::copies;
use crate::watch::filesystem::forget_pages;

/// Finds out whether the content needs to be uploaded at all; if it does, the step continues.
pub(super) async fn rule_out_copies(
    attempt: &Attempt,
    client: &Client,
    source: &Arc<Source>,
) -> Result<(), End> {
    let fingerprint = sample(attempt, source).await?;
    if attempt.job().by_hand {
        return attempt
            .write(move |db, lease| copies::note(db, lease, &fingerprint))
            .await;
    }
    Search::new(attempt, client, source, fingerprint)
        .run()
        .await
}

/// Opens the file to send it, if it has rested and is still what was looked at before anything was made: other bytes
/// under the same mtime become a job of their own.
pub(super) async fn open(attempt: &Attempt) -> Result<Arc<Source>, End> {
    let source = attempt.open_rested().await?;
    // What this attempt has looked at has rested since then.
    let samples = sample(attempt, &source).await?;
    let known = attempt.job().fingerprint.as_ref();
    if known.is_some_and(|known| *known != samples) {
        Err(Problem::Changed)?;
    }
    source.note_samples(samples, kind(&attempt.job().path));
    // What is sent is what the file is now.
    let read = Arc::clone(&source);
    let forgotten = attempt.quick(move || {
        forget_pages(&read.file().map_err(Problem::Unreadable)?);
        Ok(())
    });
    forgotten.await?;
    Ok(source)
}

async fn sample(attempt: &Attempt, source: &Arc<Source>) -> Result<String, End> {
    let (file, size) = (Arc::clone(source), source.size());
    let kind = kind(&attempt.job().path);
    let look = move || read_unchanged(&file, |open| fingerprint(open, size, kind));
    attempt.quick(look).await
}

/// What a file is taken for.
pub(super) fn kind(path: &Path) -> Kind {
    if fetch::is_address(path) {
        Kind::Address
    } else {
        Kind::Video
    }
}

/// Sums up all of the file.
pub(super) async fn sum(
    attempt: &Attempt,
    source: &Arc<Source>,
    part_sizes: BTreeSet<u64>,
) -> Result<Sums, End> {
    let (source, size, stop) = (Arc::clone(source), source.size(), attempt.stop.clone());
    let summed = attempt.read(move |progress| {
        read_unchanged(&source, |file| {
            let stopped = || progress.step() || stop.is_cancelled();
            sums::read(file, size, &part_sizes, &stopped)
        })
    });
    summed.await?.ok_or(End::PARKED)
}

const SHORT: &str = "its filesystem gives fewer bytes than the file has";

/// A file that is touched while it is read is read again, so many times in all.
const MOST_READINGS: u32 = 3;

/// Reads something of a file that is the same before and after.
fn read_unchanged<T>(source: &Source, look: impl Fn(&File) -> io::Result<T>) -> Result<T, Problem> {
    let file = source.file().map_err(Problem::Unreadable)?;
    let identity = || Identity::now(&file);
    for _ in 0..MOST_READINGS {
        let before = identity().map_err(Problem::Unreadable)?;
        let found = look(&file);
        source.check()?;
        match found {
            // The file is as long as it was: its filesystem ended it early.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Problem::Unreadable(io::Error::other(SHORT)));
            }
            Err(error) => return Err(Problem::Unreadable(error)),
            Ok(found) if identity().is_ok_and(|now| now == before) => return Ok(found),
            Ok(_) => {}
        }
    }
    Err(Problem::Changed)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::queue;
    use crate::queue::enqueue::{self, NewJob};

    fn source(folder: &tempfile::TempDir) -> Source {
        let path = folder.path().join("a.mp4");
        fs::write(&path, "content").unwrap();
        let db = queue::open(&folder.path().join("jobs.db")).unwrap();
        let new = NewJob {
            watch: "news".to_owned(),
            account: "main".to_owned(),
            identity: Identity::of(&fs::metadata(&path).unwrap()),
            path,
            priority: 0,
        };
        enqueue::enqueue(&db, &new, crate::clock::now()).unwrap();
        let job = queue::operator::by_id(&db, queue::JobId(1)).unwrap();
        Source::open(&job.unwrap(), None).unwrap()
    }

    #[test]
    fn a_file_that_is_touched_while_it_is_read_is_read_again_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(&folder);
        let readings = Cell::new(0);
        let touched = |times: u32| {
            readings.set(0);
            read_unchanged(&source, |file| {
                readings.set(readings.get() + 1);
                if readings.get() <= times {
                    let mode = 0o600 + readings.get();
                    file.set_permissions(fs::Permissions::from_mode(mode))?;
                    // The clock of a filesystem is coarse.
                    std::thread::park_timeout(std::time::Duration::from_millis(20));
                }
                Ok(readings.get())
            })
        };
        assert!(matches!(touched(0), Ok(1)));
        assert!(matches!(touched(1), Ok(2)));
        assert!(matches!(touched(9), Err(Problem::Changed)));
        assert_eq!(readings.get(), MOST_READINGS);
    }

    #[test]
    fn a_file_that_shrinks_has_changed_and_one_that_ends_early_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(&folder);
        // As where a share gives fewer bytes than `stat` says.
        let found = read_unchanged(&source, |file| fingerprint(file, 8, Kind::Video));
        assert!(matches!(found, Err(Problem::Unreadable(_))), "{found:?}");
        let path = folder.path().join("a.mp4");
        let shrunk = File::options().write(true).open(path).unwrap();
        shrunk.set_len(3).unwrap();
        let found = read_unchanged(&source, |file| fingerprint(file, 7, Kind::Video));
        assert!(matches!(found, Err(Problem::Changed)), "{found:?}");
    }
}
