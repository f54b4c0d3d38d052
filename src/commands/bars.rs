//! All progress bars of the process, below the log and below what a command prints.
//!
//! There is one screen for them: code that writes lines has to move the bars aside, and can do so
//! only for bars that it knows of.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ingest::{Live, Upload};
use crate::queue::JobId;
use crate::wording::text;
use crate::wording::time::span;

/// How often the bars move.
const PAUSE: Duration = Duration::from_millis(200);

/// An upload's bar; the last part is cut where the terminal is too narrow.
const UPLOAD: &str = "{prefix:.dim} {bar:16} {percent:>3} % {wide_msg}";

/// The bars of this process; the log has to know them, so that the two do not write over each other.
static SCREEN: OnceLock<MultiProgress> = OnceLock::new();

fn screen() -> &'static MultiProgress {
    SCREEN.get_or_init(MultiProgress::new)
}

/// Writes something to the terminal while no bar is in the way.
pub(super) fn aside<R>(write: impl FnOnce() -> R) -> R {
    match SCREEN.get() {
        Some(screen) => screen.suspend(write),
        None => write(),
    }
}

/// One bar, which goes from the screen with this value. Where standard error is no terminal,
/// nothing is drawn.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar of `length` that looks as the template says; it is drawn when it first moves.
    pub(super) fn new(template: &str, length: u64) -> Self {
        // In this order: a bar that is drawn before it has its style shows the library's own.
        let bar = ProgressBar::new(length).with_style(bar_style(template));
        Self(screen().add(bar))
    }

    /// Changes how it looks from the next move on.
    #[cfg(feature = "sandbox")]
    pub(super) fn restyle(&self, template: &str) {
        self.0.set_style(bar_style(template));
    }

    /// Moves it, with new words beside it.
    pub(super) fn at(&self, position: u64, words: impl Into<String>) {
        self.0.set_message(words.into());
        self.0.set_position(position);
        self.0.tick();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        screen().remove(&self.0);
    }
}

fn bar_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// "540.0 MB of 1.2 GB", in the units of everything else.
pub(super) fn so_far(sent: u64, size: u64) -> String {
    let said = |bytes: u64| text::size(i64::try_from(bytes).unwrap_or(i64::MAX));
    format!("{} of {}", said(sent), said(size))
}

/// The drawing of the running uploads.
pub(super) struct Drawing {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Draws the running uploads until [`Drawing::end`].
pub(super) fn draw(runtime: &Runtime, live: &Live) -> Drawing {
    let stop = CancellationToken::new();
    let (live, ended) = (live.clone(), stop.clone());
    let task = runtime.spawn(async move {
        if !console::Term::stderr().is_term() {
            return;
        }
        let mut bars = HashMap::new();
        while !ended.is_cancelled() {
            update_bars(&mut bars, &live.uploads(), Instant::now());
            drop(tokio::time::timeout(PAUSE, ended.cancelled()).await);
        }
    });
    Drawing { stop, task }
}

impl Drawing {
    /// Takes all bars from the screen.
    pub(super) fn end(self, runtime: &Runtime) {
        self.stop.cancel();
        if let Err(error) = runtime.block_on(self.task) {
            tracing::debug!(%error, "the progress bars did not end cleanly");
        }
    }
}

fn update_bars(bars: &mut HashMap<JobId, (Bar, Pace)>, uploads: &[Upload], now: Instant) {
    bars.retain(|job, _| uploads.iter().any(|upload| upload.job == *job));
    for upload in uploads {
        let (bar, pace) = bars.entry(upload.job).or_insert_with(|| {
            let bar = Bar::new(UPLOAD, upload.size);
            bar.0.set_prefix(format!("job {}", upload.job));
            (bar, Pace::default())
        });
        let rate = pace.rate(upload.sent, now);
        bar.at(upload.sent, describe_upload(upload, rate));
    }
}

/// "540.0 MB of 1.2 GB, 11.0 MB/s, 1 min left  film.mp4"
fn describe_upload(upload: &Upload, rate: Option<u64>) -> String {
    let mut words = so_far(upload.sent, upload.size);
    if let Some(rate) = rate {
        let left = upload.size.saturating_sub(upload.sent) / rate.max(1);
        words.push_str(", ");
        words.push_str(&text::size(i64::try_from(rate).unwrap_or(i64::MAX)));
        words.push_str("/s, ");
        words.push_str(&span(i64::try_from(left).unwrap_or(i64::MAX)));
        words.push_str(" left");
    }
    let name = upload.path.file_name().map_or(&*upload.path, Path::new);
    words + "  " + &text::path(name)
}

/// Bytes a second over the last moments. The library's own estimate begins with the time since the
/// bar was made, which gives gigabytes a second.
#[derive(Debug, Default)]
struct Pace {
    marks: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// The rate, once it is known.
    fn rate(&mut self, sent: u64, now: Instant) -> Option<u64> {
        if self.marks.back().is_some_and(|(_, last)| sent < *last) {
            // The upload began again.
            self.marks.clear();
        }
        self.marks.push_back((now, sent));
        while self.marks.len() > 2
            && self
                .marks
                .get(1)
                .is_some_and(|(at, _)| now.duration_since(*at) >= LONGEST_SPAN)
        {
            self.marks.pop_front();
        }
        let (since, before) = *self.marks.front()?;
        let span = now.duration_since(since);
        if span < SHORTEST_SPAN {
            return None;
        }
        let milliseconds = span.as_millis().max(1);
        let rate = u128::from(sent - before) * 1000 / milliseconds;
        u64::try_from(rate).ok().filter(|rate| *rate > 0)
    }
}

/// A rate over less would jump about.
const SHORTEST_SPAN: Duration = Duration::from_secs(1);

/// A rate over more would lag behind.
const LONGEST_SPAN: Duration = Duration::from_secs(5);

/// Standard error for the log: the bars make room for each line, and no line can deceive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AboveBars {
    /// Whether the lines are JSON.
    pub json: bool,
}

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The log gives whole lines, which are UTF-8.
        let text = String::from_utf8_lossy(line);
        let shown = if self.json {
            text::visible_json(&text)
        } else {
            text::visible(&text)
        };
        aside(|| io::stderr().write_all(shown.as_bytes()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn a_rate_is_said_only_once_it_is_known() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut pace = Pace::default();
        assert_eq!(pace.rate(50 * MB, at(0)), None);
        assert_eq!(pace.rate(51 * MB, at(200)), None);
        assert_eq!(pace.rate(60 * MB, at(1000)), Some(10 * MB));
        for second in 2..20 {
            let sent = 60 * MB + (second - 1) * MB;
            assert!(pace.rate(sent, at(second * 1000)).is_some());
        }
        assert_eq!(pace.rate(79 * MB, at(20_000)), Some(MB));
        for second in 21..40 {
            pace.rate(79 * MB, at(second * 1000));
        }
        assert_eq!(pace.rate(79 * MB, at(40_000)), None, "nothing moves");
        assert_eq!(pace.rate(MB, at(40_200)), None, "it started again");
    }

    #[test]
    fn figures_are_in_the_units_of_the_tables() {
        let upload = Upload {
            job: JobId(3),
            path: "/srv/video/big\nfilm.mp4".into(),
            size: 1_200 * MB,
            sent: 540 * MB,
        };
        assert_eq!(
            describe_upload(&upload, None),
            "540.0 MB of 1.2 GB  big\\nfilm.mp4"
        );
        assert_eq!(
            describe_upload(&upload, Some(11 * MB)),
            "540.0 MB of 1.2 GB, 11.0 MB/s, 1 min left  big\\nfilm.mp4"
        );
    }
}
