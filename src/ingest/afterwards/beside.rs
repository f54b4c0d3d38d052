//! Which files beside a video may belong to it, by their names.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::companions::Companion;
use super::hiding;
use crate::beneath::Place;
use crate::config::{Marker, Watch};
use crate::watch::select::{self, NOTES, Verdict};

/// Endings of sidecars.
const SIDECARS: [&str; 2] = ["json", "toml"];

/// The markers of a watch's videos.
pub(super) fn markers(watch: &Watch) -> impl Iterator<Item = &Marker> {
    watch.watching.done_marker.iter()
}

/// All that may lie beside a video, with what the patterns name.
pub(super) fn all(
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
        // One that repeats the whole name is not shared.
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
        let places = (from.file_name()?, to_place.beside(to.file_name()?));
        let by_name = hiding::mark_of(places.0, mark);
        let mark = by_name.unwrap_or_else(|| format!("{mark}-{number}"));
        Some(Companion::new(video_place, places, mark))
    });
    all.collect()
}

/// Whether another video in the folder has the same name except for its ending.
fn has_namesake(watch: &Watch, video: &Place) -> bool {
    let Some(stem) = Path::new(video.name()).file_stem() else {
        return false;
    };
    let Ok(names) = video.folder().names() else {
        // It is impossible to tell: what is shared must stay.
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
