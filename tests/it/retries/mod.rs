//! After any answer of the platform, or none: one video in the end, with the right bytes, no draft
//! left behind, a table that tells the story, and no secret in any log or output.

mod api;
mod confirm;
mod timing;
mod upload;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Daemon, Dice, Platform, Site};

/// More than the sockets between daemon and platform hold: a fault in mid body is in mid body.
const BIG: usize = 12_000_000;
const SMALL: usize = 30_000;

/// A daemon at work, and what it was given so far.
struct Bench {
    platform: Platform,
    site: Site,
    dice: Dice,
    files: Vec<PathBuf>,
    daemon: Option<Daemon>,
}

impl Bench {
    fn new(config: &str) -> Self {
        let platform = Platform::with(|options| {
            options.processing = Duration::from_millis(100);
            options.s3_notice = Duration::from_millis(50);
        });
        let site = Site::with(&platform, config);
        let daemon = Some(site.start());
        Self {
            platform,
            site,
            dice: Dice::new(),
            files: Vec::new(),
            daemon,
        }
    }

    fn drop_file(&mut self, size: usize) -> PathBuf {
        let content = self.dice.bytes(size);
        let path = self
            .site
            .drop_file(&format!("{:02}.mp4", self.files.len()), &content);
        self.files.push(path.clone());
        path
    }

    /// Drops a file that meets a fault, waits until it is done, and answers its job's story.
    fn meets(&mut self, on: &str, fault: Value, size: usize) -> Vec<String> {
        self.platform.fault(on, fault);
        self.drop_file(size);
        let jobs = self.site.wait_done(self.files.len());
        self.platform.clear_faults();
        self.site.story(jobs.last().unwrap().id)
    }

    /// Ends it: exactly one video each, and nothing said that must not be said.
    fn end(self) {
        self.site
            .assert_exactly_one_each(&self.platform, &self.files);
        self.site.assert_no_secrets();
        assert_eq!(self.site.logged("panicked"), 0);
        drop(self.daemon);
    }
}

fn wrong(how: &str) -> Value {
    json!({"kind": "wrong-answer", "how": how})
}

fn status(status: u16) -> Value {
    json!({"kind": "status", "status": status})
}

/// S3's error document.
fn s3_error(status: u16, code: &str, message: &str) -> Value {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>ABC</RequestId></Error>"
    );
    json!({"kind": "status", "status": status, "body": body})
}
