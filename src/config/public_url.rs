//! `public-url`: where the watched folder is also served on the web, so that the platform can fetch
//! the files by itself.

use toml::de::DeValue;
use url::Url;

use super::section::Section;
use super::value;
use super::watch::Method;
use crate::address;

/// What a watch says about URLs.
#[derive(Debug, Clone, Default)]
pub(super) struct Urls {
    /// The folder on the web; its path ends in `/`.
    pub(super) public: Option<Url>,
    /// Whether a URL may lead into the own network.
    pub(super) allow_private: bool,
}

/// Reads the keys of a watch that are about URLs.
pub(super) fn read_urls(section: &mut Section<'_>, method: Method) -> Urls {
    let allow_private = section
        .get("allow-private-urls", value::flag)
        .unwrap_or_default();
    let public = section.get("public-url", |value| public_url(value, allow_private));
    if method == Method::Fetch && !section.has("public-url") {
        let message = "\"fetch\" needs to know where the folder is served on the web; write \
                       public-url = \"https://media.example.org/drop/\" too, or method = \"auto\" \
                       (files NAME.url are fetched by any method)";
        section.fault("method", message);
    }
    Urls {
        public,
        allow_private,
    }
}

fn public_url(value: &DeValue<'_>, allow_private: bool) -> Result<Url, String> {
    const WRITE: &str = "write the address of the folder, like \"https://media.example.org/drop/\"";
    let text = value::text(value)?;
    // Without the text, here and below: it may hold a password.
    let mut url = Url::parse(&text).map_err(|fault| format!("not a URL ({fault}); {WRITE}"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!(
            "{:?} is not http or https, and the platform fetches by no other; {WRITE}",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "has a user or password in it, which the platform would not send; {WRITE}"
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "has a `?` or `#` in it, and file names cannot be added after that; {WRITE}"
        ));
    }
    if let Some(host) = address::private_host(&url).filter(|_| !allow_private) {
        return Err(format!(
            "{host} can be reached from your own network only, and not by the platform; write a \
             public address or, if the platform can reach it anyway, allow-private-urls = true"
        ));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::super::watch::Method;

    #[test]
    fn each_fault_is_refused_with_its_line() {
        let fixture = Fixture::new();
        for (line, says) in [
            (
                "method = \"fetch\"",
                "method: \"fetch\" needs to know where the folder is served on the web; write public-url =",
            ),
            (
                "public-url = \"media.example.org/drop\"",
                "not a URL (relative URL without a base); write the address of the folder",
            ),
            (
                "public-url = \"ftp://a.example/\"",
                "\"ftp\" is not http or https",
            ),
            ("public-url = \"https://\"", "not a URL (empty host)"),
            (
                "public-url = \"https://u:pw@a.example/\"",
                "has a user or password in it",
            ),
            (
                "public-url = \"https://a.example/?x\"",
                "has a `?` or `#` in it",
            ),
            (
                "public-url = \"https://a.example/#x\"",
                "has a `?` or `#` in it",
            ),
            (
                "public-url = \"http://10.1.2.3/\"",
                "10.1.2.3 can be reached from your own network only",
            ),
            (
                "public-url = \"http://2130706433/\"",
                "127.0.0.1 can be reached from your own network only",
            ),
            (
                "public-url = \"http://localhost/\"",
                "or, if the platform can reach it anyway, allow-private-urls = true",
            ),
            ("public-url = 3", "expected a text in quotes"),
            ("allow-private-urls = \"yes\"", "expected true or false"),
        ] {
            let text = format!("name = \"news\"\n{line}");
            fixture.refuses(("name = \"news\"", &text, 7, says));
        }
        let shown = fixture
            .parse(&LEAST.replace(
                "name = \"news\"",
                "name = \"news\"\npublic-url = \"https://u:hunter2@a.example/\"",
            ))
            .unwrap_err()
            .to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_is_written_is_taken_with_a_slash_at_its_end() {
        for (written, taken) in [
            ("https://media.example.org", "https://media.example.org/"),
            (
                "https://media.example.org/drop",
                "https://media.example.org/drop/",
            ),
            (
                "http://media.example.org:8080/a%20b/",
                "http://media.example.org:8080/a%20b/",
            ),
        ] {
            let more = format!("name = \"news\"\nmethod = \"fetch\"\npublic-url = {written:?}");
            let config = Fixture::new()
                .parse(&LEAST.replace("name = \"news\"", &more))
                .unwrap();
            let watch = &config.watches[0];
            assert_eq!(watch.public_url.as_ref().unwrap().as_str(), taken);
            assert_eq!(
                (watch.method, watch.allow_private_urls),
                (Method::Fetch, false)
            );
        }
        let more =
            "name = \"news\"\npublic-url = \"http://127.0.0.1:1/\"\nallow-private-urls = true";
        let config = Fixture::new()
            .parse(&LEAST.replace("name = \"news\"", more))
            .unwrap();
        assert!(config.watches[0].allow_private_urls);
    }
}
