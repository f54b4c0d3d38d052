//! The supervisor: builds the parts, starts the loops, and sees to it that they end together.
//!
//! A loop that ends by itself has failed, and ends the daemon with an error (systemd starts it
//! again); a job that fails never does. Files are watched by threads of their own ([`crate::watch`]),
//! jobs are worked on by [`crate::ingest`].

mod accounts;
mod folders;
mod idle;
mod rates;
mod reload;
mod systemd;
mod table;
mod watches;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::exit::Exit;
use crate::ingest::{self, Context, Live, Settings, SettingsError};
use crate::queue::{self, Queue, TableFiles, claim, priority, times};
use crate::shutdown::Requests;
use crate::upload::Throttle;
use crate::watch::{FolderLocks, Taken};
use crate::{chain, clock};

/// Reports that may wait for the intake; a watch that finds more waits itself.
const REPORTS: usize = 4096;

/// After this long a stop does not wait for what still runs; the job table knows how to continue.
/// The service file's `TimeoutStopSec` must be longer.
const STOP_LIMIT: Duration = Duration::from_secs(9);

/// After this long without its table, the daemon does not wait for uploads that run: they are suspended as
/// at any stop.
const FINISH_LIMIT: Duration = Duration::from_mins(10);

/// How often the supervisor looks around: for systemd, and for `--until-idle`.
const TICK: Duration = Duration::from_millis(250);

/// Why a configuration is refused that calls an account by another name.
const RENAMED: &str = "a section [account.NAME] was renamed, or has another key, site or base-url; that takes a \
    restart, after which the jobs follow: systemctl restart jw-ingest";

/// When the daemon ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Never: it runs until it is told to stop.
    Stopped,
    /// As soon as nothing is settling, due, running, or waiting for `ready`.
    Idle,
}

/// Why the daemon could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The job table cannot be used.
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// A client cannot be made.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The folders cannot be watched.
    #[error("cannot watch the folders")]
    Watch(#[from] crate::watch::Error),
    /// Another daemon watches one of the folders.
    #[error(transparent)]
    Taken(#[from] Taken),
    /// A loop failed.
    #[error("the {name} loop failed")]
    Loop {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: queue::Error,
    },
    /// A loop ended without a reason or panicked.
    #[error("the {name} loop failed unexpectedly; this is a bug in jw-ingest")]
    Broken {
        /// Its name.
        name: &'static str,
    },
}

impl Error {
    /// The exit code: configuration faults must not make systemd try again and again.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            // A restart would find no table, or one that does not know what this daemon did last.
            Self::Loop {
                source: queue::Error::Lost { .. },
                ..
            }
            | Self::Queue(
                queue::Error::Folder { .. }
                | queue::Error::NetworkFilesystem { .. }
                | queue::Error::Newer { .. }
                | queue::Error::Vanished { .. }
                | queue::Error::Outdated { .. }
                | queue::Error::Damaged { .. }
                | queue::Error::Dumped { .. },
            )
            | Self::Settings(_) => Exit::Config,
            // Any program may hold that lock for a while: systemd tries again.
            Self::Taken(_)
            | Self::Queue(_)
            | Self::Watch(_)
            | Self::Loop { .. }
            | Self::Broken { .. } => Exit::Failed,
        }
    }
}

