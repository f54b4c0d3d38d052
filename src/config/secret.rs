//! Reading a secret from the file, or the systemd credential, that the configuration names.
//!
//! The secret itself appears in no message. A file that others can read is refused: it has to be
//! taken for known already.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::reader::Look;
use super::section::Section;
use super::value;

/// More than any secret has, bytes: enough to tell a wrong file without swallowing it.
const MOST: u64 = 4096;

/// A secret, as its section and the messages name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The key that names its file.
    file: &'static str,
    /// The key that names its credential.
    credential: &'static str,
    /// What it is.
    what: &'static str,
    /// What to write where none is named.
    advice: &'static str,
    /// Whether it has no blanks; a password may have some.
    is_word: bool,
}

/// The API secret of an account.
pub(super) const SECRET: Kind = Kind {
    file: "secret-file",
    credential: "credential",
    what: "API secret",
    advice: "no secret; write secret-file = \"/etc/jw-ingest/secret\", \
             or credential = \"jw-secret\" where systemd passes it in",
    is_word: true,
};

/// The password of an FTP server.
pub(super) const FTP_PASSWORD: Kind = Kind {
    file: "password-file",
    credential: "password-credential",
    what: "FTP password",
    advice: "no password; write password-file = \"/etc/jw-ingest/ftp-password\", \
             or password-credential = \"ftp-password\" where systemd passes it in",
    is_word: false,
};

/// Reads the secret that the section names by a file or a credential; faults are noted.
pub(super) fn read_secret(section: &mut Section<'_>, kind: Kind) -> Option<SecretString> {
    let both = section.has(kind.file) && section.has(kind.credential);
    let neither = !section.has(kind.file) && !section.has(kind.credential);
    let file = section.get(kind.file, value::absolute);
    let credential = section.get(kind.credential, credential_name);
    if both {
        let message = format!("{} is given too; keep one of the two", kind.file);
        section.fault(kind.credential, message);
        return None;
    }
    if neither {
        section.fault_here(kind.advice);
        return None;
    }
    let Look::Everything { credentials, .. } = section.look() else {
        // Not read, so that a user who may not know it can still be shown which accounts there are.
        return Some(SecretString::default());
    };
    let (key, outcome) = match (file, credential) {
        (Some(path), _) => (kind.file, from_file(&path, kind)),
        (_, Some(name)) => (
            kind.credential,
            from_systemd(&name, credentials.as_deref(), kind),
        ),
        (None, None) => return None,
    };
    outcome.map_err(|message| section.fault(key, message)).ok()
}

/// A name that systemd would take, and no way out of its folder.
fn credential_name(value: &toml::de::DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    if name.contains('/') || name == "." || name == ".." {
        return Err(format!(
            "{name:?} is a path; write the name that follows LoadCredential= in the unit"
        ));
    }
    Ok(name)
}

fn from_file(path: &Path, kind: Kind) -> Result<SecretString, String> {
    let shown = path.display();
    let found = fs::metadata(path).map_err(|fault| match fault.kind() {
        io::ErrorKind::NotFound => {
            let what = kind.what;
            format!("{shown} does not exist; put the {what}, and nothing else, into it")
        }
        _ => format!("{shown} cannot be reached: {fault}"),
    })?;
    if !found.is_file() {
        return Err(format!("{shown} is not a file; name the file itself"));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} is open to other users (mode {mode:03o}); run: chmod 600 {shown}"
        ));
    }
    read_contents(path, kind)
}

/// The group bits of a credential are systemd's own doing, so its mode is not looked at.
fn from_systemd(name: &str, directory: Option<&Path>, kind: Kind) -> Result<SecretString, String> {
    let Some(directory) = directory else {
        return Err(format!(
            "$CREDENTIALS_DIRECTORY is not set, as only systemd sets it: start it as a service \
             with LoadCredential={name}:FILE, or by hand as systemd-run --pty --wait \
             -p User=jw-ingest -p LoadCredential={name}:FILE jw-ingest …"
        ));
    };
    let path: PathBuf = directory.join(name);
    if !path.is_file() {
        return Err(format!(
            "no such credential; put LoadCredential={name}:FILE into the unit's [Service] section"
        ));
    }
    read_contents(&path, kind)
}

