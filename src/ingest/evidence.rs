//! Whether the platform has, now, what a job has sent: the one place that decides it.
//!
//! Nothing local is moved or deleted, and no file counts as a copy, without a [`Answer::Yes`] of
//! this moment: what the table says about a video was true once.

use super::context::Context;
use super::fetch;
use super::told::{self, Told};
use crate::platform::{self, Client, Status, Video};
use crate::queue::Error;
use crate::queue::sent::Sent;
use crate::queue::{accounts, change};
use crate::way::Way;
use crate::{address, chain};

/// What the platform says about a video.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is there, ready, and has what was sent.
    Yes(Box<Video>),
    /// It is not so, for this reason.
    No(Fault),
    /// It is not known: the call failed.
    Unanswered(platform::Error),
}

/// Why a video does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The platform knows no such video.
    Gone,
    /// The platform failed with it; its words.
    Failed(String),
    /// It has another size or MD5.
    OtherBytes,
    /// The same, and it was not changed since the platform fetched it for this job.
    Misfetched,
    /// The platform works on it; its word.
    NotReady(String),
    /// No checksum is reported, and the video was changed since.
    ChangedSince,
    /// No checksum is reported, and there is nothing else to go by.
    Untold,
    /// Of what was sent no MD5 is known. With the one that the platform reports, if it does.
    Uncompared(Option<String>),
    /// The key of the video is not known.
    NoKey,
    /// Another file's content is in it, or may be at any moment.
    Replaced,
}

impl Fault {
    /// Whether what was sent is certainly not there, so that it must be sent again.
    pub(super) fn is_loss(&self) -> bool {
        match self {
            Self::Gone | Self::Failed(_) | Self::OtherBytes | Self::Misfetched => true,
            Self::NotReady(_)
            | Self::ChangedSince
            | Self::Untold
            | Self::Uncompared(_)
            | Self::NoKey
            | Self::Replaced => false,
        }
    }

    /// In words for the operator.
    pub(super) fn words(&self, sent: &Sent) -> String {
        let key = sent.video_key.as_deref().unwrap_or("(not known)");
        match self {
            Self::Gone => format!("video {key} was deleted on the platform"),
            Self::Failed(said) => format!("video {key} has failed on the platform ({said})"),
            Self::OtherBytes => {
                format!(
                    "video {key} has other content on the platform (its size or MD5 differs from what was sent)"
                )
            }
            Self::Misfetched => format!(
                "video {key} has other content than the file (size or MD5 differ): that is what the platform fetched"
            ),
            Self::NotReady(word) => {
                format!("video {key} is `{word}` on the platform now, and not `ready`")
            }
            Self::ChangedSince => format!(
                "video {key} was changed on the platform after it was uploaded, and the platform \
                 reports no checksum that can be compared: check it there"
            ),
            Self::Untold => format!(
                "nothing proves that video {key} has every byte: the platform reports no checksum that can be compared, \
                 and the upload server did not confirm them"
            ),
            Self::Uncompared(_) => format!(
                "the content of video {key} cannot be compared: the MD5 of what was sent is not known"
            ),
            Self::NoKey => "the key of its video is not known".to_owned(),
            Self::Replaced => {
                format!("video {key} has the content of another file, or is about to get it")
            }
        }
    }
}

/// Asks the platform about the video of a job.
pub(super) async fn ask(client: &Client, sent: &Sent) -> Answer {
    let Some(key) = &sent.video_key else {
        return Answer::No(Fault::NoKey);
    };
    if sent.is_replaced {
        return Answer::No(Fault::Replaced);
    }
    let asked = match key.parse() {
        Ok(key) => client.examine(&key).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(video) => judge_answer(sent, video),
        Err(error) if error.is_not_found() => Answer::No(Fault::Gone),
        Err(error) => Answer::Unanswered(error),
    }
}

/// What follows from how the video is: pure.
fn judge_answer(sent: &Sent, video: Video) -> Answer {
    match &video.status {
        Status::Ready => {}
        Status::Failed => {
            let said = video.error.as_deref().unwrap_or("it does not say why");
            return Answer::No(Fault::Failed(address::hosts_only(said)));
        }
        Status::Created | Status::Processing | Status::Updating | Status::Other(_) => {
            return Answer::No(Fault::NotReady(video.status.word().to_owned()));
        }
    }
    // The file holds an address, and nothing is known of what lay there.
    if fetch::is_address(&sent.path) && sent.md5.is_none() {
        return Answer::Yes(Box::new(video));
    }
    match compare_bytes(sent, &video) {
        None => Answer::Yes(Box::new(video)),
        Some(fault) => Answer::No(fault),
    }
}

