//! `jw-ingest demo`: the whole line on this machine, without an account.
//!
//! The sandbox on a free loopback port, the daemon on a temporary folder, a small real video
//! written into it as slowly as a camera would, and each stage as it happens.

mod sample;
mod stage;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::bars;
use super::context::Context;
use super::error::CommandError;
use super::jobs;
use super::run::listen;
use super::runtime;
use crate::clock;
use crate::config::{self, Config};
use crate::daemon::{self, Until};
use crate::exit::Exit;
use crate::ingest::Live;
use crate::sandbox::{self, Options};

/// The end of its help.
const HELP: &str = "\
The demo needs no account, no network access and no root. It keeps everything in one temporary
folder, which it removes at the end.

Examples:
  jw-ingest demo
  jw-ingest demo --exit

Exit status:
  0   the video was uploaded and is ready
  1   it was not";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Exit after the first video key
    #[arg(long)]
    exit: bool,
}

/// The platform's documentation shows these as its sample key and secret.
const KEY: &str = "XOqEAfxj";
const SECRET: &str = "uA96CFtJa138E2T5GhKfngml";

/// Long enough to be seen, short enough not to bore.
const PROCESSING: Duration = Duration::from_secs(2);

/// Shows it.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    let place = Place::make()?;
    let requests = listen()?;
    let stop = requests.stop.clone();
    let runtime = runtime()?;
    let listener = runtime
        .block_on(TcpListener::bind(("127.0.0.1", 0)))
        .map_err(system)?;
    let address = listener.local_addr().map_err(system)?;
    let config = place.configure(&format!("http://{address}/v1"))?;
    let options = Options {
        dir: Some(place.platform()),
        processing: PROCESSING,
        ..Options::new(KEY, SECRET)
    };
    let platform_stop = CancellationToken::new();
    let platform = runtime.spawn(sandbox::serve(
        listener,
        options,
        platform_stop.clone().cancelled_owned(),
    ));

    stage::introduce(&mut context.screen, &place, address)?;
    let live = Live::default();
    let database = &config.database.path.clone();
    let daemon = runtime.spawn(daemon::run_daemon(
        config,
        requests,
        Until::Stopped,
        live.clone(),
    ));
    let mut shown = show_demo(context, &place, database, &stop);
    if !args.exit && matches!(shown, Ok(Exit::Done)) && !stop.is_cancelled() {
        stage::invite(&mut context.screen, &place)?;
        let bars = bars::draw(&runtime, &live);
        let is_over = || stop.is_cancelled() || daemon.is_finished();
        let seen = stage::go_on(&mut context.screen, database, is_over);
        bars.end(&runtime);
        shown = seen.map(|()| Exit::Done);
    }
    let by_hand = stop.is_cancelled();
    if by_hand {
        // The terminal shows ^C where the cursor was.
        context.screen.line_now("")?;
    }
    let under_way = stage::under_way(database);
    stop.cancel();
    let ended = runtime.block_on(daemon);
    platform_stop.cancel();
    if let Ok(Err(error)) = runtime.block_on(platform) {
        tracing::warn!(%error, "the sandbox did not end cleanly");
    }
    let folder = place.root.clone();
    drop(place);
    if by_hand {
        stage::close(&mut context.screen, &folder, under_way)?;
    }
    // What stopped the daemon is the better reason why the video was not seen to arrive.
    if let Ok(Err(error)) = ended {
        return Err(error.into());
    }
    shown
}

/// Writes the sample while it is followed to its key, and shows the table.
fn show_demo(
    context: &mut Context,
    place: &Place,
    database: &Path,
    stop: &CancellationToken,
) -> Result<Exit, CommandError> {
    let video = place.folder().join("Harbour at dawn.mp4");
    let over = stop.child_token();
    let exit = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let written = sample::write_slowly(&video, stop);
            if written.is_err() {
                // There is nothing to follow.
                over.cancel();
            }
            written
        });
        let followed = stage::follow_file(&mut context.screen, database, &video, &over);
        if let Ok(Err(error)) = writing.join() {
            return Err(system(error));
        }
        followed
    })?;
    if stop.is_cancelled() {
        return Ok(exit);
    }
    if exit == Exit::Done {
        context.screen.line("")?;
        context.config = place.config();
        context.present.now = clock::now();
        jobs::run(&jobs::Args::default(), context)?;
        context.screen.flush()?;
    }
    Ok(exit)
}

/// The temporary folder with all that belongs to the demo; removed with this value.
pub(super) struct Place {
    root: PathBuf,
}

impl Place {
    fn make() -> Result<Self, CommandError> {
        let root = std::env::temp_dir().join(format!("jw-ingest-demo-{}", std::process::id()));
        let refused = |source| CommandError::System {
            what: format!("cannot make the demo's folder {}", root.display()),
            source,
        };
        // For this user only, and not one that another user has put there.
        DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .map_err(refused)?;
        let place = Self { root: root.clone() };
        for folder in [place.folder(), place.platform()] {
            fs::create_dir(&folder).map_err(refused)?;
        }
        Ok(place)
    }

    /// The folder to drop videos in.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.join("drop-here")
    }

    /// Where the sandbox keeps what it got.
    pub(super) fn platform(&self) -> PathBuf {
        self.root.join("platform")
    }

    /// The configuration file.
    pub(super) fn config(&self) -> PathBuf {
        self.root.join("daemon.toml")
    }

    fn configure(&self, base_url: &str) -> Result<Config, CommandError> {
        let secret = self.root.join("secret");
        private(&secret, SECRET).map_err(system)?;
        let text = format!(
            "[database]\npath = {database}\n\n\
             [account.main]\napi = \"v1\"\nkey = \"{KEY}\"\nsecret-file = {secret}\nbase-url = \"{base_url}\"\n\n\
             [confirm]\npoll-interval = \"1s\"\n\n\
             [[watch]]\nname = \"demo\"\npath = {folder}\nsettle = \"2s\"\n",
            database = quoted(&self.root.join("jobs.db")),
            secret = quoted(&secret),
            folder = quoted(&self.folder()),
        );
        fs::write(self.config(), text).map_err(system)?;
        Ok(config::load(&self.config())?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            tracing::warn!(%error, "the demo's folder {} was not removed", self.root.display());
        }
    }
}

/// A path as a TOML string; the temporary folder may have any name.
fn quoted(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().into_owned()).to_string()
}

fn private(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

fn system(source: io::Error) -> CommandError {
    CommandError::System {
        what: "cannot set the demo up".to_owned(),
        source,
    }
}
