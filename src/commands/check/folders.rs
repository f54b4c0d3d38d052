//! The watch folders: what is in them, and whether the kernel can report writers there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::finding::Finding;
use crate::config::Watch;
use crate::patience;
use crate::watch::census::{Census, Entry};
use crate::watch::place;
use crate::watch::select::Rule;
use crate::watch::writer::{self, Reason, Writer};
use crate::watch::{self, Locking};
use crate::wording::text;

/// How many entries are looked at in one watch; a check must end soon.
const PATIENCE: usize = 100_000;

/// How long one step may take: the names of a large folder come all at once.
const SILENCE: Duration = Duration::from_secs(20);

/// How many files of one watch are opened, to see whether they can be read.
const TRIED: usize = 1000;

/// What the folders of one watch hold, as the daemon sees them.
#[derive(Debug, Default)]
struct Holding {
    /// Files that the watch takes.
    taken: usize,
    /// Files and links that it leaves alone.
    left: usize,
    /// Folders, the watch folder among them.
    folders: usize,
    /// The first of the taken files that can be read, to try the probe on.
    sample: Option<PathBuf>,
    /// Files that cannot be read, among those that were tried.
    closed: usize,
    /// The first of them, and why.
    first_closed: Option<String>,
    /// A folder that cannot be listed, and why.
    unreadable: Vec<String>,
    /// The symlinks that would lead on without end, and why.
    endless: Vec<String>,
    /// Whether counting was broken off.
    partial: bool,
}

/// Looks at the folder of a watch; answers how many folders there are, too. One that is missing or unreadable was
/// reported as a fault of the configuration. `daemon_runs`: that of this configuration, which has its folders locked
/// then.
pub(super) fn check_folder(watch: &Watch, daemon_runs: Option<bool>) -> (usize, Vec<Finding>) {
    // The probe's lease may be broken by a writer that comes in just then.
    writer::ignore_sigio();
    let (step, steps) = mpsc::sync_channel(1024);
    let owned = watch.clone();
    let looking = thread::Builder::new().spawn(move || {
        let found = look_at_folder(&owned, daemon_runs, &|| drop(step.send(None)));
        drop(step.send(Some(found)));
    });
    if looking.is_err() {
        return (0, Vec::new());
    }
    loop {
        match steps.recv_timeout(SILENCE) {
            Ok(Some(found)) => return found,
            Ok(None) => {}
            Err(_) => {
                let (shown, why) = (text::path(&watch.path), patience::unanswered(SILENCE));
                let text = format!("a folder or file in {shown} {why}");
                return (
                    0,
                    vec![Finding::fail(format!("watch {}", watch.name), text)],
                );
            }
        }
    }
}

/// Blocks for as long as the disk does; calls `step` while it gets on.
fn look_at_folder(
    watch: &Watch,
    daemon_runs: Option<bool>,
    step: &dyn Fn(),
) -> (usize, Vec<Finding>) {
    if !watch.path.is_dir() {
        return (0, Vec::new());
    }
    let holding = Holding::of(watch, step);
    if holding.folders == 0 {
        // Not even the watch folder can be listed: a fault of the configuration too.
        return (0, Vec::new());
    }
    let mut findings = holding.findings(watch);
    findings.extend(lock(watch, daemon_runs));
    (holding.folders, findings)
}

impl Holding {
    fn of(watch: &Watch, step: &dyn Fn()) -> Self {
        let mut holding = Self::default();
        let mut census = Census::new(watch.clone());
        let mut seen = 0;
        while let Some(entry) = census.next() {
            seen += 1;
            step();
            if seen + census.folders() > PATIENCE {
                holding.partial = true;
                break;
            }
            holding.count(entry);
        }
        holding.folders = census.folders();
        holding
    }

    fn count(&mut self, entry: Entry) {
        match entry {
            Entry::File(path, _) => {
                self.taken += 1;
                if self.taken <= TRIED {
                    self.try_to_read(path);
                }
            }
            Entry::Ignored(path, Rule::SymbolicLink(refusal)) if refusal.is_endless() => {
                self.left += 1;
                self.endless
                    .push(format!("{} is not followed: {refusal}", text::path(&path)));
            }
            Entry::Ignored(..) | Entry::Beside(_) => self.left += 1,
            Entry::Trouble(path, error) => {
                self.taken += 1;
                self.note_closed(&path, &error);
            }
            Entry::FolderTrouble(folder, error) => {
                let folder = text::path(&folder);
                self.unreadable.push(format!("{folder}: {error}"));
            }
            // One that is left alone was wanted so; and what is offline is a fault of the configuration.
            Entry::IgnoredFolder(..) | Entry::Offline(..) => {}
        }
    }

