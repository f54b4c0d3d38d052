//! Names that are free: which are tried.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::hiding::LONGEST_NAME;

/// Numbered names that are tried where the first ones are taken.
const NAMES: u32 = 1000;

/// What the names of files beside a video may be longer than its own, bytes.
const BESIDE: usize = 64;

/// `clip.mp4`, `clip (2).mp4`, `clip (3).mp4`, …
pub(super) fn names(wanted: &OsStr) -> impl Iterator<Item = OsString> {
    (1..=NAMES).map(move |number| {
        if number == 1 {
            wanted.to_owned()
        } else {
            numbered(wanted, number)
        }
    })
}

/// The name with a number before its extension. A long name gets no longer by that: the filesystem would refuse it, or
/// those of the files beside it.
fn numbered(wanted: &OsStr, number: u32) -> OsString {
    let number = format!(" ({number})");
    let path = Path::new(wanted);
    let extension = path.extension().map(OsStr::as_bytes);
    let ending = extension.map_or_else(Vec::new, |extension| [b".", extension].concat());
    let most = wanted.len().clamp(LONGEST_NAME - BESIDE, LONGEST_NAME);
    let (stem, ending, room) = match (
        path.file_stem(),
        most.checked_sub(number.len() + ending.len()),
    ) {
        (Some(stem), Some(room)) if room > 0 => (stem.as_bytes(), ending, room),
        // The extension is nearly all of the name.
        _ => (wanted.as_bytes(), Vec::new(), most - number.len()),
    };
    OsString::from_vec([shortened(stem, room), number.as_bytes(), &ending].concat())
}

/// As much of the start as fits and ends with a whole character.
fn shortened(stem: &[u8], room: usize) -> &[u8] {
    if stem.len() <= room {
        return stem;
    }
    let is_inside = |at: usize| stem.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    // No character has more bytes. A name that is not UTF-8 may be cut anywhere.
    let end = (room.saturating_sub(3)..=room)
        .rev()
        .find(|at| !is_inside(*at));
    stem.get(..end.unwrap_or(room)).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_with_a_number_fits_and_keeps_its_extension() {
        let long = |character: &str, bytes: usize| character.repeat(bytes / character.len());
        for (stem, extension) in [
            (long("x", 251), ".mp4"),
            (long("x", 250), ".mp4"),
            (long("é", 250), ".mp4"),
            (long("😀", 248) + "xyz", ".mp4"),
            (long("x", 255), ""),
            (String::from("x"), &*(".".to_owned() + &long("y", 252))),
            (String::from("."), &*long("y", 254)),
            (long("x", 190), ".mp4"),
            (String::from("clip"), ".mp4"),
        ] {
            let wanted = format!("{stem}{extension}");
            let all: Vec<_> = names(OsStr::new(&wanted)).collect();
            for (number, name) in all.iter().enumerate() {
                let name = name.to_str().unwrap();
                assert!(name.len() <= LONGEST_NAME, "{name}");
                if extension == ".mp4" {
                    assert!(name.ends_with(extension), "{name}");
                }
                if wanted.len() > LONGEST_NAME - BESIDE {
                    assert!(name.len() <= wanted.len(), "{name}");
                }
                assert!(!all[..number].contains(&name.into()), "{name}");
            }
        }
        let all: Vec<_> = names(OsStr::new("clip.mp4")).take(2).collect();
        assert_eq!(all, ["clip.mp4", "clip (2).mp4"]);
        let bytes = [&[0xE9; 251], &b".mp4"[..]].concat();
        let name = names(OsStr::from_bytes(&bytes)).nth(1).unwrap();
        assert!(name.as_bytes().ends_with(b" (2).mp4") && name.len() <= LONGEST_NAME);
    }
}
