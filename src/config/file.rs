//! The configuration file as text, or the sentence that says why it cannot be had.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::problem::{Problem, Problems};

/// No configuration is larger, bytes: a user who names a video by mistake gets an answer at once.
const MOST: u64 = 1 << 20;

/// The text of the file; each fault says what to do.
pub(super) fn text_of(path: &Path) -> Result<String, Problems> {
    let mut bytes = Vec::new();
    let outcome = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes));
    let (line, message) = match outcome {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            let message = "no such file; copy daemon.example.toml there and fill it in, \
                           or name another one with --config";
            (None, message.to_owned())
        }
        Err(fault) => (None, format!("cannot be read: {fault}")),
        Ok(_) if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST) => {
            let message = "larger than 1 MiB, so this is no configuration; name another file";
            (None, message.to_owned())
        }
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(fault) => {
                let valid = fault.utf8_error().valid_up_to();
                let before = fault.as_bytes().iter().take(valid);
                let line = 1 + before.filter(|byte| **byte == b'\n').count();
                (Some(line), "not UTF-8; save the file as UTF-8".to_owned())
            }
        },
    };
    let problem = Problem {
        file: path.to_path_buf(),
        line,
        section: String::new(),
        key: None,
        message,
    };
    Err(Problems::new(vec![problem]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Fixture;
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_told_apart() {
        let fixture = Fixture::new();
        fixture.file("large.toml", &"#".repeat(2 << 20), 0o600);
        std::fs::write(fixture.path("latin.toml"), b"# a\n# caf\xe9\n").unwrap();
        for (name, says) in [
            (
                "none.toml",
                "none.toml: no such file; copy daemon.example.toml there",
            ),
            ("news", "news: cannot be read: Is a directory"),
            ("large.toml", "larger than 1 MiB"),
            ("latin.toml", "latin.toml:2: not UTF-8"),
        ] {
            let refusal = text_of(&fixture.path(name)).unwrap_err().to_string();
            assert!(refusal.contains(says), "{refusal}");
        }
    }
}