    fn try_to_read(&mut self, path: PathBuf) {
        match place::open_regular(&path) {
            Ok(_) => drop(self.sample.get_or_insert(path)),
            Err(error) => self.note_closed(&path, &error),
        }
    }

    fn note_closed(&mut self, path: &Path, error: &io::Error) {
        self.closed += 1;
        self.first_closed
            .get_or_insert_with(|| format!("{}: {error}", text::path(path)));
    }

    fn findings(&self, watch: &Watch) -> Vec<Finding> {
        let subject = format!("watch {}", watch.name);
        let more = if self.partial { "more than " } else { "" };
        let left = match self.left {
            0 => String::new(),
            left => format!(", and ignores {left}"),
        };
        let counted = format!("it takes {more}{}{left}", text::count(self.taken, "file"));
        let mut findings = vec![Finding::ok(
            subject.clone(),
            format!("{}: {counted}", text::path(&watch.path)),
        )];
        findings.extend(self.unreadable.iter().map(|folder| {
            Finding::fail(
                subject.clone(),
                format!("{folder}; let the daemon's user read and enter it, or exclude it"),
            )
        }));
        findings.extend(
            self.endless.iter().map(|link| {
                Finding::warn(subject.clone(), format!("the symlink {link}; remove it"))
            }),
        );
        findings.extend(companions(watch).map(|text| Finding::warn(subject.clone(), text)));
        if let Some(first) = &self.first_closed {
            let text = match self.closed {
                1 => format!("one file cannot be read, {first}; let the daemon's user read it"),
                many => format!(
                    "{many} files cannot be read, the first is {first}; let the daemon's user read them"
                ),
            };
            findings.push(Finding::warn(subject.clone(), text));
        }
        let tried = self.sample.as_deref().unwrap_or(&watch.path);
        if let Some(text) = blind(tried, self.sample.is_some()) {
            findings.push(Finding::warn(subject, text));
        }
        findings
    }
}

/// What is named a companion though it may be a video, so that people wonder why it is not uploaded.
fn companions(watch: &Watch) -> impl Iterator<Item = String> {
    let marker = watch
        .watching
        .done_marker
        .iter()
        .map(|one| ("done-marker", one));
    let awaited = watch.metadata.wait_for.iter().map(|one| ("wait-for", one));
    marker.chain(awaited).filter_map(|(key, marker)| {
        let takes = |pattern: &&String| marker.takes_all_of(pattern);
        let files = watch.include.patterns.iter().find(takes)?;
        Some(format!(
            "{key} {:?} names all files {files}: they count as companions, and none of them is uploaded",
            marker.pattern()
        ))
    })
}

/// Whether the daemon can have the folder for itself; nothing where it can, or has it.
fn lock(watch: &Watch, daemon_runs: Option<bool>) -> Option<Finding> {
    let subject = format!("watch {}", watch.name);
    match watch::probe_lock(&watch.path).ok()? {
        Locking::Works => None,
        Locking::Refused(error) => Some(Finding::warn(
            subject,
            format!(
                "the filesystem of {} cannot lock it: {error}; make sure that no second daemon on this machine watches \
                 it, which would not be noticed",
                text::path(&watch.path)
            ),
        )),
        Locking::Taken(taken) => {
            (daemon_runs == Some(false)).then(|| Finding::fail(subject, taken.to_string()))
        }
    }
}

/// Why it is impossible to tell whether a file is still being written, if so.
fn blind(tried: &Path, is_file: bool) -> Option<String> {
    let longer = "files there wait three times `settle`";
    let file = place::open_regular(tried).ok()?;
    match writer::probe(&file) {
        Writer::None | Writer::Present => None,
        Writer::Unknown(reason @ Reason::NoRight) => Some(format!(
            "{reason}; give it CAP_LEASE (the unit file does); until then {longer}"
        )),
        // A folder has no leases anywhere; only what is said of the filesystem counts.
        Writer::Unknown(reason @ Reason::Remote(_)) => Some(format!("{reason}; {longer}")),
        Writer::Unknown(reason) => is_file.then(|| format!("{reason}; {longer}")),
    }
}
