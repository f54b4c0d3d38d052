//! Looking at an address before the platform is asked to fetch from it: whether it leads into the
//! own network, and whether the file is there.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode};
use url::Url;

use crate::address;
use crate::chain;
use crate::platform::link::is_loopback;

/// For a name to be looked up. A name server that keeps silent must not hold a worker.
const LOOK_UP: Duration = Duration::from_secs(5);

/// For the whole question, redirects included.
const LIMIT: Duration = Duration::from_secs(10);

/// More than any sound server needs.
const REDIRECTS: usize = 5;

/// Types of pages, which are for people.
const PAGES: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// Why the platform could not reach the host of an address: it, or what its name means here, is not
/// on the Internet. A name that means nothing here is let pass: the platform looks by itself.
pub(super) async fn private(url: &Url) -> Option<String> {
    if let Some(host) = address::private_host(url) {
        return Some(format!("{host} can be reached from your own network only"));
    }
    let host = address::host(url);
    let port = url.port_or_known_default().unwrap_or_default();
    // The system's own look-up, on a thread for work that blocks.
    let looking = tokio::net::lookup_host((host.as_str(), port));
    let found = tokio::time::timeout(LOOK_UP, looking).await.ok()?.ok()?;
    let address = found
        .map(|socket| socket.ip())
        .find(|ip| !address::is_public(*ip))?;
    Some(format!(
        "{host} means {address} here, which can be reached from your own network only"
    ))
}

/// Asks the web server whether it has the file, by HEAD: answer 200 with this size.
///
/// # Errors
/// Why not, as a clause that follows "because".
pub(super) async fn ask_for_file(url: &Url, size: u64, allow_private: bool) -> Result<(), String> {
    let host = address::host(url);
    match tokio::time::timeout(LIMIT, ask_server(url.clone(), size, allow_private)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("{host} did not answer within {LIMIT:?}")),
    }
}

async fn ask_server(url: Url, size: u64, allow_private: bool) -> Result<(), String> {
    let (host, response) = last_answer(url, allow_private).await?;
    judge_response(&response, size).map_err(|said| format!("{host} {said}"))
}

/// Whether the web server says that there is a web page at the address: its type, and the host
/// that says so. No clear answer says nothing: the platform asks in its own way.
pub(super) async fn page(url: &Url, allow_private: bool) -> Option<(&'static str, String)> {
    let asked = tokio::time::timeout(LIMIT, last_answer(url.clone(), allow_private)).await;
    let (host, response) = asked.ok()?.ok()?;
    let kind = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let page = PAGES.iter().find(|page| page.eq_ignore_ascii_case(kind));
    page.filter(|_| response.status() == StatusCode::OK)
        .map(|page| (*page, host))
}

/// What the server at the end of all redirects answers to HEAD, and its name.
async fn last_answer(mut url: Url, allow_private: bool) -> Result<(String, Response), String> {
    for _ in 0..=REDIRECTS {
        if !allow_private && let Some(why) = private(&url).await {
            return Err(format!("{why} (allow-private-urls)"));
        }
        let host = address::host(&url);
        let response = send_head(&url).await.map_err(|error| {
            format!(
                "{host} could not be asked for it ({})",
                chain(&error.without_url())
            )
        })?;
        if !response.status().is_redirection() {
            return Ok((host, response));
        }
        url = redirect_target(&url, &response)
            .ok_or_else(|| format!("{host} redirected to no web address"))?;
    }
    let host = address::host(&url);
    Err(format!("{host} redirected more than {REDIRECTS} times"))
}

async fn send_head(url: &Url) -> Result<Response, reqwest::Error> {
    // Redirects are followed one by one: each may lead into the own network.
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("jw-ingest/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(LIMIT);
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // A machine without CA certificates cannot do HTTPS, and this needs none.
        builder = builder.tls_certs_only([]);
    }
    let request = builder.build()?.head(url.clone());
    request.header(ACCEPT_ENCODING, "identity").send().await
}

/// Where a redirect leads to.
fn redirect_target(from: &Url, response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let to = from.join(location).ok()?;
    ["http", "https"].contains(&to.scheme()).then_some(to)
}

