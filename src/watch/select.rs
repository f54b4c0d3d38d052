//! Which paths count: the verdict on a path, from its text alone.
//!
//! Pure: no disk is asked, so the same path always gets the same answer, also for a file that does
//! not exist. What only the disk knows (a symbolic link, a device) is added by
//! [`super::look::verdict_on_disk`]. Names are bytes; none is refused for not being UTF-8.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::control;
use super::links::Refusal;
use super::structures;
use crate::config::{Globs, Structure, TRASH, Watch};
use crate::metadata::sidecar;

/// Whether a path counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is a video of this watch, as far as its name shows.
    Taken,
    /// It is left alone, and this rule decided.
    Ignored(Rule),
}

/// The rule that leaves a path alone. Its text is a clause that follows "ignored: ".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The path is not below the watch folder.
    Outside,
    /// It is below a folder, and `recursive` is off.
    NotRecursive,
    /// A folder above it begins with a dot.
    HiddenFolder(String),
    /// A folder above it belongs to a storage system or a copy tool.
    SystemFolder(String),
    /// A folder above it matches an exclude pattern.
    ExcludedFolder {
        /// The folder's name.
        folder: String,
        /// The pattern, as written.
        pattern: String,
    },
    /// It is in a folder that this watch moves files to.
    Aside {
        /// The folder.
        folder: String,
        /// The key that names it.
        key: &'static str,
    },
    /// The name begins with a dot.
    Hidden,
    /// The name has the form `.name.XXXXXX`, which rsync gives to a file on its way.
    Rsync,
    /// The name ends in a suffix that marks a file on its way.
    Partial(&'static str),
    /// It is the done-marker of a video.
    Marker,
    /// It belongs to a video: its sidecar, or what `wait-for` names.
    Companion,
    /// It is a note of ours about a video.
    Note,
    /// The name is one that a program gives to a file on its way.
    Structure(Structure),
    /// The name is the one an editor or office program gives to its own files.
    Editor,
    /// An exclude pattern matches.
    Excluded(String),
    /// No include pattern matches.
    NotIncluded,
    /// It is a symbolic link, or is below one, that is not followed.
    SymbolicLink(Refusal),
    /// It is a folder, device, pipe or socket.
    NotAFile,
}

/// Suffixes of files that are still on their way, lower case.
const PARTIAL: [&str; 6] = [
    ".part",
    ".partial",
    ".tmp",
    ".crdownload",
    ".filepart",
    ".download",
];

/// What is put behind a video's name for the notes beside it: of a failure, and of the video's key.
pub(crate) const NOTES: [&str; 2] = [".failed.txt", ".jw.json"];

/// Folders of storage systems and copy tools that never hold a finished video; lower case.
const SYSTEM: [&str; 7] = [
    ".~tmp~",
    ".snapshot",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "lost+found",
    "system volume information",
];

/// Says whether a file at this path counts.
pub(crate) fn verdict(watch: &Watch, path: &Path) -> Verdict {
    match find_rule(watch, path) {
        Some(rule) => Verdict::Ignored(rule),
        None => Verdict::Taken,
    }
}

/// Says whether the folder at this path is looked into; the watch folder itself always is.
pub(crate) fn descend(watch: &Watch, path: &Path) -> Verdict {
    let Ok(relative) = path.strip_prefix(&watch.path) else {
        return Verdict::Ignored(Rule::Outside);
    };
    match folder_rule(watch, relative) {
        Some(rule) => Verdict::Ignored(rule),
        None => Verdict::Taken,
    }
}

/// Says whether a file counts that is in a folder that is looked into.
pub(super) fn file_in_folder(watch: &Watch, path: &Path) -> Verdict {
    let relative = path.strip_prefix(&watch.path);
    let rule = relative.map_or(Some(Rule::Outside), |relative| file_rule(watch, relative));
    rule.map_or(Verdict::Taken, Verdict::Ignored)
}

