//! `/videos/create`: a new video and the link to upload its file over; and the metadata that
//! create and update have in common (JW docs, v1 videos/create).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Sandbox;
use super::call::Call;
use super::errand::{self, Orders};
use super::link::{Link, Order};
use super::params::Params;
use super::refusal::{Code, Refusal};
use super::video::Video;

/// What a call says about a video.
pub(super) struct Metadata {
    pub(super) fields: BTreeMap<String, String>,
    pub(super) custom: BTreeMap<String, String>,
}

/// Makes the video.
pub(super) fn create(
    sandbox: &Arc<Sandbox>,
    params: &Params,
    call: &Call,
) -> Result<Value, Refusal> {
    match params.get("sourcetype") {
        None | Some("file") => {}
        Some("url") => {
            let message = "sourcetype=url: The sandbox cannot do this yet";
            return Err(Refusal::new(Code::NotImplemented, message));
        }
        Some(_) => return Err(Refusal::invalid("sourcetype", "Neither file nor url")),
    }
    let link = Link::issue(Order::read(params)?, sandbox.link_end(), false);
    let Metadata { fields, custom } = Metadata::read(params)?;
    let now = sandbox.now_ms();
    let pending = link.pending(now);
    let video = sandbox.store.create(|key, number| Video {
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
    })?;
    errand::start(sandbox, &video, Orders::of(call));
    Ok(upload_block(sandbox, &video))
}

/// The answer that carries a link, where there is something to upload; update gives the same for a
/// re-upload.
pub(super) fn upload_block(sandbox: &Sandbox, video: &Video) -> Value {
    let mut block = json!({
        "status": "ok",
        "media": {"type": "video", "key": video.key},
    });
    let link = &video.link;
    let more = [
        (
            "link",
            link.shown(&video.key, &sandbox.origin, sandbox.store.keys()),
        ),
        (
            "session_id",
            link.open_session(sandbox.now_s()).map(Value::from),
        ),
    ];
    for (name, value) in more {
        if let (Some(value), Some(block)) = (value, block.as_object_mut()) {
            block.insert(name.into(), value);
        }
    }
    block
}

impl Metadata {
    /// Reads the metadata parameters. Others are ignored, as the platform does with what is signed.
    pub(super) fn read(params: &Params) -> Result<Self, Refusal> {
        for name in ["date", "expires_date"] {
            params.number(name)?;
        }
        for name in ["trim_in_point", "trim_out_point"] {
            if params.get(name).is_some_and(|text| !is_time_code(text)) {
                return Err(Refusal::invalid(name, "Not a time as HH:MM:SS.mmm"));
            }
        }
        let fields = FIELDS
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), params.get(name)?.to_owned())))
            .collect();
        let mut custom = BTreeMap::new();
        for (name, value) in params.starting("custom.") {
            if name.is_empty() {
                return Err(Refusal::invalid("custom.", "A custom field needs a name"));
            }
            custom.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self { fields, custom })
    }
}

/// `HH:MM:SS.mmm`, with or without the fraction.
pub(super) fn is_time_code(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    clock.split(':').count() == 3 && clock.split(':').all(digits) && digits(fraction)
}

const FIELDS: [&str; 11] = [
    "title",
    "description",
    "author",
    "tags",
    "date",
    "expires_date",
    "link",
    "category",
    "trim_in_point",
    "trim_out_point",
    "protectionrule_key",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(raw: &str) -> Result<Metadata, Code> {
        let mut params = Params::default();
        params.decode(raw.as_bytes()).unwrap();
        Metadata::read(&params).map_err(|refusal| refusal.code)
    }

    #[test]
    fn known_fields_and_custom_ones_are_kept_and_others_are_not() {
        let found = metadata("title=T&random=1&custom.a=x&custom.b=y&api_key=k").unwrap();
        assert_eq!(
            found.fields.into_iter().collect::<Vec<_>>(),
            [("title".into(), "T".into())]
        );
        assert_eq!(found.custom.len(), 2);
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused() {
        assert!(metadata("trim_in_point=00:00:01.500&date=1").is_ok());
        for raw in [
            "date=today",
            "expires_date=1.5",
            "trim_in_point=90",
            "custom.=x",
        ] {
            assert_eq!(metadata(raw).err(), Some(Code::ParameterInvalid), "{raw}");
        }
    }
}
