//! What the stand-in gets done after it has answered: it downloads files (fetch), and joins the
//! parts of a v2 upload.
//!
//! Invariant: every video with a pending file has one errand, also after a restart, and an errand
//! ends with the file taken in or with the failure noted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Sandbox;
use super::call::Call;
use super::fetch;
use super::intake::{self, Delivery};
use super::link::Method;
use super::parts;
use super::refusal::Refusal;
use super::sink::Received;
use super::video::Video;

/// What a test ordered for an errand.
#[derive(Default)]
pub(super) struct Orders {
    /// Processing fails with this message.
    failure: Option<String>,
    /// Bytes a second at which a download goes.
    pace: Option<u64>,
}

impl Orders {
    /// What the fault says that the call met.
    pub(super) fn of(call: &Call) -> Self {
        Self {
            failure: call.failure(),
            pace: call.pace(),
        }
    }
}

/// Begins the errand of a video, if it has one to do.
pub(super) fn start(sandbox: &Arc<Sandbox>, video: &Video, orders: Orders) {
    let open = |pending: &super::status::Pending| pending.failed.is_none();
    if video.pending.as_ref().is_some_and(open) {
        tokio::spawn(run(Arc::clone(sandbox), video.clone(), orders));
    }
}

/// Begins all errands again that an earlier run left undone.
pub(super) fn go_on(sandbox: &Arc<Sandbox>) {
    let videos: Vec<Video> = sandbox
        .store
        .read(|videos, _| videos.values().cloned().collect());
    for video in videos {
        start(sandbox, &video, Orders::default());
    }
}

async fn run(sandbox: Arc<Sandbox>, video: Video, orders: Orders) {
    let outcome = tokio::select! {
        outcome = get(&sandbox, &video, &orders) => outcome,
        // The next run does it.
        () = sandbox.stop.cancelled() => return,
    };
    let taken = match outcome {
        Ok((received, name)) => take(&sandbox, &video.key, received, name, orders.failure),
        Err(message) => give_up(&sandbox, &video.key, message),
    };
    if let Err(refusal) = taken {
        // The video is gone, or the disk is full. The latter is said where it can be read.
        give_up(&sandbox, &video.key, refusal.message).ok();
    }
    if video.link.order.method == Method::Parts {
        // What is left goes with the video.
        std::fs::remove_dir_all(sandbox.store.parts(&video.key, &video.link.token)).ok();
    }
}

/// The file and its name, or why it cannot be had.
async fn get(
    sandbox: &Arc<Sandbox>,
    video: &Video,
    orders: &Orders,
) -> Result<(Received, Option<String>), String> {
    if let Some(source) = &video.link.order.source {
        return fetch::download(sandbox, &source.0, orders.pace).await;
    }
    let folder = sandbox.store.parts(&video.key, &video.link.token);
    // It holds the sandbox, so that the folder is free only once it ended.
    let sandbox = Arc::clone(sandbox);
    let joining = tokio::task::spawn_blocking(move || {
        let parts: Vec<PathBuf> = parts::list(&folder)?
            .into_values()
            .map(|part| part.path)
            .collect();
        Received::join(&parts, &sandbox.store.incoming(), || {
            sandbox.stop.is_cancelled()
        })
    });
    match joining.await {
        Ok(Ok(received)) => Ok((received, None)),
        Ok(Err(error)) => Err(format!("The parts could not be joined: {error}")),
        Err(_) => Err("The parts could not be joined".to_owned()),
    }
}

fn take(
    sandbox: &Sandbox,
    key: &str,
    received: Received,
    name: Option<String>,
    failure: Option<String>,
) -> Result<Video, Refusal> {
    let delivery = Delivery {
        received,
        name,
        noticed_after: Duration::ZERO,
        failure,
    };
    intake::take(sandbox, key, delivery, |video, size, md5| {
        let order = &video.link.order;
        Ok(order.mismatch(size, md5).map(|refusal| refusal.message))
    })
}

fn give_up(sandbox: &Sandbox, key: &str, message: String) -> Result<Video, Refusal> {
    let now = sandbox.now_ms();
    sandbox.store.change(key, |video| {
        if let Some(pending) = &mut video.pending {
            pending.failed = Some((now, message));
        }
        Ok(())
    })
}
