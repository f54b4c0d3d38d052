//! Changing the job table from the command line: who may, and what follows from it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::Connection;

use super::context::remark;
use super::error::CommandError;
use crate::queue;
use crate::wording::text;

/// Opens the database for a change.
///
/// # Errors
/// See [`CommandError`]; a user who can only read is told as whom to run the command.
pub(super) fn open_for_change(path: &Path) -> Result<Connection, CommandError> {
    queue::open(path).map_err(|error| match error {
        queue::Error::ReadOnly { .. } => {
            mere_reader(path).map_or(error.into(), CommandError::Failed)
        }
        error => error.into(),
    })
}

/// Says when an order takes effect, if the daemon does not run.
pub(super) fn hint(database: &Path) {
    if queue::daemon_runs(database) == Some(false) {
        remark("the daemon does not run: this takes effect when it is started");
    }
}

/// What a user other than the owner of the database can do; the owner has another problem.
fn mere_reader(path: &Path) -> Option<String> {
    let owner = fs::metadata(path).ok()?.uid();
    // The owner of what /proc shows of a process is its user.
    if fs::metadata("/proc/self").ok()?.uid() == owner {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    // A user of another directory service has no line there, and `setpriv` takes numbers.
    let become_owner = name_of(owner, &users).map_or_else(
        || format!("setpriv --reuid={owner} --clear-groups"),
        |name| format!("runuser -u {name} --"),
    );
    let command: Vec<_> = std::env::args_os().map(|word| text::shell(&word)).collect();
    Some(format!(
        "you can read the job table but not change it; run this as the daemon's user: \
         {become_owner} {}",
        command.join(" ")
    ))
}

/// The name of a user in the form of passwd(5).
fn name_of(uid: u32, users: &str) -> Option<&str> {
    let uid = uid.to_string();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n\nbroken\njw-ingest:x:998:997::/var/lib:/bin/false\n";
        assert_eq!(name_of(998, users), Some("jw-ingest"));
        assert_eq!(name_of(0, users), Some("root"));
        assert_eq!(name_of(997, users), None);
    }
}