/// Runs the daemon until it is asked to stop or, with [`Until::Idle`], has nothing left to do.
///
/// `live` shows the running uploads to code that draws them.
///
/// # Errors
/// When it cannot start, or a part of it fails for good.
pub(crate) async fn run_daemon(
    config: Config,
    requests: Requests,
    until: Until,
    live: Live,
) -> Result<Exit, Error> {
    let started = clock::now();
    let _lock = queue::lock(&config.database.path)?;
    let locks = FolderLocks::default();
    folders::reserve(&locks, &config).await?;
    let queue = Queue::start(&config.database.path)?;
    watches::follow(&queue, &config).await?;
    let longest = ingest::longest(&config);
    let priorities = reload::priorities(&config);
    let accounts = accounts::Accounts::of(&config);
    let back = queue
        .write(move |db| {
            times::mend(db, started, longest)?;
            accounts.follow(db, started)?;
            priority::follow_priorities(db, &priorities)?;
            claim::reclaim(db, None, &[], started)
        })
        .await?;
    // For people alone: a full disk keeps no daemon from starting.
    let told = queue.write(move |db| queue::daemon::started(db, started));
    if let Err(error) = told.await {
        tracing::debug!(error = %chain(&error), "the start is not noted");
    }
    for job in back {
        tracing::warn!(job.id = job.0, "the last run was killed; job {job} resumes");
    }
    let files = table_files(&config.database.path)?;
    let parts = Parts::build(config, queue, requests.stop.clone(), live)?;
    let mut supervisor = Supervisor::start(parts, requests.reload, locks, files)?;
    let outcome = supervisor.supervise(until, started).await;
    if let Err(Error::Loop {
        source: queue::Error::Lost { .. },
        ..
    }) = outcome
    {
        supervisor.finish().await;
    }
    supervisor.stop().await;
    outcome
}

fn table_files(path: &Path) -> Result<TableFiles, queue::Error> {
    TableFiles::of(path).map_err(|_| queue::Error::Lost {
        path: path.to_owned(),
    })
}

/// The configuration on disk, with its accounts; or why it is refused.
async fn may_take(
    queue: &Queue,
    locks: &FolderLocks,
    present: &Settings,
) -> Result<(Settings, accounts::Accounts), String> {
    let next = reload::read_settings(&present.config).await?;
    let accounts = accounts::Accounts::of(&next.config);
    let asked = queue.jot(move |db| Ok((accounts.need_restart(db)?, accounts)));
    let (need_restart, accounts) = asked.await.map_err(|error| chain(&error))?;
    if need_restart {
        return Err(RENAMED.to_owned());
    }
    if reload::folders_differ(&present.config, &next.config) {
        let reserved = folders::reserve(locks, &next.config).await;
        reserved.map_err(|taken| taken.to_string())?;
    }
    Ok((next, accounts))
}

/// What is there before anything runs.
struct Parts {
    context: Context,
    settings: watch::Sender<Arc<Settings>>,
    rechecks: mpsc::UnboundedReceiver<(String, PathBuf)>,
}

impl Parts {
    fn build(
        config: Config,
        queue: Queue,
        stop: CancellationToken,
        live: Live,
    ) -> Result<Self, Error> {
        let (settings, present) = watch::channel(Arc::new(Settings::new(config)?));
        let (recheck, rechecks) = mpsc::unbounded_channel();
        let context = Context {
            queue,
            settings: present,
            live,
            throttle: Throttle::default(),
            hanging: ingest::Hanging::default(),
            work: Arc::new(Notify::new()),
            confirms: Arc::new(Notify::new()),
            withdrawals: Arc::new(Notify::new()),
            sidecars: Arc::new(Notify::new()),
            pauses: Arc::new(Notify::new()),
            recheck,
            closing: stop.child_token(),
            stop,
        };
        Ok(Self {
            context,
            settings,
            rechecks,
        })
    }
}

/// What the supervisor looks after once it runs.
struct Watcher {
    systemd: systemd::Systemd,
    idle: Option<idle::Idle>,
    timer: tokio::time::Interval,
}

