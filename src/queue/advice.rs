//! What people can do about what a job's `last_error` says. It is known where the error arises, and stored
//! beside the words, so that no reader searches them.
#![deny(clippy::wildcard_enum_match_arm)]

use rusqlite::Row;

use super::error::Error;

/// What to do about it; the column is `advice`, and NULL where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Advice {
    /// Fix the cause, then retry.
    #[default]
    FixCause,
    /// The words name the command already.
    InWords,
    /// Make the file smaller, or `size-limit` greater.
    SizeLimit,
    /// The words say what to change in the configuration; then retry.
    ThenRetry,
    /// It waits for another job with the same content, as the words say; a retry uploads both.
    UploadBoth,
    /// As [`UploadBoth`](Self::UploadBoth), and the words name the command already.
    UploadBothInWords,
    /// See to the account, which is paused; its own line says how.
    AccountPaused,
    /// Nothing: a program touches the file, and the job waits until that ends.
    Rest,
}

impl Advice {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::FixCause,
        Self::InWords,
        Self::SizeLimit,
        Self::ThenRetry,
        Self::UploadBoth,
        Self::UploadBothInWords,
        Self::AccountPaused,
        Self::Rest,
    ];

    /// The word in the column.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::FixCause => "fix-cause",
            Self::InWords => "in-words",
            Self::SizeLimit => "size-limit",
            Self::ThenRetry => "then-retry",
            Self::UploadBoth => "upload-both",
            Self::UploadBothInWords => "upload-both-in-words",
            Self::AccountPaused => "account-paused",
            Self::Rest => "rest",
        }
    }

    /// Reads the column; NULL as none.
    pub(super) fn from_row(row: &Row<'_>, job: i64) -> Result<Option<Self>, Error> {
        let word: Option<String> = row.get("advice")?;
        word.map(|word| {
            let known = Self::ALL.into_iter().find(|advice| advice.word() == word);
            known.ok_or(Error::Row {
                job,
                column: "advice",
                value: word,
            })
        })
        .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::db;
    use crate::queue::job::JobId;
    use crate::queue::operator;

    #[test]
    fn the_column_takes_each_word_and_no_other() {
        let db = db::in_memory();
        let insert = "INSERT INTO jobs (watch, account, path, size, dev, ino, mtime_ns, ctime_ns, ingest_id, run_at,
                                        created_at)
                      VALUES ('news', 'main', '/w/a', 1, 1, 1, 1, 1, 'mark', ?1, ?1)";
        db.execute(insert, ["2027-01-15T08:00:00.000Z"]).unwrap();
        let read = || operator::by_id(&db, JobId(1)).unwrap().unwrap().advice;
        assert_eq!(read(), None);
        for advice in Advice::ALL {
            let set = "UPDATE jobs SET advice = ?1";
            db.execute(set, [advice.word()]).unwrap();
            assert_eq!(read(), Some(advice));
        }
        assert!(db.execute("UPDATE jobs SET advice = 'pray'", []).is_err());
    }
}