fn find_rule(watch: &Watch, path: &Path) -> Option<Rule> {
    let Ok(relative) = path.strip_prefix(&watch.path) else {
        return Some(Rule::Outside);
    };
    let Some(parent) = relative.parent() else {
        return Some(Rule::NotAFile);
    };
    folder_rule(watch, parent).or_else(|| file_rule(watch, relative))
}

/// The rule for a file, given relative to the watch folder, in any folder.
fn file_rule(watch: &Watch, relative: &Path) -> Option<Rule> {
    let Some(name) = relative.file_name() else {
        return Some(Rule::NotAFile);
    };
    if let Some(rule) = name_rule(name) {
        return Some(rule);
    }
    if is_marker(watch, name) {
        return Some(Rule::Marker);
    }
    if is_companion(watch, name) {
        return Some(Rule::Companion);
    }
    if let Some(pattern) = matching(&watch.exclude, name, relative) {
        return Some(Rule::Excluded(pattern));
    }
    let include = &watch.include.set;
    let included = include.is_match(name) || include.is_match(relative);
    if !included {
        return Some(Rule::NotIncluded);
    }
    structures::of(watch, name).map(Rule::Structure)
}

/// The include pattern that takes the file at this path, if one does.
pub(crate) fn included_by(watch: &Watch, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(&watch.path).ok()?;
    matching(&watch.include, relative.file_name()?, relative)
}

/// The rule that keeps us out of a folder, given relative to the watch folder.
fn folder_rule(watch: &Watch, relative: &Path) -> Option<Rule> {
    for folder in relative.ancestors() {
        let Some(name) = folder.file_name() else {
            continue;
        };
        if !watch.recursive {
            return Some(Rule::NotRecursive);
        }
        let shown = || name.to_string_lossy().into_owned();
        if SYSTEM
            .iter()
            .any(|system| name.as_bytes().eq_ignore_ascii_case(system.as_bytes()))
        {
            return Some(Rule::SystemFolder(shown()));
        }
        if name.as_bytes().starts_with(b".") {
            return Some(Rule::HiddenFolder(shown()));
        }
        if let Some(pattern) = matching(&watch.exclude, name, folder) {
            return Some(Rule::ExcludedFolder {
                folder: shown(),
                pattern,
            });
        }
    }
    aside_rule(watch, relative)
}

/// By which key files are moved to the folder at this path, or to one above it.
pub(super) fn set_aside(watch: &Watch, path: &Path) -> Option<&'static str> {
    let relative = path.strip_prefix(&watch.path).ok()?;
    // What an earlier configuration has put there stays there.
    let trash = relative.starts_with(TRASH).then_some(TRASH);
    trash.or_else(|| Some(find_aside(watch, relative)?.0))
}

fn find_aside<'a>(watch: &'a Watch, relative: &Path) -> Option<(&'static str, &'a Path)> {
    let mut folders = watch.afterwards.folders();
    folders.find(|(_, folder)| {
        let inside = folder.strip_prefix(&watch.path);
        inside.is_ok_and(|inside| relative.starts_with(inside))
    })
}

/// Whether files of this watch are moved to the folder, or to one above it.
fn aside_rule(watch: &Watch, relative: &Path) -> Option<Rule> {
    let (key, folder) = find_aside(watch, relative)?;
    Some(Rule::Aside {
        folder: folder.to_string_lossy().into_owned(),
        key,
    })
}

/// Whether a file of this name is a done-marker in this watch.
pub(super) fn is_marker(watch: &Watch, name: &OsStr) -> bool {
    let marker = watch.watching.done_marker.as_ref();
    marker.is_some_and(|marker| marker.is_one(name))
}

/// Whether a file of this name is a companion: no video is called this, even if `include` matches.
fn is_companion(watch: &Watch, name: &OsStr) -> bool {
    sidecar::is_one(name) || is_awaited(watch, name)
}

/// Whether a file of this name is one that videos of this watch wait for.
pub(super) fn is_awaited(watch: &Watch, name: &OsStr) -> bool {
    let patterns = &watch.metadata.wait_for;
    patterns.iter().any(|pattern| pattern.is_one(name))
}

