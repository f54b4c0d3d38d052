//! `[account.NAME]`: one JW property, and what its API needs.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use secrecy::{ExposeSecret, SecretString};
use toml::de::DeValue;
use url::{Host, Url};

use super::ftp::Ftp;
use super::secret;
use super::section::Section;
use super::upload::MOST_AT_ONCE;
use super::value;

/// `[account.NAME]`: one JW property, with the secret already read.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// The NAME of `[account.NAME]`.
    pub name: String,
    /// Which API it speaks, with what that API needs.
    pub api: Api,
    /// Its FTP server, where it has one.
    pub ftp: Option<Ftp>,
    /// How many of its files are worked on at once, where fewer than `[upload]` allows.
    pub files_at_once: Option<NonZeroU32>,
}

/// An API version and its credentials.
#[derive(Debug, Clone)]
pub(crate) enum Api {
    /// Signed parameters.
    V1 {
        /// The property's public key, 8 characters.
        key: String,
        /// The shared secret.
        secret: SecretString,
        /// Where the API lives, e.g. `https://api.jwplatform.com/v1`; never with a slash at the
        /// end, except for a bare host.
        base_url: Url,
    },
    /// JSON with a bearer token.
    V2 {
        /// The site ID, 8 characters; the same as the property's v1 key.
        site: String,
        /// The API v2 secret.
        token: SecretString,
        /// Where the API lives, e.g. `https://api.jwplayer.com/v2`; as in v1.
        base_url: Url,
    },
}

impl Account {
    /// Which account this is, independent of its section's name: the API, the key or site and,
    /// where that is not JW's own, the platform. The key of a property and its site are two
    /// accounts.
    pub(crate) fn identity(&self) -> String {
        let (id, base_url) = match &self.api {
            Api::V1 { key, base_url, .. } => (key, base_url),
            Api::V2 { site, base_url, .. } => (site, base_url),
        };
        let api = self.api.word();
        match base_url.host_str() {
            Some(host) if JW_HOSTS.contains(&host) => format!("{api} {id}"),
            _ => format!("{api} {id} at {base_url}"),
        }
    }
}

/// Hosts of JW's own platform, all of which have the same accounts.
const JW_HOSTS: [&str; 2] = ["api.jwplatform.com", "api.jwplayer.com"];

impl Api {
    /// Its word in the configuration.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::V1 { .. } => "v1",
            Self::V2 { .. } => "v2",
        }
    }
}

/// Where the v1 API lives (JW docs, v1 API reference).
const V1_BASE_URL: &str = "https://api.jwplatform.com/v1";

/// Where the v2 API lives (JW docs, v2 API reference).
const V2_BASE_URL: &str = "https://api.jwplayer.com/v2";

/// The accounts by name. One that is named but wrong has its faults noted and no value, so that
/// the watches that refer to it are not blamed as well.
pub(super) fn read_all(top: &mut Section<'_>) -> BTreeMap<String, Option<Account>> {
    let written = top.has("account");
    let mut accounts = BTreeMap::new();
    for (name, section) in top.named_tables("account") {
        if !plain(name) {
            section.fault_here("a name has letters, digits, - and _ only");
        }
        accounts.insert(name.to_owned(), read_account(name, section));
    }
    if accounts.is_empty() && !written {
        top.fault_here("no account; write a section [account.main] with key and secret-file");
    } else if accounts.is_empty() {
        top.fault(
            "account",
            "no account in it; write a section [account.main]",
        );
    }
    accounts
}

fn plain(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.bytes().all(fine)
}

fn read_account(name: &str, mut section: Section<'_>) -> Option<Account> {
    let has_ftp = section.has("ftp");
    let ftp = section.table("ftp").map(|mut ftp| {
        ftp.rename(format!("[account.{name}.ftp]"));
        Ftp::read(ftp)
    });
    let at_once = |value: &DeValue<'_>| value::count(value, MOST_AT_ONCE);
    let files_at_once = section.get("files-at-once", at_once);
    let api = read_api(section)?;
    // One that is wrong has its faults noted, and must not look like none.
    let ftp = match ftp {
        None if has_ftp => return None,
        None => None,
        Some(ftp) => Some(ftp?),
    };
    Some(Account {
        name: name.to_owned(),
        api,
        ftp,
        files_at_once,
    })
}

fn read_api(mut section: Section<'_>) -> Option<Api> {
    let version = section.get("api", parse_version);
    if version.is_none() && section.has("api") {
        // The other keys belong to an API that is not known here: blaming them would mislead.
        return None;
    }
    let api = match version.unwrap_or(Version::V1) {
        Version::V1 => v1(&mut section),
        Version::V2 => v2(&mut section),
    };
    section.finish();
    api
}

fn v1(section: &mut Section<'_>) -> Option<Api> {
    let key = section.required("key", "\"XOqEAfxj\", the API key of the property", key);
    let secret = secret::read_secret(section, secret::SECRET);
    let base_url = base_url(section, V1_BASE_URL);
    Some(Api::V1 {
        key: key?,
        secret: secret?,
        base_url: base_url?,
    })
}