/// What the answer says against the file being there, as a clause that follows the host. When it
/// was changed, and by which tag the server knows it, says nothing about the bytes.
fn judge_response(response: &Response, size: u64) -> Result<(), String> {
    if response.status() != StatusCode::OK {
        return Err(format!(
            "answered HTTP {} for it",
            response.status().as_u16()
        ));
    }
    let headers = response.headers();
    let is_plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !is_plain {
        return Err("would send it encoded (Content-Encoding)".to_owned());
    }
    // Not what the HTTP library makes of it: an answer to HEAD has no body.
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length == size => Ok(()),
        Some(length) => Err(format!("has {length} bytes of it, and the file has {size}")),
        None => Err("does not say its size".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives these answers, one a connection; `{here}` is its own address.
    async fn server(answers: Vec<String>) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        let url = Url::parse(&format!("{here}/a.mp4?Signature=SECRET")).unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                let request = str::from_utf8(&request[..read]).unwrap();
                assert!(request.starts_with("HEAD /"), "{request}");
                let answer = format!("HTTP/1.1 {}\r\n\r\n", answer.replace("{here}", &here));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    async fn asked(answers: &[&str]) -> Result<(), String> {
        let url = server(answers.iter().map(|text| (*text).to_owned()).collect()).await;
        ask_for_file(&url, 5, true).await
    }

    const GOOD: &str = "200 OK\r\nContent-Length: 5";
    const ROUND: &str = "302 Found\r\nLocation: {here}/next?Signature=SECRET";

    #[tokio::test]
    async fn only_200_with_the_size_of_the_file_counts() {
        assert_eq!(asked(&[GOOD]).await, Ok(()));
        assert_eq!(
            asked(&["200 OK\r\nContent-Encoding: identity\r\nContent-Length: 5"]).await,
            Ok(())
        );
        for (answer, says) in [
            (
                "404 Not Found\r\nContent-Length: 5",
                "answered HTTP 404 for it",
            ),
            ("206 Partial\r\nContent-Length: 5", "answered HTTP 206"),
            ("405 Not Allowed\r\nContent-Length: 0", "answered HTTP 405"),
            (
                "200 OK\r\nContent-Length: 4",
                "has 4 bytes of it, and the file has 5",
            ),
            ("200 OK", "does not say its size"),
            (
                "200 OK\r\nTransfer-Encoding: chunked",
                "does not say its size",
            ),
            (
                "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5",
                "would send it encoded",
            ),
            ("302 Found", "redirected to no web address"),
            (
                "302 Found\r\nLocation: file:///etc/passwd",
                "redirected to no web address",
            ),
            ("rubbish", "could not be asked"),
        ] {
            let said = asked(&[answer]).await.unwrap_err();
            assert!(
                said.contains("127.0.0.1 ") && said.contains(says),
                "{answer}: {said}"
            );
            assert!(!said.contains("SECRET"), "{said}");
        }
        assert!(asked(&[]).await.unwrap_err().contains("could not be asked"));
    }

    #[tokio::test]
    async fn only_a_clear_answer_makes_a_page_of_an_address() {
        for (answers, expected) in [
            (
                &["200 OK\r\nContent-Type: text/html; charset=utf-8"][..],
                Some("text/html"),
            ),
            (
                &[ROUND, "200 OK\r\nContent-Type: TEXT/HTML"],
                Some("text/html"),
            ),
            (
                &["200 OK\r\nContent-Type: application/xhtml+xml"],
                Some("application/xhtml+xml"),
            ),
            (&["200 OK\r\nContent-Type: video/mp4"], None),
            (&["200 OK\r\nContent-Type: application/octet-stream"], None),
            (&["200 OK"], None),
            // A server that refuses HEAD, or does not answer, says nothing about GET.
            (&["403 Forbidden\r\nContent-Type: text/html"], None),
            (&["405 Not Allowed\r\nContent-Type: text/html"], None),
            (&["rubbish"], None),
            (&[], None),
        ] {
            let url = server(answers.iter().map(|text| (*text).to_owned()).collect()).await;
            let found = page(&url, true).await;
            assert_eq!(
                found.as_ref().map(|(kind, _)| *kind),
                expected,
                "{answers:?}"
            );
            assert!(found.is_none_or(|(_, host)| host == "127.0.0.1"));
        }
        let url = server(vec!["200 OK\r\nContent-Type: text/html".to_owned()]).await;
        assert_eq!(
            page(&url, false).await,
            None,
            "the own network is not asked"
        );
    }

    #[tokio::test]
    async fn redirects_are_followed_five_times_and_never_into_the_own_network() {
        assert_eq!(
            asked(&[ROUND, ROUND, ROUND, ROUND, ROUND, GOOD]).await,
            Ok(())
        );
        let said = asked(&[ROUND; 6]).await.unwrap_err();
        assert!(
            said.contains("redirected more than 5 times") && !said.contains("SECRET"),
            "{said}"
        );
        let url = server(vec![GOOD.to_owned()]).await;
        let said = ask_for_file(&url, 5, false).await.unwrap_err();
        assert!(
            said.contains("127.0.0.1 can be reached from your own network only"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_name_for_this_machine_is_private_and_one_without_meaning_is_not() {
        let private_here =
            |text: &'static str| async move { private(&Url::parse(text).unwrap()).await };
        assert!(private_here("http://localhost/a").await.is_some());
        assert!(
            private_here("http://[::ffff:192.168.0.1]/a")
                .await
                .is_some()
        );
        assert_eq!(private_here("http://no-such-name.invalid/a").await, None);
    }
}
