//! What is beside a video and belongs to it: sidecar, done-marker, notes. It goes where the video
//! goes, unless another video of that name is left there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::beside::{all, beside, markers};
use super::files::{Errand, Trouble};
use super::hiding;
use super::left::Left;
use super::still::Still;
use crate::beneath::{Error, Place};
use crate::config::{Marker, Watch};
use crate::identity::Identity;
use crate::metadata::sidecar;
use crate::queue::State;
use crate::queue::afterwards::{Action, Case};
use crate::text;
use crate::watch::filesystem::{forget_pages, may_be_stale};
use crate::watch::select::NOTES;

/// A file beside a video, and where it goes.
#[derive(Debug)]
pub(super) struct Companion {
    /// Where it is.
    pub(super) from: Place,
    /// Where it goes.
    pub(super) to: Place,
    /// Names what is hidden meanwhile.
    pub(super) mark: String,
    /// The sidecar that may go, as it was read: no other file does in its place.
    pub(super) examined: Option<(File, Identity)>,
    /// Distinct for what that sidecar says.
    says: Option<String>,
    /// Its own name.
    called: OsString,
    pub(super) is_sidecar: bool,
    /// A sidecar that another one overrides: its content was never sent to the platform.
    is_passed_over: bool,
}

impl Companion {
    /// What is called so beside a video, and not examined yet.
    pub(super) fn new(video: &Place, (called, to): (&OsStr, Place), mark: String) -> Self {
        Self {
            from: video.beside(called),
            to,
            mark,
            examined: None,
            says: None,
            called: called.to_owned(),
            is_sidecar: sidecar::belongs(called, video.path()),
            is_passed_over: false,
        }
    }

    /// Whether a file says what this sidecar said when it was examined.
    fn has_same_words(&self, file: &File) -> bool {
        self.says.is_some() && read_words(&self.called, file) == self.says
    }

    /// Whether it should be deleted with its video: what a marker contains was never sent.
    pub(super) fn is_told(&self, errand: &Errand<'_>) -> bool {
        self.is_sidecar || errand.identity.size == 0
    }