/// Whether changes of the file at this path are reported: it is a sidecar, in a folder that counts.
pub(super) fn is_sidecar(watch: &Watch, path: &Path) -> bool {
    path.file_name().is_some_and(sidecar::is_one)
        && verdict(watch, path) == Verdict::Ignored(Rule::Companion)
}

/// The rule that a name alone decides.
fn name_rule(name: &OsStr) -> Option<Rule> {
    let bytes = name.as_bytes();
    if bytes.starts_with(b".") {
        return Some(if is_rsync(bytes) {
            Rule::Rsync
        } else {
            Rule::Hidden
        });
    }
    if NOTES.iter().any(|suffix| ends_with(bytes, suffix)) {
        return Some(Rule::Note);
    }
    let partial = PARTIAL.iter().find(|suffix| ends_with(bytes, suffix));
    if let Some(suffix) = partial.copied().or_else(|| control::suffix(name)) {
        return Some(Rule::Partial(suffix));
    }
    let editor = bytes.starts_with(b"~$")
        || bytes.ends_with(b"~")
        || (bytes.starts_with(b"#") && bytes.ends_with(b"#"));
    editor.then_some(Rule::Editor)
}

/// `.name.XXXXXX`: a dot, the name, a dot and six letters or digits (rsync(1), `--temp-dir`).
fn is_rsync(name: &[u8]) -> bool {
    let mut parts = name.rsplitn(2, |byte| *byte == b'.');
    let (Some(random), Some(rest)) = (parts.next(), parts.next()) else {
        return false;
    };
    random.len() == 6 && random.iter().all(u8::is_ascii_alphanumeric) && rest.len() > 1
}

