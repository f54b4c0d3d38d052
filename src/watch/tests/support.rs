//! What the tests of watching share: a watch on a temporary folder, and waiting with a deadline.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use globset::{GlobBuilder, GlobSetBuilder};
use tempfile::TempDir;

use crate::config::{Afterwards, Globs, MetadataOptions, Method, OnReplace, Watch, Watching};
use crate::watch::{Handle, KnownFiles, Report, SettledFile, Waiting, start_watching};

/// Compiled patterns, which match in any case.
pub(crate) fn globs(patterns: &[&str]) -> Globs {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(
            GlobBuilder::new(pattern)
                .case_insensitive(true)
                .build()
                .unwrap(),
        );
    }
    let patterns = patterns
        .iter()
        .map(|pattern| (*pattern).to_owned())
        .collect();
    Globs {
        patterns,
        set: set.build().unwrap(),
    }
}

/// A watch named "test".
pub(crate) fn watch(path: &Path) -> Watch {
    Watch {
        name: "test".to_owned(),
        path: path.to_path_buf(),
        account: "main".to_owned(),
        recursive: true,
        include: globs(&["*.mp4", "*.mov"]),
        exclude: globs(&[]),
        settle: Duration::from_millis(200),
        watching: Watching::default(),
        method: Method::Auto,
        public_url: None,
        allow_private_urls: false,
        metadata: MetadataOptions::default(),
        on_replace: OnReplace::default(),
        afterwards: Afterwards::default(),
        priority: 0,
    }
}

/// A little MP4 with its index at the end, as far as boxes go; and the same without the index.
pub(crate) fn mp4() -> (Vec<u8>, Vec<u8>) {
    let part = |kind: &[u8; 4]| [&[0, 0, 0, 16], &kind[..], &[7; 8]].concat();
    let half = [part(b"ftyp"), part(b"mdat")].concat();
    ([half.clone(), part(b"moov")].concat(), half)
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running watch on a temporary folder, and all reports so far.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) watch: Watch,
    handle: Option<Handle>,
    reports: mpsc::Receiver<Report>,
    pub(crate) seen: Vec<(Instant, Report)>,
}

impl Bench {
    /// Starts watching `root`, a folder inside a temporary one.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {}, |_| {})
    }

    /// The same, after a change of the configuration and a preparation of the root.
    pub(crate) fn start_with(
        configure: impl FnOnce(&mut Watch),
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        prepare(&root);
        let mut watch = watch(&root);
        configure(&mut watch);
        Self::on(dir, watch)
    }

    /// Starts a watch on a folder that is already; `dir` is deleted in the end.
    pub(crate) fn on(dir: TempDir, watch: Watch) -> Self {
        Self::knowing(dir, watch, KnownFiles::none())
    }

    /// The same, with files that need not settle again.
    pub(crate) fn knowing(dir: TempDir, watch: Watch, known: KnownFiles) -> Self {
        let known = Cell::new(Some(known));
        let tell = |_: &Watch| known.take().unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
        let handle = start_watching(
            std::slice::from_ref(&watch),
            tell,
            sender,
            &crate::watch::FolderLocks::default(),
        )
        .unwrap();
        // The standard library's channel can wait with a deadline outside a runtime.
        let (forward, reports) = mpsc::channel();
        std::thread::spawn(move || {
            while let Some(report) = receiver.blocking_recv() {
                if forward.send(report).is_err() {
                    return;
                }
            }
        });
        let mut bench = Self {
            dir,
            watch,
            handle: Some(handle),
            reports,
            seen: Vec::new(),
        };
        bench.until("the first scan", |report| {
            matches!(report, Report::Scanned { .. })
        });
        bench
    }

    /// A path below the root.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.watch.path.join(name)
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    /// Stops the watch, and returns how long that took.
    pub(crate) fn stop(&mut self) -> Duration {
        let began = Instant::now();
        self.handle.take().unwrap().stop();
        began.elapsed()
    }

    /// Waits for a report, and keeps all others.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Report) -> bool) -> Report {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(report) = self.reports.recv_timeout(left) else {
                panic!("{what} did not come; all reports: {:#?}", self.seen);
            };
            self.seen.push((Instant::now(), report.clone()));
            if wanted(&report) {
                return report;
            }
        }
    }

    /// Waits until this path settles.
    pub(crate) fn settled(&mut self, path: &Path) -> SettledFile {
        match self.until(&format!("settling of {path:?}"), |report| {
            is_settled(report, path)
        }) {
            Report::Settled(file) => file,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until this path has settled, now or before.
    pub(crate) fn settled_ever(&mut self, path: &Path) {
        if self.times_settled(path) == 0 {
            self.settled(path);
        }
    }

    /// Waits until this path waits for that.
    pub(crate) fn waiting(&mut self, path: &Path, reason: Waiting) {
        self.until(&format!("{path:?} waiting: {reason}"), |report| {
            matches!(report, Report::Waiting { path: at, why, .. } if at == path && *why == reason)
        });
    }

    /// Whether this path was reported to wait for that.
    pub(crate) fn was_waiting(&self, path: &Path, reason: Waiting) -> bool {
        self.seen.iter().any(|(_, report)| {
            matches!(report, Report::Waiting { path: at, why, .. } if at == path && *why == reason)
        })
    }

    /// Takes reports for a time in which something must **not** happen.
    pub(crate) fn quietly(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while let Ok(report) = self
            .reports
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.seen.push((Instant::now(), report));
        }
    }

    /// Waits until the watch has nothing to do, by its own word.
    pub(crate) fn idle(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.handle().idle() {
            assert!(
                Instant::now() < deadline,
                "not idle; all reports: {:#?}",
                self.seen
            );
            self.quietly(Duration::from_millis(10));
        }
        self.quietly(Duration::from_millis(10));
    }

    /// How often a path settled so far.
    pub(crate) fn times_settled(&self, path: &Path) -> usize {
        self.seen
            .iter()
            .filter(|(_, report)| is_settled(report, path))
            .count()
    }

    /// How many files settled so far.
    pub(crate) fn all_settled(&self) -> usize {
        self.seen
            .iter()
            .filter(|(_, report)| matches!(report, Report::Settled(_)))
            .count()
    }
}

fn is_settled(report: &Report, path: &Path) -> bool {
    matches!(report, Report::Settled(file) if file.path == path)
}
