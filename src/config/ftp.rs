//! `[account.NAME.ftp]`: the account's FTP server, for accounts that have one by contract.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use toml::de::DeValue;

use super::secret;
use super::section::Section;
use super::value;

/// `[account.NAME.ftp]`, with the password already read.
#[derive(Debug, Clone)]
pub(crate) struct Ftp {
    /// Host name or IP address.
    pub host: String,
    /// TCP port of the control connection.
    pub port: u16,
    /// The login name.
    pub user: String,
    /// With what.
    pub password: SecretString,
    /// The folder for the videos, as the server names it; the one after log-in where none is named.
    pub directory: Option<String>,
    /// How the connections are encrypted.
    pub tls: Tls,
    /// The certificates to trust in place of the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether we open the data connections.
    pub passive: bool,
    /// How long the video's key is looked for once the file is there.
    pub key_wait: Duration,
}

/// How the connections to an FTP server are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    /// By `AUTH TLS` on the plain port (RFC 4217).
    Explicit,
    /// From the first byte, on a port of its own.
    Implicit,
    /// Not at all.
    None,
}

/// How long the key is looked for where nothing else is written.
const KEY_WAIT: Duration = Duration::from_hours(24);

impl Ftp {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let host = section.required("host", "\"ftp.example.com\", the name of the server", host);
        let tls = section.get("tls", parse_tls);
        let tls = if section.has("tls") {
            tls
        } else {
            Some(Tls::Explicit)
        };
        let port = section.get("port", |value| {
            value::count(value, u32::from(u16::MAX)).map(std::num::NonZeroU32::get)
        });
        let usual = if tls == Some(Tls::Implicit) { 990 } else { 21 };
        let port = port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(usual);
        let user = section.required("user", "\"news\", the name to log in with", check_line);
        let password = secret::read_secret(&mut section, secret::FTP_PASSWORD);
        let directory = section.get("directory", check_line);
        let ca_file = section.get("ca-file", value::absolute);
        if ca_file.is_some() && tls == Some(Tls::None) {
            section.fault(
                "ca-file",
                "without effect with tls = \"none\"; leave it out",
            );
        }
        let passive = section.get("passive", value::flag).unwrap_or(true);
        let bounds = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
        let key_wait = section
            .get("key-wait", |value| value::duration(value, bounds))
            .unwrap_or(KEY_WAIT);
        section.finish();
        Some(Self {
            host: host?,
            port,
            user: user?,
            password: password?,
            directory,
            tls: tls?,
            ca_file,
            passive,
            key_wait,
        })
    }
}

/// A name or an address: nothing that looks like a URL.
fn host(value: &DeValue<'_>) -> Result<String, String> {
    let host = value::text(value)?;
    let odd = |letter: char| {
        letter.is_whitespace() || letter.is_control() || matches!(letter, '/' | '@' | '[' | ']')
    };
    if host.contains(odd) {
        return Err(format!(
            "{host:?} is not a host; write its name alone, like \"ftp.example.com\", and the rest into port, \
             user, and directory"
        ));
    }
    Ok(host)
}

/// What goes into one line of the protocol.
fn check_line(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    if text.contains(char::is_control) {
        return Err("expected a text on one line".to_owned());
    }
    Ok(text)
}

