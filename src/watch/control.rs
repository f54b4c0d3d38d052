//! Files that programs keep beside one that they are still transferring: as long as such a file is
//! there, the one that it belongs to is being written, at any size and with any container. Pure.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One kind of control file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Control {
    /// What follows the name, or the stem, of the file that it belongs to.
    suffix: &'static str,
    /// The program, for people.
    tool: &'static str,
    part: Part,
}

/// What of a file's name its control file repeats.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    Name,
    /// All but the extension.
    Stem,
}

const fn name(suffix: &'static str, tool: &'static str) -> Control {
    Control {
        suffix,
        tool,
        part: Part::Name,
    }
}

const fn stem(suffix: &'static str, tool: &'static str) -> Control {
    Control {
        suffix,
        tool,
        part: Part::Stem,
    }
}

/// All kinds, and the programs that they belong to. Each costs a look at the disk for each file that
/// settles: one that is not used any more should leave.
pub(crate) const ALL: &[Control] = &[
    name(".aria2", "aria2"),
    name(".st", "Axel"),
    name(".ytdl", "yt-dlp"),
    name(".part", "yt-dlp, Firefox, wget2 or KGet"),
    name(".part.met", "aMule"),
    name(".filepart", "WinSCP"),
    name(".lftp-pget-status", "lftp"),
    name(".crdownload", "Chrome"),
    name(".opdownload", "Opera"),
    name(".partial", "rclone, Aspera or Edge"),
    name(".aspx", "Aspera"),
    name(".aspera-ckpt", "Aspera"),
    name(".download", "Safari"),
    name(".downloading", "a download manager"),
    name(".fdmdownload", "Free Download Manager"),
    name(".xltd", "Thunder"),
    name(".jc!", "FlashGet"),
    name(".!qB", "qBittorrent"),
    name(".!ut", "uTorrent"),
    name(".bc!", "BitComet"),
    name(".azDownload", "Azureus"),
    name(".bts", "Resilio Sync"),
    name(".!sync", "Resilio Sync"),
    stem(".aria2", "aria2"),
    stem(".st", "Axel"),
    stem(".ytdl", "yt-dlp"),
    stem(".part", "yt-dlp, Firefox, wget2 or KGet"),
];

impl Control {
    /// The control file of this kind for a file, which is beside it.
    pub(crate) fn of(&self, path: &Path) -> Option<PathBuf> {
        let part = match self.part {
            Part::Name => path.file_name(),
            Part::Stem => path.file_stem(),
        }?;
        let name = [part.as_bytes(), self.suffix.as_bytes()].concat();
        Some(path.with_file_name(OsString::from_vec(name)))
    }
}

/// The suffix that makes a file of this name a control file.
pub(super) fn suffix(name: &OsStr) -> Option<&'static str> {
    let name = name.as_bytes();
    let ends = |suffix: &str| name.len() > suffix.len() && name.ends_with(suffix.as_bytes());
    ALL.iter()
        .map(|control| control.suffix)
        .find(|suffix| ends(suffix))
}

/// The first kind of which there is one for a file.
pub(super) fn beside(
    path: &Path,
    mut is_there: impl FnMut(&OsStr) -> bool,
) -> Option<&'static Control> {
    ALL.iter().find(|control| {
        let file = control.of(path);
        file.as_deref()
            .and_then(Path::file_name)
            .is_some_and(&mut is_there)
    })
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { suffix, tool, part } = self;
        let base = match part {
            Part::Name => "its name",
            Part::Stem => "its name without the extension",
        };
        write!(
            f,
            "a control file of {tool} is beside it ({base} and {suffix})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found_beside_its_file_and_no_other() {
        let video = Path::new("/v/show.mp4");
        for control in ALL {
            let file = control.of(video).unwrap();
            let name = file.file_name().unwrap();
            assert!(suffix(name).is_some(), "{name:?}");
            assert_eq!(beside(video, |asked| asked == name), Some(control));
            let said = control.to_string();
            assert!(
                said.contains(control.suffix) && said.contains(control.tool),
                "{said}"
            );
        }
        assert_eq!(beside(video, |asked| asked == "show2.mp4.aria2"), None);
        assert_eq!(beside(video, |_| false), None);
        for name in ["show.mp4", ".aria2", "aria2", "best", "show.mp4.done"] {
            assert_eq!(suffix(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn names_are_bytes() {
        let video = Path::new(OsStr::from_bytes(b"/v/caf\xe9.mp4"));
        let aria = beside(video, |asked| asked.as_bytes() == b"caf\xe9.mp4.aria2");
        assert_eq!(aria.map(|control| control.tool), Some("aria2"));
    }
}
