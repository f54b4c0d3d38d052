//! Downloads: what the platform does with a `download_url` (JW docs, fetch uploads). It really
//! downloads, from this machine too.
//!
//! What goes wrong shows later, as a failed video. The messages hold no address: it may carry a
//! password or a signature.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

use super::Sandbox;
use super::link::SIZE_LIMIT;
use super::sink::{Received, Sink};

/// Downloads the file; answers it with its name, or the message with which the video fails. `pace`
/// is in bytes a second.
pub(super) async fn download(
    sandbox: &Sandbox,
    address: &str,
    pace: Option<u64>,
) -> Result<(Received, Option<String>), String> {
    let client = Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(sandbox.options.idle_timeout)
        .timeout(LONGEST)
        .redirect(Policy::limited(REDIRECTS))
        .build()
        .map_err(failed)?;
    let mut response = client.get(address).send().await.map_err(failed)?;
    let status = response.status();
    if status.as_u16() != 200 {
        return Err(format!(
            "The file could not be downloaded: HTTP status {}",
            status.as_u16()
        ));
    }
    if response
        .content_length()
        .is_some_and(|length| length > SIZE_LIMIT)
    {
        return Err(TOO_LARGE.to_owned());
    }
    let mut sink = Sink::open(&sandbox.store.incoming());
    let mut size = 0_u64;
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        size = size.saturating_add(length);
        if size > SIZE_LIMIT {
            return Err(TOO_LARGE.to_owned());
        }
        sink.write(chunk).await.map_err(|error| error.to_string())?;
        if let Some(pace) = pace {
            let nanos = length.saturating_mul(1_000_000_000) / pace.max(1);
            tokio::time::sleep(Duration::from_nanos(nanos)).await;
        }
    }
    let received = sink.finish().await.map_err(|error| error.to_string())?;
    Ok((received, name(response.url())))
}

/// The last segment of the path.
fn name(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    (!last.is_empty()).then(|| last.to_owned())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it serves as a function to map errors with"
)]
fn failed(error: reqwest::Error) -> String {
    let why = if error.is_connect() {
        "the server cannot be reached"
    } else if error.is_timeout() {
        "the server is too slow"
    } else if error.is_redirect() {
        "there are too many redirects"
    } else {
        "the connection broke"
    };
    format!("The file could not be downloaded: {why}")
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_hours(6);
const REDIRECTS: usize = 10;
const TOO_LARGE: &str = "The file is larger than 25 GB";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_address() {
        let named = |text: &str| name(&Url::parse(text).unwrap());
        assert_eq!(named("http://h/a/b.mp4?token=x"), Some("b.mp4".to_owned()));
        assert_eq!(named("http://h"), None);
        assert_eq!(named("http://h/a/"), None);
    }
}
