//! `/videos/show`, `/videos/update` and `/videos/delete`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Sandbox;
use super::call::Call;
use super::create::{Metadata, upload_block};
use super::errand::{self, Orders};
use super::link::{Link, Order};
use super::params::Params;
use super::refusal::{Code, Refusal};
use super::status::Status;

/// One video.
pub(super) fn show(sandbox: &Sandbox, params: &Params) -> Result<Value, Refusal> {
    let key = params.need("video_key")?;
    let video = sandbox.store.video(key).ok_or_else(|| {
        let message = format!("video_key: Video with the key {key} does not exist");
        Refusal::new(Code::NotFound, message)
    })?;
    Ok(json!({"status": "ok", "video": video.shown(sandbox.now_ms())}))
}

/// Changes metadata; with `update_file=True` also gives a link for another file, which is only to
/// be had for a video that is ready (JW docs, v1 videos/update).
pub(super) fn update(
    sandbox: &Arc<Sandbox>,
    params: &Params,
    call: &Call,
) -> Result<Value, Refusal> {
    let key = params.need("video_key")?;
    let replace = match params.get("update_file") {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(Refusal::invalid("update_file", "Neither True nor False")),
    };
    let Metadata { fields, custom } = Metadata::read(params)?;
    let order = replace.then(|| Order::read(params)).transpose()?;
    let now = sandbox.now_ms();
    let video = sandbox.store.change(key, |video| {
        if let Some(order) = order {
            if video.status(now) != Status::Ready {
                let message = "A file can be replaced only when its video is ready";
                return Err(Refusal::new(Code::PreconditionFailed, message));
            }
            video.link = Link::issue(order, sandbox.link_end(), true);
            video.pending = video.link.pending(now);
        }
        video.fields.extend(fields);
        video.custom.extend(custom);
        video.edited = now;
        Ok(())
    })?;
    if replace {
        errand::start(sandbox, &video, Orders::of(call));
        Ok(upload_block(sandbox, &video))
    } else {
        Ok(json!({"status": "ok"}))
    }
}

/// Deletes one video, or several whose keys are joined by commas.
pub(super) fn delete(sandbox: &Sandbox, params: &Params) -> Result<Value, Refusal> {
    let keys: Vec<String> = params
        .need("video_key")?
        .split(',')
        .map(str::to_owned)
        .collect();
    sandbox.store.delete(&keys)?;
    Ok(json!({"status": "ok"}))
}