fn v2(section: &mut Section<'_>) -> Option<Api> {
    let site = section.required(
        "site",
        "\"XOqEAfxj\", the site ID of the property",
        parse_site,
    );
    let token = secret::read_secret(section, secret::SECRET);
    let token = token.filter(|token| {
        // It goes into an HTTP header as it is (RFC 6750, bearer tokens).
        let is_plain = token
            .expose_secret()
            .bytes()
            .all(|byte| byte.is_ascii_graphic());
        if !is_plain {
            section
                .fault_here("this is not an API v2 secret, which has plain ASCII characters only");
        }
        is_plain
    });
    let base_url = base_url(section, V2_BASE_URL);
    Some(Api::V2 {
        site: site?,
        token: token?,
        base_url: base_url?,
    })
}

enum Version {
    V1,
    V2,
}

fn parse_version(value: &DeValue<'_>) -> Result<Version, String> {
    match value::text(value)?.as_str() {
        "v1" => Ok(Version::V1),
        "v2" => Ok(Version::V2),
        other => Err(format!(
            "{other:?} is not an API version; write \"v1\" or \"v2\""
        )),
    }
}

/// A key of another length is a mistake, most likely the secret: so it is not repeated.
fn key(value: &DeValue<'_>) -> Result<String, String> {
    let key = value::text(value)?;
    if key.len() == 8 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(key);
    }
    Err(
        "expected the API key of the property, 8 letters and digits; the secret belongs in \
         secret-file"
            .to_owned(),
    )
}

/// A site ID is the API key of the same property, seen from v2; another length is a mistake here too.
fn parse_site(value: &DeValue<'_>) -> Result<String, String> {
    key(value).map_err(|_| {
        "expected the site ID of the property, 8 letters and digits; the API v2 secret belongs in \
         secret-file"
            .to_owned()
    })
}

fn base_url(section: &mut Section<'_>, default: &str) -> Option<Url> {
    if section.take("base-url").is_none() {
        return Url::parse(default).ok();
    }
    section.get("base-url", |value| read_base_url(value, default))
}

