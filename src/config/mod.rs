//! The configuration: read once, typed, and unable to be wrong once it exists.
//!
//! [`load`] gives a [`Config`], or every fault of the file at once. Each section is a file with
//! its type, defaults, and rules; `section` reads keys and notes faults, `value` reads one value.
//! Nothing here uses the network.

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use account::{Account, Api};
pub(crate) use afterwards::{AfterUpload, TRASH};
pub(crate) use confirm::Confirm;
pub(crate) use database::Database;
pub(crate) use ftp::{Ftp, Tls};
pub(crate) use globs::Globs;
pub(crate) use metadata::MetadataOptions;
pub(crate) use on_replace::OnReplace;
pub(crate) use problem::Problems;
pub(crate) use rate::Rate;
pub(crate) use rates::Rates;
pub(crate) use read::{load, load_outline, load_to_read, load_to_wait};
pub(crate) use retry::Retry;
pub(crate) use structures::Structure;
pub(crate) use upload::Upload;
pub(crate) use watch::{Method, Watch};
pub(crate) use watching::{Marker, Mode};

#[cfg(test)]
pub(crate) use {afterwards::Afterwards, read::parse, structures::Structures, watching::Watching};

mod account;
mod afterwards;
mod confirm;
mod database;
mod file;
mod folders;
mod ftp;
mod globs;
mod metadata;
mod on_replace;
mod problem;
mod public_url;
mod rate;
mod rates;
mod read;
mod reader;
mod reload;
mod retry;
mod secret;
mod section;
mod structures;
#[cfg(test)]
pub(crate) mod tests;
mod upload;
mod value;
mod watch;
mod watching;

/// Where the configuration is by default.
pub(crate) const DEFAULT_FILE: &str = "/etc/jw-ingest/daemon.toml";

/// The whole configuration of one daemon.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// `[database]`.
    pub database: Database,
    /// `[account.NAME]`, by name.
    pub accounts: BTreeMap<String, Account>,
    /// `[upload]`.
    pub upload: Upload,
    /// `[retry]`.
    pub retry: Retry,
    /// `[confirm]`.
    pub confirm: Confirm,
    /// `[[watch]]`, in the order of the file; the names are distinct.
    pub watches: Vec<Watch>,
}

/// A configuration without the secrets, for commands that need none.
///
/// Its folders have been compared with each other, but need not be there.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    /// The file that it was read from.
    pub file: PathBuf,
    /// `[database]`.
    pub database: Database,
    /// `[upload]`.
    pub upload: Upload,
    /// `[retry]`.
    pub retry: Retry,
    /// `[confirm]`.
    pub confirm: Confirm,
    /// `[[watch]]`, in the order of the file; the names are distinct.
    pub watches: Vec<Watch>,
    /// Which account each `[account.NAME]` is, see [`Account::identity`].
    pub identities: BTreeMap<String, String>,
}
