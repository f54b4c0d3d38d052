//! `jw-ingest sandbox`: the local stand-in of the platform, until a signal ends it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::duration::parse_duration;
use super::error::CommandError;
use super::run::listen;
use crate::exit::Exit;
use crate::sandbox::{self, Options, SAMPLE_SITE, SAMPLE_V2_SECRET};

/// The sample key of the platform's own documentation (v1, authentication).
const SAMPLE_KEY: &str = "XOqEAfxj";

/// The sample secret of the platform's own documentation (v1, authentication); it opens nothing.
const SAMPLE_SECRET: &str = "uA96CFtJa138E2T5GhKfngml";

/// The end of its help.
const HELP: &str = "\
Stop it with SIGINT (Ctrl-C) or SIGTERM. It needs no configuration.

Examples:
  jw-ingest sandbox --dir /tmp/platform
  jw-ingest sandbox --listen 127.0.0.1:0 --control --processing-time 200ms

Exit status:
  0   a signal stopped it
  1   it cannot listen on the address, or cannot use the folder
  2   the command line is wrong";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8700")]
    listen: SocketAddr,
    /// Accept other machines; there is no TLS, and anyone who knows the key can fill the disk
    #[arg(long)]
    allow_remote: bool,
    /// Folder for the uploads [default: a temporary folder, deleted at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// API key to accept
    #[arg(long, value_name = "KEY", default_value = SAMPLE_KEY)]
    key: String,
    /// API secret of the key; other users can see the command line, so never give a real secret
    #[arg(long, value_name = "SECRET", default_value = SAMPLE_SECRET)]
    secret: String,
    /// Site ID to accept (v2)
    #[arg(long, value_name = "SITE", default_value = SAMPLE_SITE)]
    site: String,
    /// API secret of the site (v2); never give a real secret
    #[arg(long, value_name = "SECRET", default_value = SAMPLE_V2_SECRET)]
    v2_secret: String,
    /// Base of upload links, if a proxy is in front [default: the address it listens on]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Serve /control/…: anyone who can reach it can inject faults
    #[arg(long)]
    control: bool,
    /// Time that a video is `processing`
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    processing_time: Duration,
    /// Time from a PUT to S3 until the platform notices the file
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    s3_notice: Duration,
    /// Lifetime of an upload link
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_duration)]
    link_lifetime: Duration,
    /// Lifetime of the link of one part (v2)
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    part_link_lifetime: Duration,
    /// Lifetime of the token of a multipart upload (v2)
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_duration)]
    upload_token_lifetime: Duration,
    /// Time until a search finds new media (v2)
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    search_lag: Duration,
    /// Calls a minute, list calls excepted, and v2 requests a minute for each token; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 60)]
    rate_limit: u32,
    /// List calls a minute; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 30)]
    list_rate_limit: u32,
}

/// Serves until a signal.
///
/// # Errors
/// See [`CommandError`].
pub(crate) fn run(args: &Args, context: &mut Context) -> Result<Exit, CommandError> {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        return Err(CommandError::Usage(format!(
            "{} can be reached from other machines; listen on 127.0.0.1, or say --allow-remote",
            args.listen
        )));
    }
    let requests = listen()?;
    super::runtime()?.block_on(serve_sandbox(args, context, requests.stop))
}

async fn serve_sandbox(
    args: &Args,
    context: &mut Context,
    stop: CancellationToken,
) -> Result<Exit, CommandError> {
    let refused = |source| CommandError::System {
        what: format!("cannot listen on {}", args.listen),
        source,
    };
    let listener = TcpListener::bind(args.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let mut serving = pin!(sandbox::serve(
        listener,
        options(args),
        stop.cancelled_owned()
    ));
    // Its first step opens the folder: where that fails, nothing has been promised yet.
    tokio::select! {
        biased;
        ended = &mut serving => {
            ended?;
            return Ok(Exit::Done);
        }
        () = std::future::ready(()) => {}
    }
    introduce(args, address, context)?;
    serving.await?;
    Ok(Exit::Done)
}

fn options(args: &Args) -> Options {
    Options {
        dir: args.dir.clone(),
        control: args.control,
        processing: args.processing_time,
        s3_notice: args.s3_notice,
        link_lifetime: args.link_lifetime,
        rate_limit: args.rate_limit,
        list_rate_limit: args.list_rate_limit,
        site: args.site.clone(),
        v2_secret: args.v2_secret.clone(),
        public_url: args.public_url.clone(),
        part_link_lifetime: args.part_link_lifetime,
        upload_token_lifetime: args.upload_token_lifetime,
        search_lag: args.search_lag,
        ..Options::new(args.key.as_str(), args.secret.as_str())
    }
}

/// Says where it is and how a daemon is pointed at it. A secret that was chosen is not repeated.
fn introduce(args: &Args, address: SocketAddr, context: &mut Context) -> Result<(), CommandError> {
    let screen = &mut context.screen;
    screen.line(format_args!("base-url  http://{address}/v1"))?;
    screen.line(format_args!("key       {}", args.key))?;
    if args.secret == SAMPLE_SECRET {
        screen.line(format_args!(
            "secret    {SAMPLE_SECRET}  (the documentation's sample)"
        ))?;
    }
    screen.line(format_args!("v2 url    http://{address}/v2"))?;
    screen.line(format_args!("site      {}", args.site))?;
    if args.v2_secret == SAMPLE_V2_SECRET {
        screen.line(format_args!(
            "v2 secret {SAMPLE_V2_SECRET}  (the sandbox's own sample)"
        ))?;
    }
    screen.line(format_args!(
        "\nFor a daemon's configuration (the secret in a file of mode 600):\n\n\
         [account.sandbox]\napi = \"v1\"\nkey = \"{}\"\nsecret-file = \"/path/to/secret\"\n\
         base-url = \"http://{address}/v1\"\n",
        args.key
    ))?;
    screen.flush()?;
    Ok(())
}