fn read_contents(path: &Path, kind: Kind) -> Result<SecretString, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
        .map_err(|fault| {
            format!(
                "{shown} cannot be read: {fault}; the daemon's user must own it, \
                 or systemd pass it in as a credential"
            )
        })?;
    let text = std::str::from_utf8(&bytes).unwrap_or("\0");
    let text = if kind.is_word {
        text.trim()
    } else {
        text.trim_end_matches(['\r', '\n'])
    };
    let what = kind.what;
    if text.is_empty() {
        return Err(format!("{shown} is empty; put the {what} into it"));
    }
    let odd = |letter: char| letter.is_control() || (kind.is_word && letter.is_whitespace());
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST) || text.contains(odd) {
        let unit = if kind.is_word { "word" } else { "line" };
        return Err(format!(
            "{shown} holds more than one {unit}; put the {what}, and nothing else, into it"
        ));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::super::Api;
    use super::super::tests::fixture::{Fixture, LEAST, SECRET};
    use super::*;

    const FILE: &str = "secret-file = \"{dir}/secret\"";

    #[test]
    fn a_secret_is_read_without_its_line_end() {
        let fixture = Fixture::new();
        fixture.file("loose", &format!("{SECRET}\r\n"), 0o440);
        for text in [
            LEAST.to_owned(),
            LEAST.replace(FILE, "credential = \"loose\""),
        ] {
            let config = fixture.parse(&text).unwrap();
            let Api::V1 { secret, .. } = &config.accounts["main"].api else {
                panic!("{text}")
            };
            assert_eq!(secret.expose_secret(), SECRET);
        }
    }

    #[test]
    fn each_fault_of_a_secret_is_refused() {
        let fixture = Fixture::new();
        fixture.file("group", SECRET, 0o640);
        fixture.file("world", SECRET, 0o604);
        fixture.file("empty", "\n", 0o600);
        fixture.file("words", "two words", 0o600);
        fixture.file("lines", "two\nlines\n", 0o600);
        fixture.file("long", &SECRET.repeat(1000), 0o600);
        fs::write(fixture.path("binary"), b"\xff\xfe").unwrap();
        for (line, says) in [
            (
                "secret-file = \"{dir}/none\"",
                "does not exist; put the API secret",
            ),
            (
                "secret-file = \"{dir}/group\"",
                "/group is open to other users (mode 640); run: chmod 600 ",
            ),
            (
                "secret-file = \"{dir}/world\"",
                "/world is open to other users (mode 604); run: chmod 600 ",
            ),
            ("secret-file = \"{dir}/empty\"", "is empty"),
            ("secret-file = \"{dir}/words\"", "holds more than one word"),
            ("secret-file = \"{dir}/lines\"", "holds more than one word"),
            ("secret-file = \"{dir}/long\"", "holds more than one word"),
            ("secret-file = \"{dir}/news\"", "is not a file"),
            ("secret-file = \"secret\"", "\"secret\" is relative"),
            (
                "credential = \"none\"",
                "no such credential; put LoadCredential=none:FILE into",
            ),
            (
                "credential = \"../secret\"",
                "is a path; write the name that follows LoadCredential=",
            ),
            ("credential = \"binary\"", "holds more than one word"),
        ] {
            fixture.refuses((FILE, line, 3, says));
        }
        fixture.refuses((
            FILE,
            "",
            1,
            "[account.main]: no secret; write secret-file = ",
        ));
        let both = format!("{FILE}\ncredential = \"secret\"");
        fixture.refuses((
            FILE,
            &both,
            4,
            "credential: secret-file is given too; keep one of the two",
        ));
    }

    #[test]
    fn a_credential_outside_systemd_says_how_to_get_it() {
        let text = LEAST.replace(FILE, "credential = \"jw-secret\"");
        let look = Look::Everything {
            credentials: None,
            away: false,
        };
        let refusal = Fixture::new().parse_with(&text, &look).unwrap_err();
        let says = "daemon.toml:3: [account.main]: credential: $CREDENTIALS_DIRECTORY is not set";
        assert!(refusal.to_string().starts_with(says), "{refusal}");
    }
}
