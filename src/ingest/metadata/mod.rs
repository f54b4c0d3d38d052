//! What is sent about a video beside its bytes: gathered as it is made, and sent again when its
//! sidecar has changed since.
//!
//! A sidecar that cannot be used holds no video up: the video goes with what its watch says, the
//! fault is noted, and once the sidecar is fixed, the platform is updated.

mod anew;
mod own_change;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jiff::Timestamp;

pub(super) use anew::run;

use super::context::Context;
use crate::beneath::{self, Place};
use crate::config::{MetadataOptions, Watch};
use crate::metadata::facts::Facts;
use crate::metadata::sidecar::{self, Beside};
use crate::metadata::{self, Described};
use crate::watch::reach;
use crate::{clock, text};

/// All that a new video is sent with.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) described: Described,
    /// Distinct for what its sidecar says; `None` without one that can be used.
    pub(super) digest: Option<String>,
    /// What could not be sent, and why.
    pub(super) fault: Option<String>,
}

/// Gathers it for a job's file, last changed at `mtime_ns` since the epoch; a disk that does not
/// answer costs the sidecar, not the video. The watch's rules of this moment hold, or those of a
/// watch without rules where it is not configured any more.
pub(super) async fn gather(
    context: &Context,
    (watch, path): (&str, &Path),
    mtime_ns: i64,
) -> Gathered {
    let settings = context.now_settings();
    let limit = settings.config.upload.stall_timeout;
    let watch = settings.watch(watch).cloned();
    let (video, awaited) = (path.to_path_buf(), watch.clone());
    let looking = tokio::task::spawn_blocking(move || {
        let found = reach::place(awaited.as_ref(), &video);
        let rules = awaited.map(|watch| watch.metadata).unwrap_or_default();
        let missing = found.as_ref().ok().and_then(|video| missing(&rules, video));
        (beside(found), missing)
    });
    let (beside, missing) = match tokio::time::timeout(limit, looking).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => (silent(), None),
    };
    let changed = Timestamp::from_nanosecond(i128::from(mtime_ns));
    let changed = changed.unwrap_or_else(|_| clock::now());
    put_together(watch.as_ref(), (path, changed), beside, missing)
}

/// What a file that is uploaded is called; for the note beside it. Blocks on the disk.
pub(super) fn title(watch: &Watch, path: &Path, mtime_ns: i64) -> String {
    let changed = Timestamp::from_nanosecond(i128::from(mtime_ns));
    let changed = changed.unwrap_or_else(|_| clock::now());
    let beside = beside(reach::place(Some(watch), path));
    let gathered = put_together(Some(watch), (path, changed), beside, None);
    gathered.described.title
}

fn silent() -> Beside {
    Beside {
        fault: Some("its folder did not answer, so no sidecar was read".to_owned()),
        ..Beside::default()
    }
}

/// The sidecar of a video, if that could be reached; blocks.
fn beside(video: Result<Place, beneath::Error>) -> Beside {
    match video {
        Ok(video) => sidecar::beside(&video),
        Err(beneath::Error::Absent(_)) => Beside::default(),
        Err(error) => Beside {
            fault: Some(format!("no sidecar was read: {error}")),
            ..Beside::default()
        },
    }
}

/// The companions that did not appear in time, in words.
fn missing(options: &MetadataOptions, video: &Place) -> Option<String> {
    let companions = options
        .wait_for
        .iter()
        .filter_map(|pattern| pattern.of(video.path()));
    let missing: Vec<String> = companions
        .map(|path| path.file_name().unwrap_or_default().to_owned())
        .filter(|name| video.beside(name).metadata().is_err())
        .map(|name| text::path(Path::new(&name)))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "it was uploaded without {}, which did not appear within wait-timeout",
            missing.join(", ")
        )
    })
}

fn put_together(
    watch: Option<&Watch>,
    (path, changed): (&Path, Timestamp),
    beside: Beside,
    missing: Option<String>,
) -> Gathered {
    let none = MetadataOptions::default();
    let rules = watch.map_or(&none.rules, |watch| &watch.metadata.rules);
    let place = watch.map_or(("", Path::new("")), |watch| {
        (watch.name.as_str(), watch.path.as_path())
    });
    let facts = Facts::of(place, path, changed, rules.name_pattern.as_ref());
    let described = metadata::describe(rules, &facts, &beside.sidecar);
    let faults = [beside.fault, missing, described.fault.clone()];
    let faults: Vec<String> = faults.into_iter().flatten().collect();
    Gathered {
        described,
        digest: beside.digest,
        fault: (!faults.is_empty()).then(|| faults.join("; ")),
    }
}

/// A sidecar came or changed: what to ask the job table.
pub(super) fn changed(
    db: &rusqlite::Connection,
    sidecar: &Path,
    now: Timestamp,
) -> Result<bool, crate::queue::Error> {
    let Some(name) = sidecar.file_name() else {
        return Ok(false);
    };
    let Some(base) = sidecar::base(name) else {
        return Ok(false);
    };
    let base = sidecar.with_file_name(OsStr::from_bytes(base));
    let belongs = |video: &Path| sidecar::belongs(name, video);
    crate::queue::metadata::sidecar_changed(db, &base, belongs, now)
}