fn read_base_url(value: &DeValue<'_>, default: &str) -> Result<Url, String> {
    let text = value::text(value)?;
    let example = format!("write one like \"{default}\"");
    let mut url = Url::parse(&text).map_err(|fault| format!("not a URL ({fault}); {example}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("has a user name or password in it; {example}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("has a ? or # in it; {example}"));
    }
    match url.scheme() {
        "https" => {}
        // Answers carry upload links, and anyone who reads such a link can use it.
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(
                "plain http is for this machine only (127.0.0.1, ::1, localhost); write https"
                    .to_owned(),
            );
        }
        other => return Err(format!("{other}: is not https; {example}")),
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST, SECRET};
    use super::*;

    #[test]
    fn each_fault_of_an_account_is_refused() {
        let fixture = Fixture::new();
        let after_key = |line: &str| format!("\"abcd1234\"\n{line}");
        for (line, says) in [
            (
                "api = \"v3\"",
                "\"v3\" is not an API version; write \"v1\" or \"v2\"",
            ),
            ("api = 1", "expected a text in quotes, not a number"),
            (
                "files-at-once = 0",
                "files-at-once: expected a whole number from 1 to 64, not 0",
            ),
            (
                "site = \"abcd1234\"",
                "unknown key \"site\"; expected one of: api, base-url, credential, files-at-once, ftp, key, secret-file",
            ),
        ] {
            fixture.refuses(("\"abcd1234\"", &after_key(line), 3, says));
        }
        for case in [
            (
                "key = \"abcd1234\"\n",
                "",
                1,
                "[account.main]: key: missing; write key = ",
            ),
            (
                "\"abcd1234\"",
                "\"s3cretOfTheProperty\"",
                2,
                "8 letters and digits; the secret belongs in secret-file",
            ),
            ("\"abcd1234\"", "\"abc 1234\"", 2, "8 letters and digits"),
            (
                "[account.main]",
                "[account.\"ma in\"]",
                1,
                "letters, digits, - and _ only",
            ),
            (
                "[[watch]]",
                "[account.other]\nkey = \"abcd1234\"\nsecret-file = \"{dir}/secret\"\n[[watch]]",
                8,
                "account: missing; several accounts exist, write one of: main, other",
            ),
        ] {
            fixture.refuses(case);
        }
    }

    #[test]
    fn the_files_at_once_of_an_account_are_its_own() {
        let fixture = Fixture::new();
        let of = |text: &str| fixture.parse(text).unwrap().accounts["main"].files_at_once;
        assert_eq!(of(LEAST), None);
        let text = LEAST.replace("[[watch]]", "files-at-once = 3\n[[watch]]");
        assert_eq!(of(&text), NonZeroU32::new(3));
    }

    #[test]
    fn base_urls_that_would_leak_or_mislead_are_refused() {
        let fixture = Fixture::new();
        for (line, says) in [
            ("base-url = \"api.jwplatform.com\"", "base-url: not a URL"),
            (
                "base-url = \"ftp://api.jwplatform.com\"",
                "ftp: is not https",
            ),
            (
                "base-url = \"https://a:b@api.jwplatform.com\"",
                "user name or password",
            ),
            (
                "base-url = \"https://api.jwplatform.com/v1?x=1\"",
                "has a ? or #",
            ),
            (
                "base-url = \"http://api.jwplatform.com/v1\"",
                "plain http is for this machine only",
            ),
            (
                "base-url = \"http://127.0.0.1.example.com/v1\"",
                "plain http is for this machine only",
            ),
        ] {
            let line = format!("\"abcd1234\"\n{line}");
            fixture.refuses(("\"abcd1234\"", &line, 3, says));
        }
    }

    #[test]
    fn an_account_without_its_name_is_told_apart() {
        let text = LEAST.replace("[account.main]", "[account]");
        let refusal = Fixture::new().parse(&text).unwrap_err().to_string();
        assert!(
            refusal.contains("daemon.toml:2: [account]: key: expected a section with a name"),
            "{refusal}"
        );
    }

    #[test]
    fn base_urls_lose_their_last_slash_and_may_be_plain_on_loopback() {
        let fixture = Fixture::new();
        for (written, read) in [
            ("https://example.com/v1/", "https://example.com/v1"),
            ("http://127.0.0.1:8700/v1", "http://127.0.0.1:8700/v1"),
            ("http://[::1]:8700", "http://[::1]:8700/"),
            ("http://localhost/", "http://localhost/"),
        ] {
            let text = LEAST.replace("[[watch]]", &format!("base-url = \"{written}\"\n[[watch]]"));
            let config = fixture.parse(&text).unwrap();
            let Api::V1 { base_url, .. } = &config.accounts["main"].api else {
                panic!("{written}")
            };
            assert_eq!(base_url.as_str(), read);
        }
    }

    #[test]
    fn an_account_of_v2_has_its_site_and_its_own_address() {
        let fixture = Fixture::new();
        let text = |base: &str| {
            LEAST.replace(
                "key = \"abcd1234\"",
                &format!("api = \"v2\"\nsite = \"abcd1234\"\n{base}"),
            )
        };
        for (written, read) in [
            ("", "https://api.jwplayer.com/v2"),
            (
                "base-url = \"http://127.0.0.1:8700/v2/\"",
                "http://127.0.0.1:8700/v2",
            ),
        ] {
            let config = fixture.parse(&text(written)).unwrap();
            let Api::V2 {
                site,
                token,
                base_url,
            } = &config.accounts["main"].api
            else {
                panic!("{written}")
            };
            assert_eq!((site.as_str(), base_url.as_str()), ("abcd1234", read));
            assert_eq!(token.expose_secret(), SECRET);
            assert!(!format!("{config:?}").contains(SECRET));
        }
        let refused = fixture.parse(&text("base-url = \"x\"")).unwrap_err();
        let says = "write one like \"https://api.jwplayer.com/v2\"";
        assert!(refused.to_string().contains(says), "{refused}");
        fixture.file("secret", "caf\u{e9}-token", 0o600);
        let refused = fixture.parse(&text("")).unwrap_err().to_string();
        assert!(
            refused.contains("not an API v2 secret") && !refused.contains("caf"),
            "{refused}"
        );
    }

    #[test]
    fn an_account_is_who_it_is_by_whatever_host_and_name() {
        let fixture = Fixture::new();
        let identity = |more: &str, name: &str| {
            let text = LEAST.replace("[[watch]]", &format!("{more}\n[[watch]]"));
            let text = text.replace("account.main", &format!("account.{name}"));
            fixture.parse(&text).unwrap().accounts[name].identity()
        };
        assert_eq!(identity("", "main"), "v1 abcd1234");
        let other = "base-url = \"https://api.jwplayer.com/v1\"";
        assert_eq!(identity(other, "news"), "v1 abcd1234");
        let elsewhere = "base-url = \"https://example.com/v1/\"";
        assert_eq!(
            identity(elsewhere, "main"),
            "v1 abcd1234 at https://example.com/v1"
        );
        let text = LEAST.replace("key =", "api = \"v2\"\nsite =");
        let site = fixture.parse(&text).unwrap().accounts["main"].identity();
        assert_eq!(site, "v2 abcd1234");
    }

    #[test]
    fn keys_of_the_other_api_are_told_apart() {
        let fixture = Fixture::new();
        for (written, line, says) in [
            (
                "api = \"v2\"\nkey = \"abcd1234\"\nsite = \"abcd1234\"",
                3,
                "unknown key \"key\"; expected one of: api, base-url, credential, files-at-once, ftp, secret-file, site",
            ),
            (
                "api = \"v2\"",
                1,
                "site: missing; write site = \"XOqEAfxj\", the site ID of the property",
            ),
            (
                "api = \"v2\"\nsite = \"s3cretOfTheProperty\"",
                3,
                "expected the site ID of the property, 8 letters and digits; the API v2 secret",
            ),
        ] {
            fixture.refuses(("key = \"abcd1234\"", written, line, says));
        }
    }
}
