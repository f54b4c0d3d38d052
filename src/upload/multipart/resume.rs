//! Which parts are there already, and are truly this file's.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::crew::Recorder;
use super::cut::{Cut, Piece};
use super::list::{Entries, Lie};
use super::part::Sent;
use super::sums;
use crate::upload::error::Error;
use crate::upload::exchange::is_md5;
use crate::upload::flight::Progress;
use crate::upload::watchdog::Timeouts;

/// The parts of a file, and what is known of them.
pub(super) struct Stock<'a> {
    pub(super) file: &'a Arc<File>,
    pub(super) cut: Cut,
    /// The MD5 of parts as they were sent.
    pub(super) known: &'a BTreeMap<u32, String>,
    pub(super) timeouts: Timeouts,
    pub(super) progress: &'a Progress,
}

/// What to do.
#[derive(Debug)]
pub(super) struct Rest {
    /// The parts to be sent, in their order.
    pub(super) pieces: Vec<Piece>,
    /// Whether the server named the MD5 of all others.
    pub(super) verified: bool,
}

/// What is there of one part.
enum Found {
    Nothing,
    /// Ours, as far as it can be told; `false` if the server names no MD5.
    Ours(bool),
    /// To be compared with the file.
    Something,
}

impl Stock<'_> {
    /// Compares what is there with what was sent, or else with the file, and counts it as sent.
    ///
    /// # Errors
    /// [`Error::OtherContent`], and the errors of the disk or of recording a part.
    pub(super) async fn rest(
        &self,
        entries: &Entries,
        recorder: &Recorder,
        cancel: &CancellationToken,
    ) -> Result<Rest, Error> {
        let mut rest = Rest {
            pieces: Vec::new(),
            verified: true,
        };
        for piece in self.cut.pieces() {
            let number = piece.number;
            let entry = entries.get(&number).ok_or(Lie::Missing(number))?;
            match self.look(number, entry.etag.as_deref()) {
                Found::Nothing if entry.link.is_none() => return Err(Lie::NoLink(number).into()),
                Found::Nothing => {
                    rest.pieces.push(piece);
                    continue;
                }
                Found::Ours(verified) => rest.verified &= verified,
                Found::Something => {
                    let md5 = sums::beside(self.file, piece, self.timeouts, cancel).await?;
                    if !is_same(&md5, entry.etag.as_deref()) {
                        return Err(Error::OtherContent { number });
                    }
                    let found = Sent {
                        number,
                        md5,
                        verified: true,
                    };
                    recorder.record(found).await?;
                }
            }
            self.progress.find(piece.length);
        }
        Ok(rest)
    }

    fn look(&self, number: u32, etag: Option<&str>) -> Found {
        let Some(theirs) = etag else {
            return Found::Nothing;
        };
        match self.known.get(&number) {
            Some(ours) if is_same(ours, etag) => Found::Ours(true),
            // It was sent, and taken without an MD5 then too.
            Some(_) if !is_md5(theirs) => Found::Ours(false),
            // It is impossible to tell what it is: it is sent again, in its place.
            None if !is_md5(theirs) => Found::Nothing,
            _ => Found::Something,
        }
    }
}

fn is_same(ours: &str, theirs: Option<&str>) -> bool {
    theirs.is_some_and(|theirs| ours.eq_ignore_ascii_case(theirs))
}
