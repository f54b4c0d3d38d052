//! Sidecars: the small files beside a video that say what to send to the platform about it.
//!
//! For `clip.mp4` these are, and the first one that is there counts: `clip.mp4.json`,
//! `clip.mp4.toml`, `clip.json`, `clip.toml`.

mod parse;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha1::{Digest, Sha1};

use crate::beneath::{Error, Place};

pub(crate) use parse::{Fault, Sidecar, custom_name};

/// The most bytes of a sidecar.
pub(crate) const LONGEST: u64 = 64 * 1024;

/// What a sidecar's name ends in, in the order in which they count.
const ENDINGS: [(&str, Format); 2] = [(".json", Format::Json), (".toml", Format::Toml)];

/// The notes that this program itself writes beside a video.
const NOTE: &[u8] = b".jw.json";

/// How a sidecar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object.
    Json,
    /// One TOML document.
    Toml,
}

/// What is beside a video.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    /// What it says; nothing where there is none, or a faulty one.
    pub sidecar: Sidecar,
    /// Distinct for what a sidecar says; `None` without a sidecar that can be read.
    pub digest: Option<String>,
    /// The sidecar that is there and cannot be used, and why.
    pub fault: Option<String>,
}

/// Reads the sidecar of a video, in the folder that this was reached in; blocks.
pub(crate) fn beside(video: &Place) -> Beside {
    for (name, format) in names(video.name()) {
        let read = match read_bytes(&video.beside(&name)) {
            Ok(None) => continue,
            Ok(Some(bytes)) => parse::parse(&bytes, format),
            Err(fault) => Err(fault),
        };
        return match read {
            Ok(sidecar) => Beside {
                digest: Some(digest_sidecar(&sidecar)),
                sidecar,
                fault: None,
            },
            Err(fault) => {
                let name = crate::text::path(Path::new(&name));
                Beside {
                    fault: Some(format!("the sidecar {name} is not used: {fault}")),
                    ..Beside::default()
                }
            }
        };
    }
    Beside::default()
}

/// Which of a video's sidecars counts more: the smaller one. `None` for what is none of that video's.
pub(crate) fn rank(sidecar: &OsStr, video: &OsStr) -> Option<usize> {
    names(video).iter().position(|(name, _)| name == sidecar)
}

/// Distinct for what an open sidecar of this name says, as [`Beside::digest`]; `None` where it is of no use.
pub(crate) fn digest_of(name: &OsStr, file: &File) -> Option<String> {
    let ends = |ending: &str| name.as_bytes().ends_with(ending.as_bytes());
    let (_, format) = ENDINGS.into_iter().find(|(ending, _)| ends(ending))?;
    let bytes = read_to_end(file).ok()?;
    parse::parse(&bytes, format)
        .ok()
        .map(|said| digest_sidecar(&said))
}

/// What a video's sidecar may be called; the first counts most.
fn names(video: &OsStr) -> Vec<(OsString, Format)> {
    let bases = [Some(video), Path::new(video).file_stem()];
    bases
        .into_iter()
        .flatten()
        .flat_map(|base| {
            ENDINGS.map(|(ending, format)| {
                let mut name = OsString::from(base);
                name.push(ending);
                (name, format)
            })
        })
        .collect()
}

/// Whether a file of this name may be the sidecar of some video.
pub(crate) fn is_one(name: &OsStr) -> bool {
    base(name).is_some()
}

/// Whether this is the name of a sidecar of that video.
pub(crate) fn belongs(sidecar: &OsStr, video: &Path) -> bool {
    base(sidecar).is_some_and(|base| {
        let of = |part: Option<&OsStr>| part.is_some_and(|part| part.as_bytes() == base);
        of(video.file_name()) || of(video.file_stem())
    })
}

/// A sidecar's name without its ending.
pub(crate) fn base(name: &OsStr) -> Option<&[u8]> {
    let name = name.as_bytes();
    if name.starts_with(b".") || name.ends_with(NOTE) {
        return None;
    }
    let mut endings = ENDINGS.iter();
    endings.find_map(|(ending, _)| {
        name.strip_suffix(ending.as_bytes())
            .filter(|b| !b.is_empty())
    })
}

/// The bytes of a sidecar, if it is there. Links are not followed, and no pipe is waited for.
fn read_bytes(place: &Place) -> Result<Option<Vec<u8>>, Fault> {
    let file = match place.open() {
        Ok(file) => file,
        Err(Error::Absent(_)) => return Ok(None),
        // A name that is too long for the filesystem belongs to no video.
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => return Ok(None),
        Err(Error::Link(_) | Error::NotAFile(_)) => return Err(Fault::NoFile),
        Err(error) => return Err(Fault::Unreadable(error.into_source())),
    };
    read_to_end(&file).map(Some)
}

fn read_to_end(file: &File) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
    let count = read.map_err(Fault::Unreadable)?;
    if u64::try_from(count).is_ok_and(|count| count > LONGEST) {
        return Err(Fault::TooLong);
    }
    Ok(bytes)
}

/// For telling changes only: how the file is written does not count, only what it says.
fn digest_sidecar(sidecar: &Sidecar) -> String {
    let said = format!("{sidecar:?}");
    crate::hex::lower(&Sha1::digest(said.as_bytes()))
}