struct Supervisor {
    parts: Parts,
    reloads: mpsc::Receiver<()>,
    reports: mpsc::Sender<crate::watch::Report>,
    barriers: ingest::Barriers,
    folders: Option<crate::watch::Handle>,
    locks: FolderLocks,
    loops: JoinSet<(&'static str, Result<(), queue::Error>)>,
}

impl Supervisor {
    fn start(
        parts: Parts,
        reloads: mpsc::Receiver<()>,
        locks: FolderLocks,
        files: TableFiles,
    ) -> Result<Self, Error> {
        let (reports, inbox) = mpsc::channel(REPORTS);
        let settings = parts.context.now_settings();
        let folders = folders::watch(&settings.config, reports.clone(), &locks)?;
        let (barriers, flushes) = ingest::barriers();
        let mut loops = JoinSet::new();
        let rates = rates::Keeper::start(parts.context.clone());
        loops.spawn(async move { ("rates", rates.run().await) });
        let table = table::watch(parts.context.clone(), files);
        loops.spawn(async move { ("table", table.await) });
        for (name, future) in ingest::loops(&parts.context, inbox, flushes) {
            loops.spawn(async move { (name, future.await) });
        }
        for watch in &settings.config.watches {
            tracing::info!(watch = %watch.name, "watching {}", watch.path.display());
        }
        Ok(Self {
            parts,
            reloads,
            reports,
            barriers,
            folders: Some(folders),
            locks,
            loops,
        })
    }

    async fn supervise(&mut self, until: Until, started: jiff::Timestamp) -> Result<Exit, Error> {
        let stop = self.parts.context.stop.clone();
        let mut watcher = Watcher {
            systemd: systemd::Systemd::ready(),
            idle: (until == Until::Idle).then(|| idle::Idle::new(started)),
            timer: tokio::time::interval(TICK),
        };
        let behaviour = tokio::time::MissedTickBehavior::Delay;
        watcher.timer.set_missed_tick_behavior(behaviour);
        loop {
            tokio::select! {
                // First, and around all of a turn: a stop waits for no dead share and no full disk. The
                // loops end because of it, which is no failure of theirs.
                biased;
                () = stop.cancelled() => return Ok(Exit::Done),
                turn = self.turn(&mut watcher) => if let Some(exit) = turn? {
                    return Ok(exit);
                }
            }
        }
    }

    /// Waits for one thing to happen, and sees to it; answers the exit code when all is done.
    async fn turn(&mut self, watcher: &mut Watcher) -> Result<Option<Exit>, Error> {
        tokio::select! {
            Some(ended) = self.loops.join_next() => {
                if self.parts.context.stop.is_cancelled() && matches!(ended, Ok((_, Ok(())))) {
                    return Ok(Some(Exit::Done));
                }
                Err(failure(ended))
            }
            Some(()) = self.reloads.recv() => {
                self.reload().await?;
                Ok(None)
            }
            Some((watch, path)) = self.parts.rechecks.recv() => {
                self.recheck(&watch, path);
                Ok(None)
            }
            _ = watcher.timer.tick() => {
                watcher.systemd.tick(&self.parts.context).await;
                match &watcher.idle {
                    Some(idle) => self.when_idle(idle).await,
                    None => Ok(None),
                }
            }
        }
    }

    fn recheck(&self, watch: &str, path: PathBuf) {
        if let Some(folders) = &self.folders {
            folders.recheck(watch, path);
        }
    }

    /// The exit code, if there is nothing left to do.
    async fn when_idle(&mut self, idle: &idle::Idle) -> Result<Option<Exit>, Error> {
        if !self.folders_are_quiet() {
            return Ok(None);
        }
        let exit = idle.check(&self.parts.context, &self.barriers).await?;
        // A job that let go of its file a moment ago has asked for it to settle again.
        while let Ok((watch, path)) = self.parts.rechecks.try_recv() {
            self.recheck(&watch, path);
        }
        Ok(exit.filter(|_| self.folders_are_quiet()))
    }

    fn folders_are_quiet(&self) -> bool {
        self.folders
            .as_ref()
            .is_some_and(crate::watch::Handle::idle)
    }

