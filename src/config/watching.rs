//! `[[watch]]`: how its files are found, and what says that one is whole.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::section::Section;
use super::structures::Structures;
use super::value;

/// How a watch finds its files, and when it takes one for whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watching {
    /// By events, by polling, or as the filesystem wants it.
    pub mode: Mode,
    /// The shortest time from one look at everything to the next, where files are found by polling.
    /// A large folder is looked at less often.
    pub poll_interval: Duration,
    /// How long a file must rest where every sign says that it is complete; never more than `settle`.
    pub settle_complete: Duration,
    /// How long a file whose container is incomplete may stay unchanged before it counts as failed.
    pub incomplete_after: Duration,
    /// The file beside a video that says that it is whole; then nothing else counts.
    pub done_marker: Option<Marker>,
    /// Whether symbolic links to folders inside the watch folder are followed.
    pub follow_links: bool,
    /// By which rules files that programs make on their way are left alone.
    pub structures: Structures,
    /// Whether the first bytes of a file are looked at before a video is created for it.
    pub preflight: bool,
}

/// How files are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By events, unless the filesystem is one that does not announce what others do in it.
    Auto,
    /// By events.
    Events,
    /// By polling.
    Poll,
}

/// The settle time where none is written.
pub(super) const SETTLE: Duration = Duration::from_secs(10);

/// The settle time of what is complete by every sign, where none is written.
const SETTLE_COMPLETE: Duration = Duration::from_secs(2);

impl Default for Watching {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            poll_interval: Duration::from_secs(10),
            settle_complete: SETTLE_COMPLETE,
            incomplete_after: Duration::from_hours(1),
            done_marker: None,
            follow_links: false,
            structures: Structures::default(),
            preflight: true,
        }
    }
}

impl Watching {
    /// Reads its keys; `settle` is the watch's settle time.
    pub(super) fn read(section: &mut Section<'_>, settle: Duration) -> Self {
        const DAY: Duration = Duration::from_hours(24);
        let least = Duration::from_millis(100);
        let default = Self::default();
        Self {
            mode: section.get("mode", mode).unwrap_or(default.mode),
            poll_interval: section
                .get("poll-interval", |v| value::duration(v, least..=DAY))
                .unwrap_or(default.poll_interval),
            settle_complete: settle_complete(section, settle),
            incomplete_after: section
                .get("incomplete-after", |v| value::duration(v, least..=DAY * 30))
                .unwrap_or(default.incomplete_after),
            done_marker: section.get("done-marker", |value| {
                value::text(value).and_then(|text| Marker::parse(&text))
            }),
            follow_links: section
                .get("follow-links", value::flag)
                .unwrap_or(default.follow_links),
            structures: Structures::read(section),
            preflight: section
                .get("preflight", value::flag)
                .unwrap_or(default.preflight),
        }
    }
}

/// A user who writes a longer `settle` than the default wants that much rest for every file.
fn settle_complete(section: &mut Section<'_>, settle: Duration) -> Duration {
    let bounds = Duration::from_millis(100)..=Duration::from_hours(24);
    let written = section.get("settle-complete", |value| value::duration(value, bounds));
    match written {
        Some(written) if written > settle => {
            let message = "longer than settle, so that a file that is surely complete would wait \
                           longer than any other; write a longer settle too";
            section.fault("settle-complete", message);
            settle
        }
        Some(written) => written,
        None if settle > SETTLE => settle,
        None => SETTLE_COMPLETE.min(settle),
    }
}

fn mode(value: &DeValue<'_>) -> Result<Mode, String> {
    match value::text(value)?.as_str() {
        "auto" => Ok(Mode::Auto),
        "events" => Ok(Mode::Events),
        "poll" => Ok(Mode::Poll),
        other => Err(format!(
            "{other:?} is not a mode; expected one of: auto, events, poll"
        )),
    }
}

/// The pattern of a done-marker's name: `{name}` or `{stem}` with something around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    before: String,
    after: String,
    part: Part,
}

/// What of a video's name its marker repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it.
    Name,
    /// All but the extension.
    Stem,
}

