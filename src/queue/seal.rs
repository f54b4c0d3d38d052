//! Seals upload links for the table, which a group of operators may read: the key is in a file beside
//! it that only the daemon's user can read.
//!
//! The key protects nothing that lasts. Without it (a table that was restored from a backup) a link
//! counts as one that has expired, so that no fault of this file keeps the daemon from running.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::error::Error;
use super::job::JobId;

/// How a sealed link begins; a plain one begins with its expiry, a number or `-`.
pub(super) const MARK: &str = "sealed:";

/// For the daemon's user alone.
const MODE: u32 = 0o600;

const KEY_LENGTH: usize = 32;

/// The key of one table.
pub(super) struct Seal {
    key: RandomizedNonceKey,
}

impl Seal {
    /// The key beside the table at `database`; a new one where there is none that can be used.
    pub(super) fn beside(database: &Path) -> Result<Self, Error> {
        let path = key_file(database);
        let key = match read_key(&path) {
            Ok(key) => key,
            Err(why) => {
                if why.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(
                        "a new key takes the place of {}, which cannot be used ({why}): active \
                         uploads start over",
                        crate::text::path(&path)
                    );
                }
                let key = make_key()?;
                if let Err(error) = keep(&path, &key) {
                    tracing::warn!(
                        "cannot write the key file {} ({error}): uploads that are active when the \
                         daemon stops start over",
                        crate::text::path(&path)
                    );
                }
                key
            }
        };
        Self::of(&key)
    }

    /// A key that no file has.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        Self::of(&make_key().unwrap()).unwrap()
    }

    fn of(key: &[u8; KEY_LENGTH]) -> Result<Self, Error> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Error::Seal)?;
        Ok(Self { key })
    }

    /// The link of a job as the table keeps it. It opens for this job only.
    pub(super) fn close(&self, job: JobId, link: &str) -> Result<String, Error> {
        let mut sealed = link.as_bytes().to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(job.0.to_be_bytes()), &mut sealed)
            .map_err(|_| Error::Seal)?;
        sealed.splice(0..0, *nonce.as_ref());
        Ok(format!("{MARK}{}", STANDARD_NO_PAD.encode(sealed)))
    }

    /// The link of a job; `None` unless this key sealed it for this job.
    pub(super) fn open(&self, job: JobId, stored: &str) -> Option<String> {
        let sealed = STANDARD_NO_PAD.decode(stored.strip_prefix(MARK)?).ok()?;
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut link = rest.to_vec();
        let aad = Aad::from(job.0.to_be_bytes());
        let opened = self.key.open_in_place(nonce, aad, &mut link).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

fn key_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

fn make_key() -> Result<[u8; KEY_LENGTH], Error> {
    let mut key = [0; KEY_LENGTH];
    rand::fill(&mut key).map_err(|_| Error::Seal)?;
    Ok(key)
}

fn read_key(path: &Path) -> io::Result<[u8; KEY_LENGTH]> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::other("other users can read it"));
    }
    let mut key = Vec::new();
    file.take(1024).read_to_end(&mut key)?;
    let length = key.len();
    key.try_into()
        .map_err(|_| io::Error::other(format!("it has {length} bytes, not {KEY_LENGTH}")))
}

/// The key is on the disk, whole, before anything is sealed with it.
fn keep(path: &Path, key: &[u8; KEY_LENGTH]) -> io::Result<()> {
    let draft = path.with_added_extension("new");
    let kept = write_key(&draft, path, key);
    if kept.is_err() {
        // It is of no use, and was never more than this.
        drop(fs::remove_file(&draft));
    }
    kept
}

fn write_key(draft: &Path, path: &Path, key: &[u8; KEY_LENGTH]) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(draft)?;
    file.write_all(key)?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    // Root may try the daemon by hand before the service's user starts it.
    let owner = fs::metadata(folder)?;
    if let Err(error) = std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid())) {
        tracing::debug!(%error, "the key file keeps its owner");
    }
    fs::rename(draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "- https://upload.example/x?Signature=eaf74a";

    fn opens(seal: &Seal, sealed: &str) -> bool {
        seal.open(JobId(7), sealed).as_deref() == Some(LINK)
    }

    #[test]
    fn a_link_opens_for_its_job_and_its_table_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("jobs.db");
        let seal = Seal::beside(&database).unwrap();
        let sealed = seal.close(JobId(7), LINK).unwrap();
        assert!(!sealed.contains("upload.example") && !sealed.contains("eaf74a"));
        assert_ne!(
            sealed,
            seal.close(JobId(7), LINK).unwrap(),
            "its nonce is new"
        );
        assert!(opens(&seal, &sealed));
        assert!(
            opens(&Seal::beside(&database).unwrap(), &sealed),
            "the next start"
        );
        assert_eq!(seal.open(JobId(8), &sealed), None);
        assert_eq!(Seal::for_tests().open(JobId(7), &sealed), None);
        let mut wrong = sealed.clone();
        wrong.replace_range(
            20..21,
            if sealed.get(20..21) == Some("A") {
                "B"
            } else {
                "A"
            },
        );
        for other in ["", LINK, MARK, "sealed:AAAA", "sealed:%", &wrong] {
            assert_eq!(seal.open(JobId(7), other), None, "{other}");
        }
    }

    #[test]
    fn the_key_is_for_the_daemons_user_and_one_that_is_not_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("jobs.db");
        let file = key_file(&database);
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        let spoil: [&dyn Fn(); 4] = [
            &|| fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap(),
            &|| fs::write(&file, "short").unwrap(),
            &|| fs::remove_file(&file).unwrap(),
            &|| {
                fs::remove_file(&file).unwrap();
                std::os::unix::fs::symlink(folder.path().join("elsewhere"), &file).unwrap();
            },
        ];
        for spoil in spoil {
            let sealed = Seal::beside(&database)
                .unwrap()
                .close(JobId(7), LINK)
                .unwrap();
            assert_eq!(mode(), MODE);
            spoil();
            let seal = Seal::beside(&database).unwrap();
            assert_eq!(seal.open(JobId(7), &sealed), None);
            assert_eq!(mode(), MODE);
        }
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn a_key_that_cannot_be_written_lives_as_long_as_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("jobs.db");
        fs::create_dir(key_file(&database)).unwrap();
        let seal = Seal::beside(&database).unwrap();
        assert!(opens(&seal, &seal.close(JobId(7), LINK).unwrap()));
    }
}
