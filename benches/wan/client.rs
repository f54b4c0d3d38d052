//! The sender: curl, or this program's own upload and nothing else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jw_ingest::platform::v2::Uploads;
use jw_ingest::platform::{Link, Pass};
use jw_ingest::upload::multipart::{PartsOrder, part_size, send_parts};
use jw_ingest::upload::{self, Order, RESPONSE_TIMEOUT, Seen, Throttle};
use jw_ingest::way::Way;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::line::Net;
use crate::sink;

/// A client.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    /// `curl -T`.
    Curl,
    /// Our PUT to S3: one stream.
    S3,
    /// Our multipart upload, with so many parts at once.
    Parts(u32),
}

impl Client {
    /// The command that sends the file from the near end.
    pub(crate) fn command(self, net: &Net, file: &Path) -> Result<Command, String> {
        let mode = match self {
            Self::Curl => {
                let mut curl = net.near_command("curl");
                // Without `Expect`, which would make it wait a second for a word that never comes.
                curl.args(["-sS", "--noproxy", "*", "-H", "Expect:", "-o", "/dev/null"])
                    .args([OsString::from("-T"), file.into()])
                    .arg(sink::url("object"));
                return Ok(curl);
            }
            Self::S3 => "s3".to_owned(),
            Self::Parts(at_once) => at_once.to_string(),
        };
        let myself = std::env::current_exe().map_err(|error| format!("its own path: {error}"))?;
        let mut client = net.near_command(myself);
        client.args(["client", &mode]).arg(file);
        Ok(client)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Curl => f.pad("curl -T"),
            Self::S3 => f.pad("one PUT"),
            Self::Parts(1) => f.pad("one part at a time"),
            Self::Parts(at_once) => f.pad(&format!("{at_once} parts at once")),
        }
    }
}

/// The role: sends the file, as the daemon would.
pub(crate) fn send(mode: &str, path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("the file: {error}"))?;
    let size = file
        .metadata()
        .map_err(|error| format!("its size: {error}"))?;
    let size = size.len();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("a runtime: {error}"))?;
    let sent = runtime.block_on(async {
        match mode.parse() {
            Ok(at_once) => send_in_parts(file, size, at_once).await,
            Err(_) => send_whole(file, size).await,
        }
    })?;
    if sent == size {
        return Ok(());
    }
    Err(format!("{sent} of {size} bytes are there"))
}

async fn send_whole(file: File, size: u64) -> Result<u64, String> {
    let link = Link::restore(&format!("- {}", sink::url("object")));
    let seen = Seen::now(&file).map_err(|error| error.to_string())?;
    let order = Order {
        file,
        seen,
        size,
        link: link.map_err(|error| error.to_string())?,
        name: "bench.mp4".to_owned(),
        progress: Arc::default(),
        throttle: Throttle::default(),
        stall_timeout: STALL_TIMEOUT,
        response_timeout: RESPONSE_TIMEOUT,
        hash: true,
        before_last_byte: Box::new(|_| Ok(())),
        segment_size: upload::SEGMENT_SIZE,
        on_confirmed: Box::new(|_| Ok(())),
    };
    let sent = upload::send(Way::S3, order, CancellationToken::new()).await;
    sent.map(|receipt| receipt.bytes)
        .map_err(|error| jw_ingest::chain(&error))
}

async fn send_in_parts(file: File, size: u64, at_once: NonZeroU32) -> Result<u64, String> {
    let upload = Url::parse(&sink::url("v2/uploads/bench")).map_err(|error| error.to_string())?;
    let pass = Pass::new(upload, "token", None).map_err(|error| error.to_string())?;
    let order = PartsOrder {
        file,
        size,
        part_size: part_size(size),
        parts_at_once: at_once,
        uploads: Uploads::new(&pass).map_err(|error| jw_ingest::chain(&error))?,
        known: BTreeMap::new(),
        progress: Arc::default(),
        throttle: Throttle::default(),
        stall_timeout: STALL_TIMEOUT,
        response_timeout: RESPONSE_TIMEOUT,
        before_complete: Box::new(|| Ok(())),
        on_part: Box::new(|_, _| Ok(())),
    };
    let sent = send_parts(order, CancellationToken::new()).await;
    sent.map(|receipt| receipt.bytes)
        .map_err(|error| jw_ingest::chain(&error))
}

const STALL_TIMEOUT: Duration = Duration::from_mins(1);