/// What the platform reports of the bytes decides. Where that proves nothing, also since an MD5
/// that it tells can be compared with none of ours, the upload server must have confirmed every
/// byte, and nothing have changed since.
fn compare_bytes(sent: &Sent, video: &Video) -> Option<Fault> {
    // Not sent to this very video: a web server may have other bytes of the same length, and so may another video of
    // the same name.
    let came_by_itself = !sent.is_verified && matches!(sent.way, Some(Way::Fetch | Way::Ftp));
    match told::compare((sent.md5.as_deref(), Some(sent.size)), video) {
        Told::Size if came_by_itself => Some(Fault::Untold),
        Told::Checksum | Told::Size => None,
        Told::Other => {
            let is_misfetched = came_by_itself && sent.way == Some(Way::Fetch);
            let is_so_since = is_misfetched && is_unchanged(sent, video) == Some(true);
            Some(if is_so_since {
                Fault::Misfetched
            } else {
                Fault::OtherBytes
            })
        }
        Told::Uncompared => untold(sent, video).map(|_| Fault::Uncompared(video.md5.clone())),
        Told::Nothing => untold(sent, video),
    }
}

fn untold(sent: &Sent, video: &Video) -> Option<Fault> {
    match is_unchanged(sent, video) {
        _ if !sent.is_verified => Some(Fault::Untold),
        Some(true) => None,
        Some(false) => Some(Fault::ChangedSince),
        None => Some(Fault::Untold),
    }
}

/// Whether only this program has changed the video since it was ready; `None`: not known.
fn is_unchanged(sent: &Sent, video: &Video) -> Option<bool> {
    let (then, now) = sent.changed_there.zip(video.updated)?;
    Some(change::is_ours(then, sent.own_change, now))
}

/// Why an account is not to be asked at all now.
pub(super) async fn is_closed(context: &Context, account: &str) -> Result<Option<String>, Error> {
    let paused = context.queue.jot(accounts::paused).await?;
    let pause = paused.into_iter().find(|paused| paused.account == account);
    Ok(pause.map(|pause| format!("account {account} is paused: {}", pause.reason)))
}

