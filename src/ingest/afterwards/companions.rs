//! What lies beside a video and belongs to it: sidecar, done-marker, notes. It goes where the video
//! goes, unless another video of that name is left there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::files::{self, Trouble};
use crate::beneath::Place;
use crate::config::{Marker, Watch};
use crate::metadata::sidecar;
use crate::queue::State;
use crate::queue::afterwards::{Action, Case};
use crate::text;
use crate::watch::select::{self, NOTES, Verdict};

/// A file beside a video, and where it goes.
#[derive(Debug)]
pub(super) struct Companion {
    /// Where it is.
    pub(super) from: Place,
    /// Where it goes.
    pub(super) to: Place,
    /// Names what is hidden meanwhile.
    pub(super) mark: String,
}

/// What stayed behind, and why.
#[derive(Debug, Default)]
pub(super) struct Left(Vec<String>);

impl Left {
    /// As the end of a sentence.
    pub(super) fn words(&self) -> String {
        let words = self.0.iter().map(|left| format!("; {left}"));
        words.collect()
    }
}

impl Left {
    /// Whether a companion is a sidecar that stays; noted, if it is there.
    fn keeps(&mut self, video: &Place, companion: &Companion) -> bool {
        let is_sidecar = sidecar::belongs(companion.from.name(), video.path());
        if is_sidecar && companion.from.metadata().is_ok() {
            let name = text::path(companion.from.path());
            self.0.push(format!("{name} stayed: {UNTOLD}"));
        }
        is_sidecar
    }
}

/// Endings of sidecars.
const SIDECARS: [&str; 2] = ["json", "toml"];

/// Why a sidecar stays.
const UNTOLD: &str = "the platform was not told yet what it says";

/// Whether the sidecar of a job's file says what the platform was not told: it stays where it is,
/// where it can be put right and is told then. What failed takes its sidecar along, and brings it back.
pub(super) fn has_untold_sidecar(case: &Case, video: &Place) -> bool {
    let is_up = matches!(case.job.state, State::Done | State::Duplicate);
    let goes_back = case.row.action == Action::Back;
    is_up && !goes_back && !sidecar::beside(video).is_told(case.told.as_deref())
}

/// Moves the companions of a job's file to where that lies now; answers where the note of its
/// failure lies then.
pub(super) fn carry(
    watch: &Watch,
    case: &Case,
    (video, to): (&Place, &Place),
    go: impl Fn(&Companion) -> Option<Result<Place, Trouble>>,
) -> (Left, Option<PathBuf>) {
    let (mut left, mut note) = (Left::default(), None);
    let patterns: Vec<&Marker> = markers(watch).chain(&watch.metadata.wait_for).collect();
    let untold = has_untold_sidecar(case, video);
    for mut companion in all(watch, (video, to), &case.job.ingest_id, &patterns) {
        if untold && left.keeps(video, &companion) {
            continue;
        }
        companion.from = files::place(&companion.from, &companion.mark);
        match go(&companion) {
            None | Some(Err(Trouble::Stopped)) => {}
            Some(Ok(there)) => {
                if companion.to.path() == beside(to.path(), NOTES[0]) {
                    note = Some(there.path().to_path_buf());
                }
            }
            Some(Err(Trouble::Kept(why) | Trouble::Later(why))) => {
                let name = text::path(companion.from.path());
                left.0.push(format!("{name} stayed: {why}"));
            }
        }
    }
    (left, note)
}

/// Deletes the companions of a file that was deleted; the note with the video's key is all that
/// stays. What `wait-for` names stays too: it may hold what the platform was never given.
pub(super) fn delete(watch: &Watch, case: &Case, video: &Place) -> Left {
    let mut left = Left::default();
    let untold = has_untold_sidecar(case, video);
    // That of a failure has gone by now.
    let notes = NOTES.map(|suffix| beside(video.path(), suffix));
    let patterns: Vec<&Marker> = markers(watch).collect();
    for companion in all(watch, (video, video), "", &patterns) {
        let is_file = companion.from.metadata().is_ok_and(|meta| meta.is_file());
        if !is_file || notes.iter().any(|note| note == companion.from.path()) {
            continue;
        }
        if untold && left.keeps(video, &companion) {
            continue;
        }
        if let Err(error) = companion.from.remove() {
            let name = text::path(companion.from.path());
            left.0
                .push(format!("{name} stayed: {}", error.into_source()));
        }
    }
    left
}

fn markers(watch: &Watch) -> impl Iterator<Item = &Marker> {
    watch.watching.done_marker.iter()
}

/// All that may lie beside a video, with what the patterns name.
fn all(
    watch: &Watch,
    (video_place, to_place): (&Place, &Place),
    mark: &str,
    patterns: &[&Marker],
) -> Vec<Companion> {
    let (video, to) = (video_place.path(), to_place.path());
    let mut pairs = Vec::new();
    for suffix in NOTES {
        pairs.push((beside(video, suffix), beside(to, suffix)));
    }
    let is_alone = !has_namesake(watch, video_place);
    if is_alone {
        for extension in SIDECARS {
            pairs.push((
                video.with_extension(extension),
                to.with_extension(extension),
            ));
        }
    }
    for pattern in patterns {
        let (Some(from), Some(to)) = (pattern.of(video), pattern.of(to)) else {
            continue;
        };
        // One that repeats the whole name is shared with nobody.
        let of_namesake = pattern.of(&video.with_extension("jw-other"));
        let is_own = is_alone || of_namesake.as_ref() != Some(&from);
        if is_own && !pairs.iter().any(|(known, _)| *known == from) {
            pairs.push((from, to));
        }
    }
    // These repeat the whole name, too.
    for extension in SIDECARS {
        let suffix = format!(".{extension}");
        let (from, to) = (beside(video, &suffix), beside(to, &suffix));
        if !pairs.iter().any(|(known, _)| *known == from) {
            pairs.push((from, to));
        }
    }
    // All of them are names in the folders of the two.
    let numbered = pairs.into_iter().enumerate();
    let others = numbered.filter(|(_, (from, _))| from != video);
    let all = others.filter_map(|(number, (from, to))| {
        Some(Companion {
            from: video_place.beside(from.file_name()?),
            to: to_place.beside(to.file_name()?),
            mark: format!("{mark}-{number}"),
        })
    });
    all.collect()
}

/// Whether another video in the folder has the same name but for its ending.
fn has_namesake(watch: &Watch, video: &Place) -> bool {
    let Some(stem) = Path::new(video.name()).file_stem() else {
        return false;
    };
    let Ok(names) = video.folder().names() else {
        // Nobody can tell: what is shared must stay.
        return true;
    };
    let mut names = names.flatten();
    names.any(|name| {
        name != video.name() && Path::new(&name).file_stem() == Some(stem) && is_video(watch, &name)
    })
}

fn is_video(watch: &Watch, name: &OsStr) -> bool {
    select::verdict(watch, &watch.path.join(name)) == Verdict::Taken
}

/// A name beside a video: all of its own, and more.
pub(super) fn beside(video: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(video.file_name().unwrap_or_default());
    name.push(suffix);
    video.with_file_name(name)
}
