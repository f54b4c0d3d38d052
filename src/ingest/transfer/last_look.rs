//! The last look at a file before its last byte is sent, or what was sent of it is completed: the one place that
//! decides whether what was sent is the file.
//!
//! Attributes are asked of the filesystem's server, and where they may prove nothing, samples are compared as well.
//! What was read while the ctime did not move is the file that had rested. Once it has moved, by a `chmod`, a rename,
//! or a write whose mtime was put back, all of the file is compared with what was sent; and what cannot be compared is
//! not sent.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ingest::source::{Freshness, Problem, Source};

/// Looks at the file. `compare` reads it where it was touched: whether it is what was sent; `None`: that is not known.
///
/// Answers its samples where it was: what was written before it was read, and sent like that, is what the job is known
/// by from then on. Blocks for as long as that takes.
pub(super) fn look(
    source: &Source,
    compare: impl FnOnce(&File) -> io::Result<Option<bool>>,
) -> Result<Option<String>, Problem> {
    let freshness = source.check()?;
    source.check_samples()?;
    if freshness == Freshness::Same {
        return Ok(None);
    }
    let before = source.now()?;
    let file = source.file_anew().map_err(Problem::Unreadable)?;
    let is_same = compare(&file).map_err(Problem::Unreadable)?;
    let samples = source.samples_of(&file).map_err(Problem::Unreadable)?;
    let after = source.now()?;
    match is_same {
        Some(false) => Err(Problem::Changed),
        Some(true) if after == before => Ok(samples),
        // A program is at it, or nothing tells: it rests, and is sent again.
        Some(true) | None => Err(Problem::Touched(after.ctime_ns)),
    }
}

/// What a last look, on the thread of a transfer, found to be wrong with the file.
#[derive(Clone, Default)]
pub(super) struct Finding(Arc<Mutex<Option<Problem>>>);

impl Finding {
    pub(super) fn note(&self, problem: Problem) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
    }

    pub(super) fn take(&self) -> Option<Problem> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::ingest::source::tests::{open, open_stale};

    /// Returns once the ctime has moved: the clock of a filesystem is coarse.
    fn touch(path: &Path) {
        let ctime =
            |path: &Path| crate::identity::Identity::of(&fs::metadata(path).unwrap()).ctime_ns;
        let before = ctime(path);
        let mut mode = 0o600;
        while ctime(path) == before {
            mode ^= 0o040;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_was_touched_is_compared_in_full_and_without_a_comparison_it_rests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let looks = Cell::new(0);
        let look_at = |source: &Source, is_same: Option<bool>, is_touched_again: bool| {
            look(source, |_| {
                looks.set(looks.get() + 1);
                if is_touched_again {
                    touch(&path);
                }
                Ok(is_same)
            })
        };
        let source = open(&path);
        assert!(look_at(&source, Some(false), false).is_ok());
        assert_eq!(looks.get(), 0, "nothing can have been written");
        touch(&path);
        assert!(look_at(&source, Some(true), false).is_ok());
        let found = look_at(&source, Some(false), false);
        assert!(matches!(found, Err(Problem::Changed)), "{found:?}");
        let found = look_at(&source, None, false);
        assert!(matches!(found, Err(Problem::Touched(_))), "{found:?}");
        let found = look_at(&source, Some(true), true);
        let now = source.now().unwrap().ctime_ns;
        assert!(
            matches!(found, Err(Problem::Touched(at)) if at == now),
            "{found:?}"
        );
        assert_eq!(looks.get(), 4);
    }

    /// Writes other bytes in place, and puts the mtime back.
    fn rewrite(path: &Path) {
        let then = fs::metadata(path).unwrap().modified().unwrap();
        fs::write(path, "CONTENT").unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(then).unwrap();
    }

    #[test]
    fn where_attributes_prove_nothing_other_samples_are_another_file() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [path, other] = folders.each_ref().map(|folder| folder.path().join("a.mp4"));
        // What this machine remembers of the content is what was sent.
        let look_at = |source: &Source| look(source, |_| Ok(Some(true)));
        let trusted = open(&other);
        rewrite(&other);
        assert!(look_at(&trusted).is_ok(), "its attributes are trusted");
        let stale = open_stale(&path);
        assert!(look_at(&stale).is_ok(), "it is as it was");
        rewrite(&path);
        let found = look_at(&stale);
        assert!(matches!(found, Err(Problem::Changed)), "{found:?}");
    }

    #[test]
    fn what_was_renamed_or_deleted_is_sampled_by_its_handle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let stale = open_stale(&path);
        let look_at = |source: &Source| look(source, |_| Ok(Some(true)));
        fs::rename(&path, folder.path().join("b.mp4")).unwrap();
        assert!(look_at(&stale).is_ok(), "it has no such name");
        fs::write(&path, "another").unwrap();
        assert!(look_at(&stale).is_ok(), "another file has its name");
        rewrite(&folder.path().join("b.mp4"));
        let found = look_at(&stale);
        assert!(matches!(found, Err(Problem::Changed)), "{found:?}");
    }
}