/// Why nothing is known, in words for the operator.
pub(super) fn unanswered(error: &platform::Error) -> String {
    format!(
        "the platform did not say whether its video is there: {}",
        address::hosts_only(&chain(error))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::JobId;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const OTHER: &str = "00000000000000000000000000000000";

    fn sent() -> Sent {
        Sent {
            job: JobId(1),
            account: "main".to_owned(),
            path: "/w/a.mp4".into(),
            video_key: Some("tL17msiU".to_owned()),
            size: 3,
            md5: Some(MD5.to_owned()),
            is_verified: true,
            changed_there: Some(100_500),
            own_change: None,
            is_replaced: false,
            way: Some(Way::S3),
        }
    }

    fn video(status: Status, (size, md5): (Option<u64>, Option<&str>), updated: i64) -> Video {
        Video {
            key: "tL17msiU".parse().unwrap(),
            status,
            title: None,
            ingest_id: None,
            size,
            md5: md5.map(str::to_owned),
            duration: None,
            error: None,
            date: None,
            updated: Some(updated * 1000 + 500),
            upload_session_id: None,
        }
    }

    fn fault(sent: &Sent, video: Video) -> Option<Fault> {
        match judge_answer(sent, video) {
            Answer::Yes(_) => None,
            Answer::No(fault) => Some(fault),
            Answer::Unanswered(error) => panic!("{error}"),
        }
    }

    #[test]
    fn only_a_ready_video_with_what_was_sent_is_a_yes() {
        let told = (Some(3), Some(MD5));
        assert_eq!(fault(&sent(), video(Status::Ready, told, 900)), None);
        for (status, expected) in [
            (
                Status::Failed,
                Fault::Failed("it does not say why".to_owned()),
            ),
            (Status::Created, Fault::NotReady("created".to_owned())),
            (Status::Updating, Fault::NotReady("updating".to_owned())),
            (Status::Processing, Fault::NotReady("processing".to_owned())),
            (
                Status::Other("odd".to_owned()),
                Fault::NotReady("odd".to_owned()),
            ),
        ] {
            assert_eq!(fault(&sent(), video(status, told, 100)), Some(expected));
        }
    }

    #[test]
    fn what_the_platform_tells_decides_and_without_it_the_upload_and_no_change_since() {
        let blind = Sent {
            md5: None,
            ..sent()
        };
        let unproven = Sent {
            is_verified: false,
            ..sent()
        };
        let undated = Sent {
            changed_there: None,
            ..sent()
        };
        let address = Sent {
            path: "/w/a.url".into(),
            md5: None,
            is_verified: false,
            ..sent()
        };
        for (sent, told, updated, expected) in [
            (sent(), (Some(3), Some(OTHER)), 100, Some(Fault::OtherBytes)),
            (sent(), (Some(4), None), 100, Some(Fault::OtherBytes)),
            (sent(), (Some(3), None), 900, None),
            (sent(), (None, Some(MD5)), 900, None),
            // An MD5 that can be compared with nothing proves nothing, nor does the size beside it.
            (blind.clone(), (Some(3), Some(OTHER)), 100, None),
            (
                blind.clone(),
                (Some(3), Some(OTHER)),
                900,
                Some(Fault::Uncompared(Some(OTHER.to_owned()))),
            ),
            (
                Sent {
                    md5: None,
                    ..unproven.clone()
                },
                (Some(3), Some(OTHER)),
                100,
                Some(Fault::Uncompared(Some(OTHER.to_owned()))),
            ),
            (blind, (Some(4), Some(OTHER)), 100, Some(Fault::OtherBytes)),
            (sent(), (None, None), 100, None),
            (sent(), (None, None), 101, Some(Fault::ChangedSince)),
            (unproven, (None, None), 100, Some(Fault::Untold)),
            (undated, (None, None), 100, Some(Fault::Untold)),
            // Its bytes are those of what lay at the address.
            (address, (Some(9), Some(OTHER)), 900, None),
        ] {
            let seen = video(Status::Ready, told, updated);
            assert_eq!(fault(&sent, seen), expected, "{sent:?} {told:?} {updated}");
        }
    }

    #[test]
    fn of_what_came_by_itself_only_an_md5_is_proof_and_a_wrong_fetch_is_known_by_no_change_since() {
        const FETCH: Option<Way> = Some(Way::Fetch);
        const FTP: Option<Way> = Some(Way::Ftp);
        for (way, is_verified, told, updated, expected) in [
            (FETCH, false, (Some(3), Some(MD5)), 900, None),
            (FETCH, false, (Some(3), None), 100, Some(Fault::Untold)),
            (FETCH, false, (None, None), 100, Some(Fault::Untold)),
            (
                FETCH,
                false,
                (Some(3), Some(OTHER)),
                100,
                Some(Fault::Misfetched),
            ),
            (FETCH, false, (Some(4), None), 100, Some(Fault::Misfetched)),
            // A person may have put it there.
            (
                FETCH,
                false,
                (Some(3), Some(OTHER)),
                101,
                Some(Fault::OtherBytes),
            ),
            (
                FETCH,
                true,
                (Some(3), Some(OTHER)),
                100,
                Some(Fault::OtherBytes),
            ),
            (FETCH, true, (Some(3), None), 100, None),
            (FTP, false, (Some(3), None), 100, Some(Fault::Untold)),
            (
                FTP,
                false,
                (Some(3), Some(OTHER)),
                100,
                Some(Fault::OtherBytes),
            ),
        ] {
            let seen = video(Status::Ready, told, updated);
            let sent = Sent {
                is_verified,
                way,
                ..sent()
            };
            assert_eq!(fault(&sent, seen), expected, "{sent:?} {told:?} {updated}");
        }
    }

    #[test]
    fn only_what_is_certainly_not_there_is_sent_again() {
        for (fault, expected) in [
            (Fault::Gone, true),
            (Fault::Failed(String::new()), true),
            (Fault::OtherBytes, true),
            (Fault::Misfetched, true),
            (Fault::NotReady(String::new()), false),
            (Fault::ChangedSince, false),
            (Fault::Untold, false),
            (Fault::Uncompared(None), false),
            (Fault::NoKey, false),
            (Fault::Replaced, false),
        ] {
            assert_eq!(fault.is_loss(), expected, "{fault:?}");
        }
    }
}
