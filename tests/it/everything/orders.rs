//! What is done to the daemon: commands, signals, kills, another configuration.

use std::time::Instant;

use super::people::any;
use super::places::{self, PLACES};
use super::world::{Later, World};
use crate::support::{Dice, wait_for};

impl World {
    /// A job of this kind, any of them.
    fn some_job(&self, dice: &mut Dice, which: &str) -> Option<i64> {
        let count = self.number_of(&format!("SELECT count(*) FROM jobs WHERE {which}"));
        let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
        let skip = dice.below(count);
        let sql = format!("SELECT id FROM jobs WHERE {which} ORDER BY id LIMIT 1 OFFSET {skip}");
        self.site.value(&sql)
    }

    /// A command about jobs.
    pub(super) fn command(&mut self, dice: &mut Dice) {
        // A stopped daemon may hold the table.
        if self.stopped.is_some() {
            return;
        }
        let (verb, which) = match dice.below(20) {
            0..5 => ("cancel", "state IN ('queued', 'running', 'failed')"),
            5..8 => ("retry", "state = 'failed' AND held = 1"),
            8 => ("retry", "state = 'duplicate'"),
            9..13 => (
                "retry",
                "state IN ('failed', 'cancelled', 'queued') AND superseded = 0",
            ),
            13 => return self.retry_failed(),
            14..17 => ("bump", "state = 'queued'"),
            _ => return self.add(dice),
        };
        let Some(job) = self.some_job(dice, which) else {
            return;
        };
        let said = self.said(&[verb, &job.to_string()]);
        if verb == "cancel" && said.contains("is cancelled") {
            self.books.cancelled.insert(job);
        }
        self.count(verb);
    }

    fn retry_failed(&mut self) {
        self.said(&["retry", "--failed"]);
        self.count("retry --failed");
    }

    fn add(&mut self, dice: &mut Dice) {
        if let Some((path, id)) = self.some_file(dice) {
            let said = self.said(&["add", path.to_str().unwrap()]);
            self.books.note(Some(id), said);
            self.count("add");
        }
    }

    /// What a command prints.
    pub(super) fn said(&mut self, args: &[&str]) -> String {
        let output = self.site.command(args);
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said += &String::from_utf8_lossy(&output.stderr);
        self.books
            .by_hand
            .extend(said.lines().filter_map(made_by_hand));
        self.books.note(
            None,
            format!("jw-ingest {}: {}", args.join(" "), said.trim_end()),
        );
        said
    }

    pub(super) fn kill(&mut self, dice: &mut Dice) {
        // A daemon that starts into an outage spends the calls of its first minute on it, and rests.
        if self.outage && dice.below(4) > 0 {
            return;
        }
        let Some(daemon) = self.daemon.take() else {
            return;
        };
        self.end_stop();
        daemon.kill9();
        self.books.note(None, "kill -9".to_owned());
        self.count("kill -9");
        let pause = if dice.below(3) == 0 {
            dice.below(1_500)
        } else {
            0
        };
        self.after(pause, Later::Start);
    }

    pub(super) fn start(&mut self) {
        if self.daemon.is_none() {
            self.daemon = Some(self.site.start());
            self.books.note(None, "the daemon is started".to_owned());
        }
    }

    fn signal(&mut self, name: &str) {
        if name == "HUP" {
            self.wait_until_it_listens();
        }
        if let Some(daemon) = &self.daemon {
            daemon.signal(name);
            self.books.note(None, format!("kill -{name}"));
        }
    }

    /// As systemd does, which waits for a service to be ready.
    fn wait_until_it_listens(&mut self) {
        let is_deaf = self
            .daemon
            .as_ref()
            .is_some_and(|daemon| !daemon.is_listening());
        if is_deaf {
            // One that was stopped as it started gets no further.
            self.go_on();
        }
        if let Some(daemon) = &mut self.daemon {
            let mut is_awake = || daemon.has_ended() || daemon.is_listening();
            wait_for("the daemon to listen", || is_awake().then_some(()));
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.signal("HUP");
        self.count("HUP");
    }

    pub(super) fn stop(&mut self, dice: &mut Dice) {
        if self.stopped.is_none() && self.daemon.is_some() {
            self.signal("STOP");
            self.stopped = Some(Instant::now());
            self.count("STOP");
            self.after(100 + dice.below(2_500), Later::Continue);
        }
    }

    pub(super) fn go_on(&mut self) {
        if self.stopped.is_some() {
            self.signal("CONT");
            self.end_stop();
        }
    }

    fn end_stop(&mut self) {
        if let Some(since) = self.stopped.take() {
            self.books.stopped.push((since, Instant::now()));
        }
    }

    /// A watch is taken out, and put back later.
    pub(super) fn reconfigure(&mut self, dice: &mut Dice) {
        let out = any(dice, &PLACES).unwrap();
        self.configure(&[out.name]);
        self.count("watch taken out");
        self.after(500 + dice.below(4_000), Later::Configure);
    }

    pub(super) fn configure(&mut self, without: &[&str]) {
        places::configure(&self.site, &self.platforms, without);
        self.books
            .note(None, format!("configured without {without:?}"));
        self.signal("HUP");
    }
}

/// The job of an answer such as `job 7 is queued again, and becomes another video`, even if it is a copy. What only
/// says that it could be, as of a job that is held, is no order.
fn made_by_hand(line: &str) -> Option<i64> {
    let (before, _) = line.split_once(" is queued again, and becomes ")?;
    before.rsplit_once("job ")?.1.parse().ok()
}
