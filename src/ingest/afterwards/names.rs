//! Names that are free: which are tried.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Numbered names that are tried where the first ones are taken.
const NAMES: u32 = 1000;

/// `clip.mp4`, `clip (2).mp4`, `clip (3).mp4`, …
pub(super) fn names(wanted: &OsStr) -> impl Iterator<Item = OsString> {
    let path = Path::new(wanted);
    (1..=NAMES).map(move |number| {
        let (Some(stem), 2..) = (path.file_stem(), number) else {
            return wanted.to_owned();
        };
        let mut name = OsString::from(stem);
        name.push(format!(" ({number})"));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        name
    })
}