fn ends_with(name: &[u8], suffix: &str) -> bool {
    let suffix = suffix.as_bytes();
    name.len()
        .checked_sub(suffix.len())
        .and_then(|start| name.get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}

/// The first pattern that matches the name or the path relative to the watch folder.
fn matching(globs: &Globs, name: &OsStr, relative: &Path) -> Option<String> {
    if globs.set.is_empty() {
        return None;
    }
    let found = globs
        .set
        .matches(name)
        .into_iter()
        .chain(globs.set.matches(relative))
        .min()?;
    Some(globs.patterns.get(found).cloned().unwrap_or_default())
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("it is not below the watch folder"),
            Self::NotRecursive => f.write_str("it is below a folder, and recursive = false"),
            Self::HiddenFolder(name) => {
                write!(f, "it is in a hidden folder ({name:?} begins with a dot)")
            }
            Self::SystemFolder(name) => {
                write!(
                    f,
                    "it is in {name:?}, a folder of the storage system or of a copy tool"
                )
            }
            Self::ExcludedFolder { folder, pattern } => {
                write!(
                    f,
                    "it is in the folder {folder:?}, which matches exclude pattern {pattern:?}"
                )
            }
            Self::Hidden => f.write_str("it has a hidden name (it begins with a dot)"),
            Self::Rsync => f.write_str("its name is the one rsync uses until a file is complete"),
            Self::Partial(suffix) => {
                write!(
                    f,
                    "its name ends in {suffix}, which marks a file still being written"
                )
            }
            Self::Marker => {
                f.write_str("it is a done-marker, which only says that a video is whole")
            }
            Self::Companion => f.write_str(
                "it is a companion of a video: a sidecar, or a file that wait-for names",
            ),
            Self::Note => f.write_str("it is a note that jw-ingest writes beside a video"),
            Self::Aside { folder, key } => {
                write!(
                    f,
                    "it is in {folder:?}, where this watch moves files to ({key})"
                )
            }
            Self::Editor => {
                f.write_str("its name is the one a program gives to its lock or backup files")
            }
            Self::Structure(rule) => {
                let (makers, word) = (structures::makers(*rule), rule.word());
                write!(
                    f,
                    "its name is one that {makers}; if it is a video of its own, rename it, or leave \
                     {word:?} out of structures"
                )
            }
            Self::Excluded(pattern) => write!(f, "it matches exclude pattern {pattern:?}"),
            Self::NotIncluded => f.write_str("it matches no include pattern"),
            Self::SymbolicLink(refusal) => {
                write!(f, "it is a symbolic link or is below one: {refusal}")
            }
            Self::NotAFile => f.write_str("it is not a regular file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Marker, Structures};
    use crate::watch::tests::support::{globs, watch};

    fn at(relative: impl AsRef<Path>) -> PathBuf {
        Path::new("/v").join(relative)
    }

    fn rule_of(relative: impl AsRef<Path>) -> Option<Rule> {
        let mut watch = watch(Path::new("/v"));
        watch.exclude = globs(&["draft-*", "old/**", "attic"]);
        find_rule(&watch, &at(relative))
    }

    #[test]
    fn names_that_count() {
        let long = "x".repeat(251) + ".mp4";
        let names = [
            "a.mp4",
            "A.MP4",
            "-rf.mp4",
            "a\nb.mp4",
            "a b#?%&\".mp4",
            "é😀.mov",
            "a~b.mp4",
        ];
        for name in names
            .into_iter()
            .chain([long.as_str(), "in/side/a.mp4", "tmp.mp4", "part.mov"])
        {
            assert_eq!(rule_of(name), None, "{name}");
        }
        assert_eq!(rule_of(OsString::from_vec(b"caf\xe9.mp4".to_vec())), None);
    }

    #[test]
    fn names_that_do_not() {
        for (name, suffix) in [
            ("a.mp4.part", ".part"),
            ("a.mp4.TMP", ".tmp"),
            ("a.Download", ".download"),
        ] {
            assert_eq!(rule_of(name), Some(Rule::Partial(suffix)), "{name}");
        }
        for name in ["a.mp4.partial", "a.crdownload", "a.mp4.filepart"] {
            assert!(matches!(rule_of(name), Some(Rule::Partial(_))), "{name}");
        }
        for name in ["~$a.mp4", "a.mp4~", "#a.mp4#"] {
            assert_eq!(rule_of(name), Some(Rule::Editor), "{name}");
        }
        assert_eq!(rule_of(".a.mp4.Xy12Zz"), Some(Rule::Rsync));
        assert_eq!(rule_of(".a.mp4"), Some(Rule::Hidden));
        assert_eq!(rule_of(".secret"), Some(Rule::Hidden));
        assert_eq!(rule_of("a.txt"), Some(Rule::NotIncluded));
        assert_eq!(
            rule_of("draft-1.mp4"),
            Some(Rule::Excluded("draft-*".to_owned()))
        );
        assert_eq!(
            rule_of("old/a.mp4"),
            Some(Rule::Excluded("old/**".to_owned()))
        );
        assert_eq!(rule_of(""), Some(Rule::NotAFile));
    }

    #[test]
    fn what_a_program_makes_on_its_way_is_left_alone_unless_its_rule_is_left_out() {
        let mut watch = watch(Path::new("/v"));
        let rule_of = |watch: &Watch, name: &str| find_rule(watch, &at(name));
        let format = Some(Rule::Structure(Structure::YtDlpFormat));
        let temporary = Some(Rule::Structure(Structure::Temporary));
        assert_eq!(rule_of(&watch, "deep/clip.f137.mp4"), format);
        assert_eq!(rule_of(&watch, "clip.temp.mp4"), temporary);
        assert_eq!(rule_of(&watch, "clip.f137.txt"), Some(Rule::NotIncluded));
        watch.exclude = globs(&["clip*"]);
        let excluded = Some(Rule::Excluded("clip*".to_owned()));
        assert_eq!(rule_of(&watch, "clip.temp.mp4"), excluded);
        watch.exclude = globs(&[]);
        watch.watching.structures = Structures::of([Structure::Temporary]);
        assert_eq!(rule_of(&watch, "clip.f137.mp4"), None);
        assert_eq!(rule_of(&watch, "clip.temp.mp4"), temporary);
    }

    #[test]
    fn companions_are_no_videos_whatever_is_included() {
        let mut all = watch(Path::new("/v"));
        all.include = globs(&["*"]);
        all.metadata.wait_for = vec![Marker::parse("{stem}.srt").unwrap()];
        let companion = Verdict::Ignored(Rule::Companion);
        for (name, sidecar) in [("a.json", true), ("x/a.mp4.toml", true), ("a.srt", false)] {
            assert_eq!(verdict(&all, &at(name)), companion, "{name}");
            assert_eq!(is_sidecar(&all, &at(name)), sidecar, "{name}");
        }
        assert_eq!(verdict(&all, &at("a.txt")), Verdict::Taken);
        all.recursive = false;
        for name in ["x/a.json", ".a.json", "a.mp4", "a.mp4.jw.json"] {
            assert!(!is_sidecar(&all, &at(name)), "{name}");
        }
    }

    #[test]
    fn folders() {
        let cases = [
            ("x/.git/a.mp4", Rule::HiddenFolder(".git".to_owned())),
            ("x/.~tmp~/a.mp4", Rule::SystemFolder(".~tmp~".to_owned())),
            ("@eaDir/a.mp4", Rule::SystemFolder("@eaDir".to_owned())),
            (
                "lost+found/a.mp4",
                Rule::SystemFolder("lost+found".to_owned()),
            ),
            (
                "attic/deep/a.mp4",
                Rule::ExcludedFolder {
                    folder: "attic".to_owned(),
                    pattern: "attic".to_owned(),
                },
            ),
        ];
        for (path, rule) in cases {
            assert_eq!(rule_of(path), Some(rule), "{path}");
        }
        let mut flat = watch(Path::new("/v"));
        assert_eq!(descend(&flat, &at("x")), Verdict::Taken);
        assert_eq!(
            descend(&flat, &at(".x")),
            Verdict::Ignored(Rule::HiddenFolder(".x".to_owned()))
        );
        flat.recursive = false;
        assert_eq!(descend(&flat, &at("")), Verdict::Taken);
        assert_eq!(
            descend(&flat, &at("x")),
            Verdict::Ignored(Rule::NotRecursive)
        );
        assert_eq!(
            verdict(&flat, &at("x/a.mp4")),
            Verdict::Ignored(Rule::NotRecursive)
        );
        assert_eq!(verdict(&flat, &at("a.mp4")), Verdict::Taken);
        assert_eq!(
            verdict(&flat, Path::new("/vv/a.mp4")),
            Verdict::Ignored(Rule::Outside)
        );
    }

    #[test]
    fn what_was_put_aside_and_the_notes_are_left_alone() {
        let mut watch = watch(Path::new("/v"));
        watch.include = globs(&["*"]);
        watch.afterwards.move_to = Some("/v/up/done".into());
        watch.afterwards.failed_dir = Some("/elsewhere".into());
        let aside = Rule::Aside {
            folder: "/v/up/done".to_owned(),
            key: "move-to",
        };
        let rule_of = |path: &str| find_rule(&watch, &at(path));
        assert_eq!(rule_of("up/done/x/a.mp4"), Some(aside.clone()));
        assert_eq!(descend(&watch, &at("up/done")), Verdict::Ignored(aside));
        assert_eq!(descend(&watch, &at("up")), Verdict::Taken);
        assert_eq!(rule_of("up/done.mp4"), None);
        assert_eq!(rule_of("a.mp4.failed.txt"), Some(Rule::Note));
        assert_eq!(rule_of("a.mp4.jw.json"), Some(Rule::Note));
        assert_eq!(rule_of("a.json"), Some(Rule::Companion));
    }

    #[test]
    fn a_rule_is_said_in_plain_words() {
        assert_eq!(
            Rule::Partial(".part").to_string(),
            "its name ends in .part, which marks a file still being written"
        );
        assert_eq!(
            Rule::Excluded("draft-*".to_owned()).to_string(),
            "it matches exclude pattern \"draft-*\""
        );
    }
}