fn parse_tls(value: &DeValue<'_>) -> Result<Tls, String> {
    match value::text(value)?.as_str() {
        "explicit" => Ok(Tls::Explicit),
        "implicit" => Ok(Tls::Implicit),
        "none" => Ok(Tls::None),
        other => Err(format!(
            "{other:?} is not a TLS mode; expected one of: explicit, implicit, none"
        )),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::super::tests::fixture::{Fixture, LEAST};
    use super::super::{Config, Method};
    use super::*;

    const PASSWORD: &str = "pass word of 1 server";

    const FTP: &str = "\
[account.main.ftp]
host = \"ftp.example.com\"
user = \"news\"
password-file = \"{dir}/password\"
";

    fn fixture() -> Fixture {
        let fixture = Fixture::new();
        fixture.file("password", &format!("{PASSWORD}\n"), 0o600);
        fixture
    }

    fn parsed(more: &str) -> Config {
        let text = format!("{FTP}{more}\n{LEAST}");
        fixture().parse(&text).unwrap()
    }

    #[test]
    fn the_defaults_are_the_safe_ones() {
        let config = parsed("");
        let ftp = config.accounts["main"].ftp.as_ref().unwrap();
        assert_eq!((ftp.port, ftp.tls, ftp.passive), (21, Tls::Explicit, true));
        assert_eq!(ftp.key_wait, Duration::from_hours(24));
        assert_eq!((&ftp.directory, &ftp.ca_file), (&None, &None));
        assert_eq!(ftp.password.expose_secret(), PASSWORD);
        assert!(!format!("{config:?}").contains(PASSWORD));
    }

    #[test]
    fn what_is_written_is_taken() {
        let config =
            parsed("tls = \"implicit\"\ndirectory = \"/in\"\npassive = false\nkey-wait = \"2h\"");
        let ftp = config.accounts["main"].ftp.as_ref().unwrap();
        assert_eq!((ftp.port, ftp.passive), (990, false));
        assert_eq!(ftp.directory.as_deref(), Some("/in"));
        assert_eq!(ftp.key_wait, Duration::from_hours(2));
        let config = parsed("tls = \"none\"\nport = 2121");
        let ftp = config.accounts["main"].ftp.as_ref().unwrap();
        assert_eq!((ftp.port, ftp.tls), (2121, Tls::None));
    }

    #[test]
    fn a_watch_may_go_by_it() {
        let text = format!("{FTP}{LEAST}method = \"ftp\"\n");
        let config = fixture().parse(&text).unwrap();
        assert_eq!(config.watches[0].method, Method::Ftp);
    }

    /// What is replaced, by what, and the line and words of the refusal.
    const FAULTS: [(&str, &str, usize, &str); 12] = [
        (
            "host = \"ftp.example.com\"\n",
            "",
            1,
            "[account.main.ftp]: host: missing; write host =",
        ),
        (
            "ftp.example.com",
            "ftp://ftp.example.com/in",
            2,
            "is not a host; write its name alone",
        ),
        ("user = \"news\"\n", "", 1, "user: missing"),
        (
            "\"news\"",
            "\"a\\r\\nDELE b\"",
            3,
            "user: expected a text on one line",
        ),
        (
            "password-file = \"{dir}/password\"\n",
            "",
            1,
            "no password; write password-file =",
        ),
        (
            "/password\"",
            "/loose\"",
            4,
            "is open to other users (mode 644)",
        ),
        (
            "/password\"",
            "/lines\"",
            4,
            "holds more than one line; put the FTP password",
        ),
        (
            "/password\"",
            "/password\"\ntls = \"ssl\"",
            5,
            "\"ssl\" is not a TLS mode; expected one of: explicit, implicit, none",
        ),
        (
            "/password\"",
            "/password\"\nport = 0",
            5,
            "expected a whole number from 1 to 65535",
        ),
        (
            "/password\"",
            "/password\"\npasive = true",
            5,
            "unknown key \"pasive\"; did you mean \"passive\"?",
        ),
        (
            "/password\"",
            "/password\"\nkey-wait = \"0s\"",
            5,
            "too short; at least 1s",
        ),
        (
            "/password\"",
            "/password\"\ntls = \"none\"\nca-file = \"/a.pem\"",
            6,
            "without effect with tls = \"none\"",
        ),
    ];

    #[test]
    fn each_fault_is_refused_with_its_line() {
        let fixture = fixture();
        fixture.file("loose", PASSWORD, 0o644);
        fixture.file("lines", "one\ntwo\n", 0o600);
        for (find, replace, line, says) in FAULTS {
            let text = format!("{}{LEAST}method = \"ftp\"\n", FTP.replace(find, replace));
            let problems = fixture.parse(&text).unwrap_err();
            assert_eq!(problems.iter().count(), 1, "{replace}: {problems}");
            let shown = problems.to_string();
            let place = format!("daemon.toml:{line}: [account.main.ftp]: ");
            assert!(
                shown.starts_with(&place) && shown.contains(says),
                "{says}\n{shown}"
            );
            assert!(!shown.contains(PASSWORD), "{shown}");
        }
    }
}
