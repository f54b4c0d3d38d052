//! Whether the files of the job table are still the ones that the daemon has open.
//!
//! A table that was deleted or replaced still takes what is written to it, and forgets all of it with
//! the process. The files are looked at by name: to open one of them once more, and to close it, would
//! take SQLite's own locks away.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files as they were when they were opened. A file that is open keeps its inode number, so that
/// another one under its name has another.
#[derive(Debug, Clone)]
pub struct TableFiles(Vec<(PathBuf, FileId)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    dev: u64,
    ino: u64,
}

/// One of the files is not there any more, or is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The file.
    pub path: PathBuf,
    /// Whether another one has its name.
    pub is_replaced: bool,
}

impl TableFiles {
    /// Those of the database at `path`, which must be open: only then they keep their numbers.
    ///
    /// # Errors
    /// The database file itself cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut files = vec![(path.to_owned(), FileId::of(&fs::metadata(path)?))];
        for ending in ["-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            let beside = PathBuf::from(name);
            if let Ok(meta) = fs::metadata(&beside) {
                files.push((beside, FileId::of(&meta)));
            }
        }
        Ok(Self(files))
    }

    /// The first file that is lost. What cannot be looked at just now is not taken for lost.
    pub fn lost(&self) -> Option<Lost> {
        self.0.iter().find_map(|(path, id)| {
            let is_replaced = match fs::metadata(path) {
                Ok(meta) if meta.nlink() > 0 && FileId::of(&meta) == *id => return None,
                Ok(_) => true,
                Err(error) if is_nothing(&error) => false,
                Err(_) => return None,
            };
            Some(Lost {
                path: path.clone(),
                is_replaced,
            })
        })
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl FileId {
    fn of(meta: &Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_losing_a_file_of_the_table_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        for (name, with) in [
            ("jobs.db", None),
            ("jobs.db", Some("jobs.db-copy")),
            ("jobs.db-wal", None),
            ("jobs.db-shm", None),
        ] {
            let db = crate::queue::open(&path).unwrap();
            let files = TableFiles::of(&path).unwrap();
            assert_eq!(files.lost(), None);
            let victim = folder.path().join(name);
            match with {
                None => fs::remove_file(&victim).unwrap(),
                Some(other) => {
                    let other = folder.path().join(other);
                    fs::copy(&victim, &other).unwrap();
                    fs::rename(&other, &victim).unwrap();
                }
            }
            let expected = Lost {
                path: victim,
                is_replaced: with.is_some(),
            };
            assert_eq!(files.lost(), Some(expected), "{name}");
            drop(db);
            for ending in ["", "-wal", "-shm"] {
                fs::remove_file(folder.path().join(format!("jobs.db{ending}"))).ok();
            }
        }
    }

    #[test]
    fn a_folder_that_is_renamed_takes_the_table_along() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("a"), dir.path().join("b"));
        fs::create_dir(&old).unwrap();
        let path = old.join("jobs.db");
        let _db = crate::queue::open(&path).unwrap();
        let files = TableFiles::of(&path).unwrap();
        fs::rename(&old, &new).unwrap();
        assert!(files.lost().is_some());
        fs::rename(&new, &old).unwrap();
        assert_eq!(files.lost(), None);
    }
}
