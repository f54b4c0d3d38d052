//! For the tests: a folder with a watch, and what the loops share.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::super::disk::{self, Hanging};
use super::super::{Context, Live, Settings};
use crate::config;
use crate::identity::Identity;
use crate::queue::enqueue::{self, NewJob};
use crate::queue::{Queue, settling};
use crate::upload::Throttle;

/// A folder with a watch, and what the loops share.
pub(in crate::ingest) struct Ground {
    dir: TempDir,
    pub(in crate::ingest) context: Context,
    pub(in crate::ingest) rechecks: mpsc::UnboundedReceiver<(String, PathBuf)>,
}

impl Ground {
    pub(in crate::ingest) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("news")).unwrap();
        fs::write(at("secret"), "secret\n").unwrap();
        fs::set_permissions(at("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        let shown = dir.path().display();
        let text = format!(
            "[database]\npath = \"{shown}/jobs.db\"\n[account.main]\nkey = \"abcd1234\"\nsecret-file = \"{shown}/secret\"\n\
             base-url = \"http://127.0.0.1:9\"\n\
             [retry]\nfirst-delay = \"100ms\"\nmax-delay = \"100ms\"\n[[watch]]\nname = \"news\"\npath = \"{shown}/news\"\n"
        );
        let config = config::parse(&text, Path::new("daemon.toml")).unwrap();
        let queue = Queue::start(&config.database.path).unwrap();
        let (_, settings) = watch::channel(Arc::new(Settings::new(config).unwrap()));
        let (recheck, rechecks) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let context = Context {
            queue,
            settings,
            live: Live::default(),
            throttle: Throttle::default(),
            hanging: Hanging::default(),
            work: Arc::new(Notify::new()),
            confirms: Arc::new(Notify::new()),
            withdrawals: Arc::new(Notify::new()),
            sidecars: Arc::new(Notify::new()),
            pauses: Arc::new(Notify::new()),
            recheck,
            closing: stop.child_token(),
            stop,
        };
        Self {
            dir,
            context,
            rechecks,
        }
    }

    /// A file as it settled, which is not there.
    pub(in crate::ingest) fn file(&self, name: &str) -> NewJob {
        NewJob {
            watch: "news".to_owned(),
            account: "main".to_owned(),
            path: self.dir.path().join("news").join(name),
            identity: Identity {
                dev: 1,
                ino: 2,
                size: 3,
                mtime_ns: 4,
                ctime_ns: 5,
            },
            priority: 0,
        }
    }

    /// Makes job 1 of a file.
    pub(in crate::ingest) async fn enqueue(&self, new: &NewJob) {
        let new = new.clone();
        let made = self
            .context
            .queue
            .write(move |db| enqueue::enqueue(db, &new, crate::clock::now()));
        made.await.unwrap();
    }

    pub(in crate::ingest) async fn note(&self, path: &Path) -> Option<String> {
        let path = path.to_path_buf();
        let note = self.context.queue.jot(move |db| settling::of(db, &path));
        note.await.unwrap().map(|note| note.waiting_for)
    }

    /// From now on the watch's folder does not answer, until what this answers is dropped.
    pub(in crate::ingest) async fn hang(&self) -> std_mpsc::Sender<()> {
        let (answer, hung) = std_mpsc::channel::<()>();
        let look = move || {
            hung.recv().ok();
        };
        let short = (&self.context.hanging, Duration::from_millis(20));
        assert_eq!(disk::within_limit(short, "news", look).await, None);
        answer
    }
}
