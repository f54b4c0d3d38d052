//! A strict local stand-in of the platform: the v1 and v2 APIs, the upload hosts of v1 and an
//! S3-like host, all on one port, over one store of videos.
//!
//! What the real platform refuses, this one refuses: it is there to be wrong against. It shares no
//! code with `platform` and `upload`, so that two readings of one protocol check each other.
//!
//! # How a request travels
//!
//! `conn` (the socket, and how to cut it) → `route` (which host) → `call` (log and faults) →
//! one of the five hosts:
//! - `api`: `params` → `sign` → `limit` → `create`, `edit` or `listing`;
//! - `v2`: `bearer` → `limit` → `media`, `list` or `uploads`;
//! - `form`: `multipart` → `sink` → `intake`;
//! - `resumable`: `segment` → `sink` → `sessions` (`ranges`) → `intake`;
//! - `s3`: `s3_auth` (`s3_sign`, `s3_sign4`) → `sink` → `intake`, or `parts`.
//!
//! What they know is in `store`: a `video` with its `link`, and a file whose `status` follows the
//! clock. What the platform does by itself after it has answered, to download a file (`fetch`) or
//! to join the parts of one, is an `errand`. A further upload method is a variant of
//! `link::Method`, an `operation`, and a host beside `form`, `resumable` and `s3`.
//!
//! # What is not documented, and chosen here
//!
//! Of v2: see `v2`. Of the rest:
//!
//! - A replayed signature is answered with 400 `SignatureInvalid`.
//! - A form link with a wrong, expired or used token is answered with 403 `PermissionDenied`, one
//!   for a video that is not there with 404 `NotFound`.
//! - The resumable upload host takes segments for any session, as the upload module does that the
//!   platform is taken to run; the error comes with the last one. See `resumable` for which.
//! - A resumable session lives as long as its link, counted from its first segment; then the
//!   segments that came are forgotten.
//! - `resumable=true` together with another `upload_method` than `multipart` is refused.
//! - A `multipart/form-data` body is refused by the resumable upload host with 415.
//! - A timestamp more than 27 hours ahead is refused as one that far behind is, as
//!   `TimestampInvalid`.
//! - S3 links live as long as form links, and `size` and `md5` of `/videos/create` are checked for
//!   S3 too, where a mismatch makes the processing fail.
//! - `/videos/create` with a `download_url` gives no link, and is refused where an upload method is
//!   named too. The address has to be http or https; what else is wrong with it shows later.
//! - An MP4 of less than two seconds is processed and fails; files of other kinds have no duration.
//!
//! # Trying it with the platform's own clients
//!
//! Start the sandbox; its key and secret are taken to be the samples of the platform's
//! documentation here:
//!
//! ```text
//! jw-ingest sandbox --listen 127.0.0.1:8700 --dir /tmp/sandbox
//! ```
//!
//! The Python client, in a virtual environment with `pip install jwplatform==1.2.2`:
//!
//! ```python
//! import jwplatform, time, urllib.parse
//! c = jwplatform.Client("XOqEAfxj", "uA96CFtJa138E2T5GhKfngml",
//!                       scheme="http", host="127.0.0.1", port=8700)
//! def url(answer, **more):
//!     link = answer["link"]
//!     query = urllib.parse.urlencode(dict(link["query"], **more))
//!     return f'{link["protocol"]}://{link["address"]}{link["path"]}?{query}'
//!
//! s3 = c.videos.create(title="My s3 Accelerated Upload", upload_method="s3")
//! print("s3:  ", url(s3))
//! form = c.videos.create(http_method="POST", title="My 7GB Upload")
//! print("form:", url(form, api_format="xml"))
//! parts = c.videos.create(title="My 20GB Upload", upload_method="multipart")
//! print("resumable:", url(parts, api_format="json"), parts["session_id"])
//! ```
//!
//! The two commands of the platform's page on uploading, with the links that were printed:
//!
//! ```text
//! curl --request PUT --upload-file ./video.mp4 "<the s3 link>"
//! curl --form file=@./video.mp4 "<the form link>"
//! ```
//!
//! And one segment of a resumable upload, here the first two bytes of 96768273:
//!
//! ```text
//! head --bytes 2 video.mp4 | curl --data-binary @- --include \
//!   --header 'Content-Type: application/octet-stream' \
//!   --header 'Content-Disposition: attachment; filename="video.mp4"' \
//!   --header 'X-Content-Range: bytes 0-1/96768273' \
//!   --header 'X-Session-ID: <the session>' "<the resumable link>"
//! ```
//!
//! And the rest, in the same Python session:
//!
//! ```python
//! key = s3["media"]["key"]
//! while c.videos.show(video_key=key)["video"]["status"] != "ready":
//!     time.sleep(1)
//! c.videos.update(video_key=key, title="A new title", **{"custom.note": "x"})
//! print(c.videos.list(search="new")["videos"])
//! c.videos.update(video_key=key, update_file="True", upload_method="s3")
//! c.videos.delete(video_key=key)
//! c.videos.show(video_key=key)  # jwplatform.errors.JWPlatformNotFoundError
//! ```
//!
//! The client of v2 (`jwplatform==2.2.2`) speaks HTTPS on port 443 only: `tests/sdk/run` puts a TLS
//! front before a sandbox with `--public-url https://127.0.0.9`, and uploads with it.

mod answer;
mod api;
mod call;
mod canned;
mod conn;
mod control;
mod create;
mod duration;
mod edit;
mod errand;
mod faults;
mod fetch;
mod form;
mod intake;
mod journal;
mod keys;
mod limit;
mod link;
mod listing;
mod multipart;
mod operation;
mod options;
mod origin;
mod params;
mod parts;
mod ranges;
mod refusal;
mod requests;
mod resumable;
mod route;
mod s3;
mod s3_auth;
mod s3_error;
mod s3_sign;
mod s3_sign4;
mod segment;
mod server;
mod sessions;
mod sign;
mod sink;
mod status;
mod store;
mod token;
mod v2;
mod video;

pub use options::{Options, SAMPLE_SITE, SAMPLE_V2_SECRET};
pub use ranges::OneByte;
pub use server::{Error, serve};

use server::Sandbox;