    /// Something is done with it, as it was examined. `None`: it is not there.
    pub(super) fn with<T>(
        &self,
        (watch, stopped): (Option<&Watch>, &dyn Fn() -> bool),
        act: impl FnOnce(Errand<'_>) -> T,
    ) -> Option<T> {
        let found;
        let (held, identity) = if let Some((held, identity)) = &self.examined {
            (held, *identity)
        } else {
            found = self.from.hold().ok()?;
            (&found, Identity::now(&found).ok()?)
        };
        Some(act(Errand {
            from: &self.from,
            held,
            identity,
            mark: &self.mark,
            md5: None,
            stopped,
            before: &|_| Ok(()),
            copies: &|_| Ok(()),
            still: Still {
                watch,
                fingerprint: None,
                may_be_stale: may_be_stale(held),
                is_sent: &|file| Ok(self.has_same_words(file)),
                is_fresh: &|| Ok(()),
            },
        }))
    }
}

const CHANGED: &str = "it changed after it was examined";

/// Whether the sidecars of a job's file go only if their content was sent to the platform:
/// otherwise they stay where they are, where they can be fixed and are sent then. What failed takes
/// its sidecar along, and brings it back.
pub(super) fn is_told_first(case: &Case) -> bool {
    let is_up = matches!(case.job.state, State::Done | State::Duplicate);
    is_up && case.row.action != Action::Back
}

/// Opens the sidecars that may go: the one that counts, if it says now what was sent to the
/// platform, and those that it overrides, because they never count.
pub(super) fn examine(told: Option<&str>, video: &Place, companions: &mut [Companion]) {
    let mut sidecars: Vec<_> = companions.iter_mut().filter(|one| one.is_sidecar).collect();
    sidecars.sort_by_key(|companion| sidecar::rank(&companion.called, video.name()));
    let mut counts = true;
    for companion in sidecars {
        let opened = companion.from.open();
        // No filesystem has a name that is too long for it.
        let has_none =
            |error: &Error| error.is_absence() || error.kind() == io::ErrorKind::InvalidFilename;
        if opened.as_ref().is_err_and(has_none) {
            continue;
        }
        // What is written from here on shows by its times.
        let examined = opened.ok().and_then(|file| {
            let identity = Identity::now(&file).ok()?;
            Some((file, identity))
        });
        let says = examined
            .as_ref()
            .and_then(|(file, _)| read_words(&companion.called, file));
        if counts && (says.is_none() || says.as_deref() != told) {
            return;
        }
        companion.is_passed_over = !counts;
        companion.says = says;
        counts = false;
        companion.examined = examined;
    }
}

/// Moves the companions of a job's file to where that is now; answers where the note of its failure
/// is then.
pub(super) fn carry(
    watch: &Watch,
    case: &Case,
    (video, to): (&Place, &Place),
    go: impl Fn(&Companion) -> Option<Result<Place, Trouble>>,
) -> (Left, Option<PathBuf>) {
    let (mut left, mut note) = (Left::default(), None);
    let patterns: Vec<&Marker> = markers(watch).chain(&watch.metadata.wait_for).collect();
    for companion in found(watch, case, (video, to), &patterns) {
        if left.keeps(case, &companion) || left.is_odd(&companion) {
            continue;
        }
        match go(&companion) {
            // Nothing is said of it: at the next start it is compared, and follows.
            Some(Err(Trouble::Stopped | Trouble::NotUp(_))) => {
                left.has_sidecar |= companion.is_sidecar;
            }
            Some(Ok(there)) if companion.to.path() == beside(to.path(), NOTES[0]) => {
                note = Some(there.path().to_path_buf());
            }
            None | Some(Ok(_)) => {}
            Some(Err(Trouble::Later(why))) => left.stayed(&companion, &why),
            Some(Err(Trouble::Changed)) => left.stayed(&companion, CHANGED),
        }
    }
    (left, note)
}

/// Deletes the companions of a file that was deleted; the note with the video's key is all that
/// stays. What `wait-for` names stays too, and a sidecar that another one stood before: they may hold what
/// the platform was never given.
pub(super) fn delete(
    watch: &Watch,
    case: &Case,
    video: &Place,
    take_away: impl Fn(&Companion) -> Option<Result<(), Trouble>>,
) -> Left {
    let mut left = Left::default();
    // That of a failure has gone by now.
    let notes = NOTES.map(|suffix| beside(video.path(), suffix));
    let patterns: Vec<&Marker> = markers(watch).collect();
    for companion in found(watch, case, (video, video), &patterns) {
        if notes.iter().any(|note| note == companion.from.path())
            || left.is_odd(&companion)
            || !companion.from.is_taken()
        {
            continue;
        }
        if left.keeps(case, &companion) {
            continue;
        }
        if companion.is_passed_over {
            left.passed_over(&companion);
            continue;
        }
        match take_away(&companion) {
            Some(Err(Trouble::Later(why))) => left.stayed(&companion, &why),
            Some(Err(Trouble::Changed)) => left.stayed(&companion, CHANGED),
            Some(Err(Trouble::Stopped | Trouble::NotUp(_)) | Ok(())) | None => {}
        }
    }
    left
}

/// What a kill left under hidden names gets its own names back, also where the configuration does not have the watch
/// any more. Without it, names that are too long to be hidden by stay as they are.
pub(super) fn put_back(watch: Option<&Watch>, case: &Case, video: &Place) {
    let id = case.job.id.0;
    for name in video.folder().names().into_iter().flatten().flatten() {
        let Some(own) = hiding::own_name(&name, &case.job.ingest_id) else {
            continue;
        };
        let own = video.beside(OsStr::new(own));
        if let Err(trouble) = hiding::unhide(&video.beside(&name), &own) {
            let path = text::path(own.path());
            tracing::warn!(job.id = id, "{path}: not put back: {trouble:?}");
        }
    }
    if let Some(watch) = watch {
        put_back_numbered(watch, case, video);
    }
}

fn put_back_numbered(watch: &Watch, case: &Case, video: &Place) {
    let of_delete: Vec<&Marker> = markers(watch).collect();
    let of_move: Vec<&Marker> = markers(watch).chain(&watch.metadata.wait_for).collect();
    // By which of them it was hidden shows in no name.
    for patterns in [of_delete, of_move] {
        for companion in all(watch, (video, video), &case.job.ingest_id, &patterns) {
            if let Err(trouble) = hiding::put_back(&companion.from, &companion.mark) {
                let path = text::path(companion.from.path());
                tracing::warn!(job.id = case.job.id.0, "{path}: not put back: {trouble:?}");
            }
        }
    }
}

/// All companions, under their own names or those that a kill left them with; with the sidecars that may go.
fn found(
    watch: &Watch,
    case: &Case,
    places: (&Place, &Place),
    patterns: &[&Marker],
) -> Vec<Companion> {
    let mut companions = all(watch, places, &case.job.ingest_id, patterns);
    for companion in &mut companions {
        companion.from = hiding::place(&companion.from, &companion.mark);
    }
    if is_told_first(case) {
        examine(case.told.as_deref(), places.0, &mut companions);
    }
    companions
}

/// What tells one content of a sidecar from another, as its filesystem has it, and not as this machine remembers it.
fn read_words(called: &OsStr, file: &File) -> Option<String> {
    forget_pages(file);
    sidecar::digest_of(called, file)
}
