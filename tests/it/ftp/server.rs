//! A real FTP server as a child process, which says what happens and is stalled on demand.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Site, left_out, wait_for};

pub(super) const PASSWORD: &str = "pass word of the ftp server";

/// The server, and the folder that it serves.
pub(super) struct Server {
    child: Child,
    orders: ChildStdin,
    told: Arc<Mutex<Vec<Value>>>,
    dir: TempDir,
    tls: &'static str,
}

impl Server {
    /// `None` where Python or its FTP library is missing; that must not happen in CI.
    pub(super) fn start(tls: &'static str) -> Option<Self> {
        let python = python()?;
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        let mut child = Command::new(python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/it/ftp/server.py"
            ))
            .arg(dir.path().join("in"))
            .arg(tls)
            .arg(dir.path().join("certificate.pem"))
            .arg(PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let (lines, heard) = (
            BufReader::new(child.stdout.take().unwrap()),
            Arc::clone(&told),
        );
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let Ok(value) = serde_json::from_str(&line) else {
                    continue;
                };
                heard.lock().unwrap().push(value);
            }
        });
        let orders = child.stdin.take().unwrap();
        let server = Self {
            child,
            orders,
            told,
            dir,
            tls,
        };
        wait_for("the FTP server's port", || server.port());
        Some(server)
    }

    fn port(&self) -> Option<u64> {
        self.told.lock().unwrap().first()?["port"].as_u64()
    }

    /// The section of the account, and a watch that goes by it.
    pub(super) fn config(&self, site: &Site, more: &str) -> String {
        let root = site.root().display();
        let ca = if self.tls == "none" {
            String::new()
        } else {
            format!(
                "ca-file = \"{}/certificate.pem\"\n",
                self.dir.path().display()
            )
        };
        format!(
            "[account.main.ftp]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"news\"\ntls = \"{}\"\n{ca}\
             password-file = \"{root}/ftp-password\"\n{more}\n\
             [[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\nmethod = \"ftp\"\n",
            self.port().unwrap(),
            self.tls,
        )
    }

    /// Gives orders for the next transfers, and waits until they are heard.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make it with json! on the spot"
    )]
    pub(super) fn order(&mut self, orders: Value) {
        let before = self.count("told");
        writeln!(self.orders, "{orders}").unwrap();
        wait_for("the FTP server to hear", || {
            (self.count("told") > before).then_some(())
        });
    }

    /// Lets go of what is held.
    pub(super) fn release(&mut self) {
        self.order(json!({"release": true}));
    }

    /// Waits until it is stalled.
    pub(super) fn wait_held(&self) {
        wait_for("the FTP server to stand still", || {
            (self.count("held") > 0).then_some(())
        });
    }

    /// How often something happened.
    pub(super) fn count(&self, event: &str) -> usize {
        self.events(event).len()
    }

    /// All that happened of one sort.
    pub(super) fn events(&self, event: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter()
            .filter(|value| value["event"] == event)
            .cloned()
            .collect()
    }

    /// Where a file is that was uploaded.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("in").join(name)
    }

    /// The names of all files there, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the FTP server: {:?}", self.told.lock().unwrap());
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn python() -> Option<String> {
    let wanted = std::env::var("JW_INGEST_TEST_PYTHON").ok();
    let named = wanted.clone().unwrap_or_else(|| "python3".to_owned());
    let has_it = Command::new(&named)
        .args(["-c", "import pyftpdlib.servers, OpenSSL, cryptography"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has_it {
        return Some(named);
    }
    let why = format!(
        "{named} has no pyftpdlib and pyOpenSSL for a real FTP server (JW_INGEST_TEST_PYTHON names another one)"
    );
    // A user who names one wants these tests to run.
    assert!(wanted.is_none(), "{why}");
    left_out(&why);
    None
}
