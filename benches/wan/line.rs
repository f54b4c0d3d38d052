//! Two network namespaces and the line between them.
//!
//! The ends have addresses of the loopback range, so that the client takes plain HTTP for good
//! enough. The namespaces' own loopback devices stay down: nothing there but the line.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::child::Child;

/// Addresses of the two ends.
const NEAR: &str = "127.77.0.1";
pub(crate) const FAR: &str = "127.77.0.2";
/// Milliseconds in each direction.
const DELAY: u32 = 40;
const TUNLINK: &str = include_str!("tunlink.c");

/// What a line is like, in each direction.
pub(crate) struct Quality {
    pub(crate) megabits: u32,
    pub(crate) loss_percent: f64,
}

/// What prevents running here.
pub(crate) fn missing() -> Result<(), String> {
    let mut missing = Vec::new();
    // A process's folder belongs to whom it runs as.
    if fs::metadata("/proc/self").is_ok_and(|it| it.uid() != 0) {
        missing.push("root's rights");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in ["cc", "ip", "curl", "sh", "kill"] {
        if !std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
            missing.push(program);
        }
    }
    if !Path::new("/dev/net/tun").exists() {
        missing.push("/dev/net/tun");
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("there is no {} here", missing.join(", no ")))
}

/// How large a connection's send buffer may grow here, which bounds a single stream.
pub(crate) fn send_buffers() -> String {
    let text = fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Two namespaces; they go when it is dropped.
pub(crate) struct Net {
    near: String,
    far: String,
    folder: TempDir,
}

impl Net {
    pub(crate) fn new() -> Result<Self, String> {
        let id = std::process::id();
        let net = Self {
            near: format!("jw-wan-near-{id}"),
            far: format!("jw-wan-far-{id}"),
            folder: tempfile::tempdir().map_err(|error| format!("no folder: {error}"))?,
        };
        for name in [&net.near, &net.far] {
            run(Command::new("ip").args(["netns", "add", name]))?;
            // Addresses of the loopback range on a line, and no run that profits from another.
            let settings = "cd /proc/sys/net/ipv4 && echo 1 >conf/all/route_localnet \
                            && echo 1 >tcp_no_metrics_save";
            run(inside(name, "sh").args(["-c", settings]))?;
        }
        let mut cc = Command::new("cc")
            .args(["-O2", "-pthread", "-xc", "-", "-o"])
            .arg(net.folder.path().join("tunlink"))
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cc: {error}"))?;
        if let Some(mut source) = cc.stdin.take() {
            source.write_all(TUNLINK.as_bytes()).ok();
        }
        match cc.wait() {
            Ok(status) if status.success() => Ok(net),
            _ => Err("cc cannot build tunlink.c (are the kernel's headers there?)".to_owned()),
        }
    }

    /// Joins the two by a line.
    pub(crate) fn join(&self, quality: &Quality) -> Result<Line, String> {
        let mut tunlink = Command::new(self.folder.path().join("tunlink"));
        tunlink.args([&self.near, NEAR, &self.far, FAR]);
        tunlink.args([
            quality.megabits.to_string(),
            DELAY.to_string(),
            quality.loss_percent.to_string(),
        ]);
        let mut child = Child::start(tunlink.stderr(Stdio::piped()))?;
        let (_, counters) = child.first_word()?;
        Ok(Line {
            child,
            counters: Box::new(counters),
        })
    }

    /// Lets connections over the line use this congestion control from now on; says whether the
    /// kernel has it. A route may name it, even where a namespace's own default is not free to.
    pub(crate) fn control_congestion_by(&self, control: &str) -> Result<bool, String> {
        for (name, address) in [(&self.near, NEAR), (&self.far, FAR)] {
            let route = |rest: &[&str]| {
                let mut ip = Command::new("ip");
                ip.args(["-n", name, "route", "replace", "127.77.0.0/30"])
                    .args(["dev", "wan", "scope", "host", "src", address])
                    .args(rest)
                    .stderr(Stdio::null());
                run(&mut ip)
            };
            // Without any, what fails is something else than its name.
            route(&[])?;
            if route(&["congctl", control]).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A command that will run at the near end.
    pub(crate) fn near_command(&self, program: impl AsRef<OsStr>) -> Command {
        inside(&self.near, program)
    }

    /// A command that will run at the far end.
    pub(crate) fn far_command(&self, program: impl AsRef<OsStr>) -> Command {
        inside(&self.far, program)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            let mut ip = Command::new("ip");
            // One that was never made cannot be removed, and that is well.
            ip.args(["netns", "delete", name])
                .stderr(Stdio::null())
                .status()
                .ok();
        }
    }
}

/// A line in use; it goes when it is dropped.
pub(crate) struct Line {
    child: Child,
    counters: Box<dyn BufRead>,
}

impl Line {
    /// Takes it down; says what went over it.
    pub(crate) fn close(mut self) -> String {
        self.child.end();
        self.counters
            .lines()
            .map_while(Result::ok)
            .map(|line| format!("    {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "A line with {} Mbit/s, {} ms round trip, {} % loss",
            self.megabits,
            2 * DELAY,
            self.loss_percent
        )
    }
}

/// A command that will run in a namespace.
fn inside(name: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).arg(program);
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} failed: {status}")),
        Err(error) => Err(format!("cannot start {program}: {error}")),
    }
}