    /// Takes the configuration on disk over, unless it is refused, which is logged and noted.
    async fn reload(&mut self) -> Result<(), Error> {
        let present = self.parts.context.now_settings();
        let refused = match may_take(&self.parts.context.queue, &self.locks, &present).await {
            Ok((next, accounts)) => {
                self.take(&present, next, accounts).await?;
                None
            }
            Err(why) => {
                tracing::error!("the new configuration is refused, the old one stays: {why}");
                Some(why)
            }
        };
        let note = move |db: &Connection| match &refused {
            None => queue::daemon::accepted(db),
            Some(why) => queue::daemon::refused(db, why, clock::now()),
        };
        if let Err(error) = self.parts.context.queue.write(note).await {
            tracing::debug!(error = %chain(&error), "whether the configuration is in use is not noted");
        }
        Ok(())
    }

    async fn take(
        &mut self,
        present: &Settings,
        next: Settings,
        accounts: accounts::Accounts,
    ) -> Result<(), Error> {
        let folders_changed = reload::folders_differ(&present.config, &next.config);
        let priorities = reload::priorities(&next.config);
        watches::follow_now(&self.parts.context.queue, &next.config).await;
        self.parts.settings.send_replace(Arc::new(next));
        if folders_changed {
            // The old watches end before the new ones begin: two would report each file twice,
            // which is harmless, but they would also log each fault twice.
            self.stop_folders().await;
            let next = self.parts.context.now_settings();
            self.folders = Some(folders::watch(
                &next.config,
                self.reports.clone(),
                &self.locks,
            )?);
        }
        let now = clock::now();
        let mended = self
            .parts
            .context
            .queue
            .write(move |db| {
                accounts.follow(db, now)?;
                priority::follow_priorities(db, &priorities)?;
                queue::accounts::probe_now(db, now)
            })
            .await;
        if let Err(error) = mended {
            tracing::warn!(error = %chain(&error), "the paused accounts are probed a little later, and queued files keep their priority until the next reload");
        }
        self.parts.context.ring_all();
        tracing::info!("the configuration was reloaded");
        Ok(())
    }

    async fn stop_folders(&mut self) {
        if let Some(folders) = self.folders.take()
            && let Err(error) = tokio::task::spawn_blocking(move || folders.stop()).await
        {
            tracing::warn!(%error, "the watches did not end cleanly");
        }
    }

    /// Waits until the running uploads have ended, and lets nothing new begin; a stop is obeyed.
    async fn finish(&mut self) {
        self.parts.context.closing.cancel();
        self.stop_folders().await;
        let stop = self.parts.context.stop.clone();
        let mut systemd = systemd::Systemd::ready();
        let mut timer = tokio::time::interval(TICK);
        let deadline = tokio::time::sleep(FINISH_LIMIT);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut deadline => return,
                ended = self.loops.join_next() => match ended {
                    None | Some(Ok((ingest::DISPATCH, _))) => return,
                    Some(_) => {}
                },
                _ = timer.tick() => systemd.tick(&self.parts.context).await,
            }
        }
    }

    /// Ends all parts; what has not ended in time is left to the job table.
    async fn stop(mut self) {
        systemd::stopping();
        tracing::info!("stopping: active uploads are suspended and resume at the next start");
        self.parts.context.stop.cancel();
        let all = async {
            self.stop_folders().await;
            while let Some(ended) = self.loops.join_next().await {
                if let Ok((name, Err(error))) = ended {
                    tracing::warn!(error = %chain(&error), "the {name} loop did not end cleanly");
                }
            }
        };
        if tokio::time::timeout(STOP_LIMIT, all).await.is_err() {
            tracing::warn!(
                "some uploads could not be suspended in time; the next start resumes them from the \
                 job table"
            );
        }
    }
}

fn failure(
    ended: Result<(&'static str, Result<(), queue::Error>), tokio::task::JoinError>,
) -> Error {
    match ended {
        Ok((name, Err(source))) => Error::Loop { name, source },
        Ok((name, Ok(()))) => Error::Broken { name },
        Err(error) => {
            tracing::error!(%error, "a loop failed");
            Error::Broken { name: "unknown" }
        }
    }
}