impl Marker {
    /// Reads a pattern such as `{name}.done`.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let write = "write one like \"{name}.done\" or \"{stem}.ok\"";
        let split = |placeholder, part| {
            let (before, after) = pattern.split_once(placeholder)?;
            Some((before.to_owned(), after.to_owned(), part))
        };
        let Some((before, after, part)) =
            split("{name}", Part::Name).or_else(|| split("{stem}", Part::Stem))
        else {
            return Err(format!("{pattern:?} names no video; {write}"));
        };
        if before.is_empty() && after.is_empty() {
            return Err(format!("{pattern:?} would be the video itself; {write}"));
        }
        let around = [&before, &after];
        if around.iter().any(|text| text.contains(['/', '{', '}'])) {
            return Err(format!(
                "{pattern:?}: expected one placeholder and no folder; {write}"
            ));
        }
        Ok(Self {
            before,
            after,
            part,
        })
    }

    /// The marker of a video, which is beside it.
    pub(crate) fn of(&self, video: &Path) -> Option<PathBuf> {
        let part = match self.part {
            Part::Name => video.file_name(),
            Part::Stem => video.file_stem(),
        }?;
        let name = [
            self.before.as_bytes(),
            part.as_bytes(),
            self.after.as_bytes(),
        ]
        .concat();
        Some(video.with_file_name(OsString::from_vec(name)))
    }

    /// Whether a file of this name is a marker.
    pub(crate) fn is_one(&self, name: &OsStr) -> bool {
        let name = name.as_bytes();
        name.starts_with(self.before.as_bytes())
            && name.ends_with(self.after.as_bytes())
            && name.len() > self.before.len() + self.after.len()
    }

    /// Whether all files that a pattern of `include` such as `*.wav` names would be markers, so that none is a video.
    pub(crate) fn takes_all_of(&self, include: &str) -> bool {
        let ending = include.strip_prefix('*');
        let ends_so = |ending: &str| ending.to_lowercase().ends_with(&self.after.to_lowercase());
        self.before.is_empty() && !self.after.is_empty() && ending.is_some_and(ends_so)
    }

    /// As it was written.
    pub(crate) fn pattern(&self) -> String {
        let part = match self.part {
            Part::Name => "{name}",
            Part::Stem => "{stem}",
        };
        [&self.before, part, &self.after].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    #[test]
    fn markers_belong_to_videos() {
        for (pattern, marker) in [
            ("{name}.done", "/v/clip.mp4.done"),
            ("{stem}.ok", "/v/clip.ok"),
            ("done-{name}", "/v/done-clip.mp4"),
        ] {
            let pattern = Marker::parse(pattern).unwrap();
            let path = Path::new("/v/clip.mp4");
            assert_eq!(pattern.of(path).as_deref(), Some(Path::new(marker)));
            assert!(pattern.is_one(Path::new(marker).file_name().unwrap()));
            assert!(!pattern.is_one(OsStr::new("clip.mp4")));
        }
        let done = Marker::parse("{name}.done").unwrap();
        assert!(!done.is_one(OsStr::new(".done")), "of no video");
    }

    #[test]
    fn a_marker_that_takes_all_files_of_a_kind_is_known() {
        for (pattern, include, takes) in [
            ("{name}.mpg", "*.MPG", true),
            ("{stem}.wav", "*.wav", true),
            ("{stem}g", "*.mpg", true),
            ("{stem}.wav", "*.mpg", false),
            ("{stem}_proxy.mp4", "*.mp4", false),
            ("proxy-{stem}.mp4", "*.mp4", false),
            ("{stem}.mp4", "raw/*.mp4", false),
        ] {
            let marker = Marker::parse(pattern).unwrap();
            assert_eq!(marker.takes_all_of(include), takes, "{pattern} {include}");
            assert_eq!(marker.pattern(), pattern);
        }
    }

    #[test]
    fn each_fault_is_refused() {
        let fixture = Fixture::new();
        for (line, says) in [
            (
                "mode = \"inotify\"",
                "\"inotify\" is not a mode; expected one of: auto, events, poll",
            ),
            ("poll-interval = 5", "poll-interval: 5 has no unit"),
            ("poll-interval = \"2d\"", "too long; at most 1d"),
            ("incomplete-after = \"0s\"", "too short; at least 100ms"),
            ("settle-complete = 2", "settle-complete: 2 has no unit"),
            (
                "settle-complete = \"11s\"",
                "settle-complete: longer than settle, so that",
            ),
            (
                "done-marker = \"done\"",
                "done-marker: \"done\" names no video; write one like \"{name}.done\"",
            ),
            ("done-marker = \"{name}\"", "would be the video itself"),
            (
                "done-marker = \"{name}{stem}\"",
                "expected one placeholder and no folder",
            ),
            (
                "done-marker = \"ok/{name}\"",
                "expected one placeholder and no folder",
            ),
            ("done-marker = true", "expected a text in quotes"),
        ] {
            let written = format!("name = \"news\"\n{line}");
            fixture.refuses(("name = \"news\"", &written, 7, says));
        }
    }

    #[test]
    fn what_is_written_is_taken() {
        let written = "name = \"news\"\nmode = \"poll\"\npoll-interval = \"3s\"\n\
                       incomplete-after = \"2h\"\ndone-marker = \"{stem}.ok\"\nfollow-links = true\n\
                       preflight = false";
        let text = LEAST.replace("name = \"news\"", written);
        let config = Fixture::new().parse(&text).unwrap();
        let expected = Watching {
            settle_complete: Duration::from_secs(2),
            mode: Mode::Poll,
            poll_interval: Duration::from_secs(3),
            incomplete_after: Duration::from_hours(2),
            done_marker: Some(Marker::parse("{stem}.ok").unwrap()),
            follow_links: true,
            structures: Structures::default(),
            preflight: false,
        };
        assert_eq!(config.watches[0].watching, expected);
    }

    #[test]
    fn a_longer_settle_is_a_promise_for_every_file() {
        for (keys, expected) in [
            ("", 2000),
            ("settle = \"10s\"", 2000),
            ("settle = \"500ms\"", 500),
            ("settle = \"11s\"", 11_000),
            ("settle = \"60s\"", 60_000),
            ("settle = \"60s\"\nsettle-complete = \"2s\"", 2000),
            ("settle = \"5s\"\nsettle-complete = \"5s\"", 5000),
        ] {
            let text = LEAST.replace("name = \"news\"", &format!("name = \"news\"\n{keys}"));
            let config = Fixture::new().parse(&text).unwrap();
            let found = config.watches[0].watching.settle_complete;
            assert_eq!(found, Duration::from_millis(expected), "{keys}");
        }
    }
}
