//! The job table and the platforms' videos, as they are at the end.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::books::md5_of;
use super::world::World;

/// A row of `jobs`.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) account: usize,
    pub(super) path: PathBuf,
    /// Inode, size, and time of the last change in nanoseconds.
    file: (i64, i64, i64),
    pub(super) state: String,
    pub(super) key: Option<String>,
    pub(super) error: Option<String>,
    pub(super) superseded: bool,
    pub(super) held: bool,
    pub(super) md5: Option<String>,
    pub(super) original: Option<i64>,
    /// What was not sent of its video, and why.
    pub(super) untold: Option<String>,
    /// What became of its file.
    pub(super) afterwards: Option<String>,
}

/// A video.
#[derive(Debug, Clone)]
pub(super) struct Video {
    pub(super) account: usize,
    pub(super) key: String,
    pub(super) status: String,
    pub(super) title: String,
    /// Of the bytes that are stored.
    pub(super) md5: Option<String>,
}

/// Both.
pub(super) struct Table {
    pub(super) jobs: Vec<Row>,
    pub(super) videos: Vec<Video>,
    pub(super) by_path: HashMap<PathBuf, Vec<usize>>,
}

impl Table {
    pub(super) fn read(world: &World) -> Self {
        let jobs = rows(&world.site.database());
        let mut by_path = HashMap::<PathBuf, Vec<usize>>::new();
        for (at, job) in jobs.iter().enumerate() {
            by_path.entry(job.path.clone()).or_default().push(at);
        }
        let videos = (0..2).flat_map(|account| videos(world, account)).collect();
        Self {
            jobs,
            videos,
            by_path,
        }
    }

    /// The videos of an account that can be played and have these bytes.
    pub(super) fn live<'a>(
        &'a self,
        account: Option<usize>,
        md5: &'a str,
    ) -> impl Iterator<Item = &'a Video> {
        self.videos.iter().filter(move |video| {
            account.is_none_or(|account| account == video.account)
                && video.status == "ready"
                && video.md5.as_deref() == Some(md5)
        })
    }

    /// The job that accounts for the file of that name, or accounted for the last one.
    pub(super) fn of(&self, path: &Path) -> Option<&Row> {
        let at = self.by_path.get(path).into_iter().flatten().rev();
        let mut jobs = at.map(|at| &self.jobs[*at]).filter(|job| !job.superseded);
        let file = fs::symlink_metadata(path).ok().map(|meta| {
            let modified = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
            let (inode, size) = (meta.ino(), meta.size());
            (inode.cast_signed(), size.cast_signed(), modified)
        });
        match file {
            Some(file) => jobs.find(|job| job.file == file),
            None => jobs.next(),
        }
    }

    pub(super) fn job(&self, id: i64) -> Option<&Row> {
        self.jobs.iter().find(|job| job.id == id)
    }

    pub(super) fn video(&self, account: usize, key: &str) -> Option<&Video> {
        self.videos
            .iter()
            .find(|video| video.account == account && video.key == key)
    }
}

fn rows(database: &Path) -> Vec<Row> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT j.id, account, CAST(path AS BLOB) AS path, ino, size, mtime_ns, state, video_key, j.last_error, superseded, held,
                      md5, duplicate_of, m.last_error AS untold,
                      coalesce(a.outcome, a.last_error) AS afterwards
               FROM jobs j LEFT JOIN metadata m ON m.job_id = j.id LEFT JOIN afterwards a ON a.job_id = j.id
               ORDER BY j.id";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let account: String = row.get("account")?;
        let path: Vec<u8> = row.get("path")?;
        Ok(Row {
            id: row.get("id")?,
            account: usize::from(account != "main"),
            path: std::ffi::OsString::from_vec(path).into(),
            file: (row.get("ino")?, row.get("size")?, row.get("mtime_ns")?),
            state: row.get("state")?,
            key: row.get("video_key")?,
            error: row.get("last_error")?,
            superseded: row.get("superseded")?,
            held: row.get("held")?,
            md5: row.get("md5")?,
            original: row.get("duplicate_of")?,
            untold: row.get("untold")?,
            afterwards: row.get("afterwards")?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn videos(world: &World, account: usize) -> Vec<Video> {
    let answer = world.platforms[account].control("GET", "videos", &Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let videos = answer["videos"].as_array().unwrap();
    videos
        .iter()
        .map(|video| Video {
            account,
            key: text(&video["key"]),
            status: text(&video["status"]),
            title: text(&video["fields"]["title"]),
            md5: fs::read(text(&video["path"]))
                .ok()
                .map(|bytes| md5_of(&bytes)),
        })
        .collect()
}
