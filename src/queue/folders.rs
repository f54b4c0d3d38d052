//! How each watch folder was when the daemon looked at it last, for people and for commands that cannot look
//! themselves.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::Error;
use super::sql::At;

/// Whether the files of a watch folder can be looked at, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// They can.
    Ok,
    /// There is no folder.
    Missing,
    /// The daemon's user may not list it.
    Denied,
    /// A symbolic link is in its place, or in that of a folder above it.
    Linked,
    /// There is an empty folder on another disk than before: the place where its disk was mounted.
    Unmounted,
    /// Another daemon watches it.
    Taken,
    /// The system says something else.
    Failing,
}

impl Reach {
    /// All there are.
    const ALL: [Self; 7] = [
        Self::Ok,
        Self::Missing,
        Self::Denied,
        Self::Linked,
        Self::Unmounted,
        Self::Taken,
        Self::Failing,
    ];

    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Linked => "linked",
            Self::Unmounted => "unmounted",
            Self::Taken => "taken",
            Self::Failing => "failing",
        }
    }

    fn from_word(word: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|reach| reach.word() == word)
            .unwrap_or(Self::Failing)
    }
}

/// What was seen of a watch folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether its files can be looked at.
    pub reach: Reach,
    /// In words: how its files are found, or what the system said.
    pub detail: String,
}

/// A watch folder, as it was seen.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The watch's name.
    pub watch: String,
    /// What was seen.
    pub seen: Seen,
    /// Since when it can be looked at, or cannot.
    pub since: Timestamp,
    /// When its watch began to look.
    pub began: Timestamp,
    /// Whether it has answered since then; otherwise all of this was seen earlier.
    pub has_answered: bool,
}

/// A watch begins, one of all these, and what was seen of its folder was seen earlier.
///
/// What was seen of the folders of watches that are no more is forgotten. Since when one is away is kept, should it
/// still be.
///
/// # Errors
/// The database.
pub fn begin_anew(
    db: &Connection,
    watch: &str,
    all: &[String],
    now: Timestamp,
) -> Result<(), Error> {
    for folder in read_all(db)? {
        if !all.contains(&folder.watch) {
            db.prepare_cached("DELETE FROM watches WHERE name = ?1")?
                .execute([folder.watch])?;
        }
    }
    db.prepare_cached(
        "INSERT INTO watches (name, state, since, detail, began_at, answered)
         VALUES (?1, 'failing', ?2, 'it has not answered yet', ?2, 0)
         ON CONFLICT (name) DO UPDATE SET began_at = ?2, answered = 0",
    )?
    .execute(params![watch, At(now)])?;
    Ok(())
}

/// Notes what was seen of a watch folder.
///
/// # Errors
/// The database.
pub fn note(db: &Connection, watch: &str, seen: &Seen, now: Timestamp) -> Result<(), Error> {
    db.prepare_cached(
        "INSERT INTO watches (name, state, since, detail, began_at, answered) VALUES (?1, ?2, ?3, ?4, ?3, 1)
         ON CONFLICT (name) DO UPDATE SET state = ?2, detail = ?4, answered = 1,
             since = iif((state = 'ok') = (?2 = 'ok'), since, ?3)",
    )?
    .execute(params![watch, seen.reach.word(), At(now), seen.detail])?;
    Ok(())
}

/// All that were seen, by name.
///
/// # Errors
/// The database.
pub fn read_all(db: &Connection) -> Result<Vec<Folder>, Error> {
    let mut statement = db.prepare_cached(
        "SELECT name, state, since, detail, began_at, answered FROM watches ORDER BY name",
    )?;
    let rows = statement.query_map([], |row| {
        let word: String = row.get("state")?;
        Ok(Folder {
            watch: row.get("name")?,
            seen: Seen {
                reach: Reach::from_word(&word),
                detail: row.get("detail")?,
            },
            since: row.get::<_, At>("since")?.0,
            began: row.get::<_, At>("began_at")?.0,
            has_answered: row.get("answered")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
