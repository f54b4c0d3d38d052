//! What one look at a file finds, for people who ask why it waits.
//!
//! It is the look that a watch takes, weighed as a watch weighs it; only what was announced of the
//! file (that it was closed, or renamed) is known to the watch alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::container;
use super::evidence::{Ending, Times, Weight};
use super::look;
use super::report::Waiting;
use super::settle::Look;
use crate::config::Watch;
use crate::identity::Identity;

/// The evidence of a file that did not change while it was looked at.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// Which file, and which state of it.
    pub identity: Identity,
    /// How much of it is on the disk, bytes.
    pub allocated: u64,
    /// What its container reports; `None` where that does not count.
    pub container: Option<container::Verdict>,
    /// The control file of a program that is still transferring it.
    pub control: Option<PathBuf>,
    /// Its done-marker and whether that is there, where one is wanted.
    pub marker: Option<(PathBuf, bool)>,
    /// What it would wait for, with nothing announced of it.
    pub waits_for: Waiting,
    /// How long it would wait at most from its last change on; `None`: until that has changed.
    pub rest: Option<Duration>,
}

/// What a look found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The evidence.
    Still(Box<Inspection>),
    /// It changed while it was looked at.
    Moving,
    /// Nothing that can be looked at.
    Nothing,
}

/// The unit of allocation in `stat` (stat(2)).
const BLOCK: u64 = 512;

/// Looks at a file of this watch.
pub(crate) fn inspect(watch: &Watch, path: &Path) -> Found {
    let pattern = watch.watching.done_marker.as_ref();
    let evidence = match look::look(watch, path, true) {
        Look::Still(evidence) => evidence,
        Look::Moving(_) => return Found::Moving,
        Look::Gone | Look::OutOfReach => return Found::Nothing,
    };
    let (waits_for, rest) = match evidence.weigh(Ending::Unseen, Times::of(watch)) {
        Weight::After(rest, why) => (why, Some(rest)),
        Weight::FailsAfter(rest, flaw) => (Waiting::Incomplete(flaw), Some(rest)),
        Weight::Never(why) => (why, None),
    };
    let marker = pattern.and_then(|pattern| pattern.of(path));
    Found::Still(Box::new(Inspection {
        identity: evidence.identity,
        allocated: evidence.blocks.saturating_mul(BLOCK),
        container: evidence.container,
        control: evidence.control.and_then(|control| control.of(path)),
        marker: marker.zip(evidence.marker),
        waits_for,
        rest,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Marker;
    use crate::watch::tests::support;

    fn look_at(change: impl FnOnce(&mut Watch), content: &[u8]) -> Inspection {
        super::super::writer::ignore_sigio();
        let folder = tempfile::tempdir().unwrap();
        let mut watch = support::watch(folder.path());
        change(&mut watch);
        let path = folder.path().join("a.mp4");
        std::fs::write(&path, content).unwrap();
        match inspect(&watch, &path) {
            Found::Still(found) => *found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_look_says_what_the_watch_would_wait_for() {
        let (whole, half) = support::mp4();
        let found = look_at(|_| {}, &whole);
        assert_eq!(found.container, Some(container::Verdict::Complete));
        let found = look_at(|_| {}, &half);
        assert_eq!(
            found.waits_for,
            Waiting::Incomplete(container::Flaw::NoIndex)
        );
        assert_eq!(look_at(|_| {}, b"").waits_for, Waiting::Empty);
        let wants = |watch: &mut Watch| {
            watch.watching.done_marker = Marker::parse("{name}.done").ok();
        };
        let found = look_at(wants, &whole);
        assert_eq!((found.waits_for, found.rest), (Waiting::Marker, None));
        let (marker, is_there) = found.marker.unwrap();
        assert!(marker.ends_with("a.mp4.done") && !is_there);
    }
}
