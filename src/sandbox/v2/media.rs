//! One media: create, get, update, delete and re-upload (JW docs, v2 media).

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::Wrong;
use super::{Asked, bearer, body, shown};
use crate::sandbox::Sandbox;
use crate::sandbox::errand::{self, Orders};
use crate::sandbox::link::{Link, Method};
use crate::sandbox::refusal::Refusal;
use crate::sandbox::s3_sign4;
use crate::sandbox::status::Status;
use crate::sandbox::video::Video;

type Answer = Result<(StatusCode, Value), Wrong>;

/// `POST /v2/sites/<site>/media/`
pub(super) fn create(asked: &Asked<'_>) -> Answer {
    let said: body::Create = body::read(asked)?;
    let (order, mut fields) = said.upload.order()?;
    let mut custom = BTreeMap::new();
    said.metadata.apply(&mut fields, &mut custom)?;
    let link = Link::issue(order, asked.sandbox.link_end(), false);
    let now = asked.sandbox.now_ms();
    let pending = link.pending(now);
    let video = asked.sandbox.store.create(|key, number| Video {
        key,
        number,
        created: now,
        edited: now,
        fields,
        custom,
        link,
        media: None,
        received: 0,
        pending,
        forced: None,
    });
    let video = video.map_err(Refusal::from)?;
    Ok((StatusCode::CREATED, begin(asked, &video)?))
}

/// `GET /v2/sites/<site>/media/<id>/`
pub(super) fn get(asked: &Asked<'_>, id: &str) -> Answer {
    let video = asked.sandbox.store.video(id).ok_or_else(unknown)?;
    Ok((StatusCode::OK, shown::media(&video, asked.sandbox.now_ms())))
}

/// `GET /v2/sites/<site>/media/<id>/originals/`
pub(super) fn originals(asked: &Asked<'_>, id: &str) -> Answer {
    let video = asked.sandbox.store.video(id).ok_or_else(unknown)?;
    let originals = shown::originals(&video, asked.sandbox.now_ms());
    Ok((
        StatusCode::OK,
        json!({"page": 1, "page_length": 10, "total": originals.len(), "originals": originals}),
    ))
}

/// `PATCH /v2/sites/<site>/media/<id>/`
pub(super) fn update(asked: &Asked<'_>, id: &str) -> Answer {
    let said: body::Update = body::read(asked)?;
    let now = asked.sandbox.now_ms();
    let video = asked.sandbox.store.change(id, |video| {
        said.metadata.apply(&mut video.fields, &mut video.custom)?;
        video.edited = now;
        Ok::<(), Wrong>(())
    })?;
    Ok((StatusCode::OK, shown::media(&video, now)))
}

/// `DELETE /v2/sites/<site>/media/<id>/`
pub(super) fn delete(asked: &Asked<'_>, id: &str) -> Answer {
    asked.sandbox.store.delete(&[id.to_owned()])?;
    Ok((StatusCode::NO_CONTENT, Value::Null))
}

/// `PUT /v2/sites/<site>/media/<id>/reupload/`; for a media that is ready only, as in v1.
pub(super) fn reupload(asked: &Asked<'_>, id: &str) -> Answer {
    let said: body::Reupload = body::read(asked)?;
    let (order, fields) = said.upload.order()?;
    let now = asked.sandbox.now_ms();
    let video = asked.sandbox.store.change(id, |video| {
        if video.status(now) != Status::Ready {
            let description = "a file can be replaced only when its media is ready";
            return Err(Wrong::state(StatusCode::BAD_REQUEST, description));
        }
        video.link = Link::issue(order, asked.sandbox.link_end(), true);
        video.pending = video.link.pending(now);
        video.fields.extend(fields);
        video.edited = now;
        Ok(())
    })?;
    Ok((StatusCode::OK, begin(asked, &video)?))
}

/// The answer that carries what an upload needs, which begins with it.
fn begin(asked: &Asked<'_>, video: &Video) -> Result<Value, Wrong> {
    let sandbox: &Arc<Sandbox> = asked.sandbox;
    let mut media = shown::media(video, sandbox.now_ms());
    let more = match video.link.order.method {
        Method::Direct => vec![("upload_link", direct(asked, video))],
        Method::Parts => {
            let upload = &video.link.token;
            fs::create_dir_all(sandbox.store.parts(&video.key, upload)).map_err(Refusal::from)?;
            let expires = sandbox.after(sandbox.options.upload_token_lifetime);
            let token = bearer::issue(sandbox, upload, expires);
            vec![("upload_id", upload.clone()), ("upload_token", token)]
        }
        _ => Vec::new(),
    };
    for (name, value) in more {
        if let Some(media) = media.as_object_mut() {
            media.insert(name.to_owned(), json!(value));
        }
    }
    errand::start(sandbox, video, Orders::of(asked.call));
    Ok(media)
}

fn direct(asked: &Asked<'_>, video: &Video) -> String {
    let now = asked.sandbox.now_s();
    let lifetime = video.link.expires.saturating_sub(now);
    link(asked, video, &[], lifetime)
}

/// A link to S3 that lives for that many seconds, unless a test wants it expired.
pub(super) fn link(
    asked: &Asked<'_>,
    video: &Video,
    query: &[(&str, &str)],
    lifetime: i64,
) -> String {
    let now = asked.sandbox.now_s();
    let (from, lifetime) = if asked.call.expired_links() {
        (now.saturating_sub(EXPIRED_S), 1)
    } else {
        (now, lifetime)
    };
    let whole = query.is_empty();
    s3_sign4::Link {
        keys: asked.sandbox.store.keys(),
        origin: &asked.sandbox.origin,
        path: &format!("/s3/{}", video.key),
        query,
        content_type: if whole {
            &video.link.order.content_type
        } else {
            ""
        },
        from,
        lifetime,
    }
    .url()
}

fn unknown() -> Wrong {
    Wrong::not_found("there is no such media")
}

/// How long ago a link was made that has expired.
const EXPIRED_S: i64 = 3600;
