//! The MD5 of parts, read from the disk: for parts that were sent by an earlier process, and for a
//! file that was touched while it was sent.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use md5::{Digest, Md5};
use tokio_util::sync::CancellationToken;

use super::cut::{Cut, Piece};
use crate::hex;
use crate::upload::body;
use crate::upload::error::Error;
use crate::upload::flight::Flight;
use crate::upload::watchdog::{self, Timeouts};

/// Whether the file still consists of the parts with these sums: `sums` has the MD5 of each part in
/// lower-case hex, by its number from 1. Blocks for as long as it takes to read all of the file.
///
/// # Errors
/// The file could not be read. [`io::ErrorKind::Interrupted`]: `is_cancelled` said so.
pub fn part_sums_match(
    file: &File,
    size: u64,
    part_size: u64,
    sums: &BTreeMap<u32, String>,
    is_cancelled: &dyn Fn() -> bool,
) -> io::Result<bool> {
    // What cannot be cut like this was not sent like this.
    let Ok(cut) = Cut::new(size, part_size) else {
        return Ok(false);
    };
    for piece in cut.pieces() {
        let Some(sum) = sums.get(&piece.number) else {
            return Ok(false);
        };
        let found = match of(file, piece, &mut || !is_cancelled()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            found => found?,
        };
        if !found.eq_ignore_ascii_case(sum) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The sum of one part, made beside the runtime; a disk that gives nothing for the stall timeout ends
/// it.
///
/// # Cancel safety
/// Dropping the future ends the reading at the next buffer.
pub(super) async fn beside(
    file: &Arc<File>,
    piece: Piece,
    timeouts: Timeouts,
    cancel: &CancellationToken,
) -> Result<String, Error> {
    let flight = Arc::new(Flight::of_part(Arc::default(), Box::new(|_| Ok(()))));
    flight.set_reading(true);
    let stop = cancel.child_token();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (file, pulse) = (Arc::clone(file), Arc::clone(&flight));
    let summing = tokio::task::spawn_blocking(move || {
        of(&file, piece, &mut || {
            pulse.pulse();
            !stop.is_cancelled()
        })
    });
    tokio::select! {
        biased;
        summed = summing => match summed {
            Ok(Ok(sum)) => Ok(sum),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                Err(Error::Cancelled { complete: false })
            }
            Ok(Err(error)) => Err(Error::Disk(error)),
            Err(_) => Err(Error::Died { complete: false }),
        },
        error = watchdog::watch(&flight, timeouts) => Err(error),
        () = cancel.cancelled() => Err(Error::Cancelled { complete: false }),
    }
}

/// Reads a part in small pieces, for as long as `go_on` says.
fn of(file: &File, piece: Piece, go_on: &mut dyn FnMut() -> bool) -> io::Result<String> {
    let mut sum = Md5::new();
    let mut buffer = Vec::new();
    let (mut at, end) = (piece.at, piece.at.saturating_add(piece.length));
    while at < end {
        if !go_on() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let left = end - at;
        let wanted = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
        buffer.resize(wanted, 0);
        if body::fill(file, &mut buffer, at)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum.update(&buffer);
        at = at.saturating_add(u64::try_from(wanted).unwrap_or(left));
    }
    Ok(hex::lower(&sum.finalize()))
}

/// As large as the frames that are sent.
const BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;

    use super::*;

    const MIB: usize = 1024 * 1024;
    const PART: u64 = 5 * 1024 * 1024;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn sum(bytes: &[u8]) -> String {
        hex::lower(&Md5::digest(bytes))
    }

    fn matches(file: &File, size: usize, sums: &BTreeMap<u32, String>) -> bool {
        let size = size.try_into().unwrap();
        part_sums_match(file, size, PART, sums, &|| false).unwrap()
    }

    #[test]
    fn every_part_must_be_known_and_the_same() {
        let mut bytes = vec![7; 11 * MIB];
        bytes[10 * MIB] = 1;
        let sums: BTreeMap<u32, String> = (1..)
            .zip(bytes.chunks(5 * MIB).map(|part| sum(part).to_uppercase()))
            .collect();
        assert_eq!(sums.len(), 3);
        assert!(matches(&file(&bytes), bytes.len(), &sums));
        for missing in 1..=3 {
            let mut sums = sums.clone();
            sums.remove(&missing);
            assert!(!matches(&file(&bytes), bytes.len(), &sums), "{missing}");
        }
        for changed in [0, 5 * MIB - 1, 5 * MIB, 11 * MIB - 1] {
            let mut bytes = bytes.clone();
            bytes[changed] = 2;
            assert!(!matches(&file(&bytes), bytes.len(), &sums), "{changed}");
        }
        let shorter = file(&bytes[..11 * MIB - 1]);
        assert!(!matches(&shorter, bytes.len(), &sums), "shrunk");
        assert!(!matches(&shorter, 0, &sums), "no parts at all");
    }

    #[test]
    fn can_be_stopped_half_way() {
        let looks = Cell::new(0);
        let stop = || {
            looks.set(looks.get() + 1);
            looks.get() > 3
        };
        let sums = BTreeMap::from([(1, String::new())]);
        let error = part_sums_match(&file(&vec![7; 3 * MIB]), PART - 2, PART, &sums, &stop);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(looks.get(), 4, "at the next buffer");
    }

    #[tokio::test]
    async fn is_made_beside_the_runtime_and_ends_with_it() {
        let timeouts = Timeouts {
            stall: crate::platform::tests::stub::PATIENCE,
            response: crate::platform::tests::stub::PATIENCE,
        };
        let cancel = CancellationToken::new();
        let piece = |at, length| Piece {
            number: 1,
            at,
            length,
        };
        let small = Arc::new(file(b"-abc-"));
        let found = beside(&small, piece(1, 3), timeouts, &cancel).await;
        assert_eq!(found.unwrap(), sum(b"abc"));
        let error = beside(&small, piece(1, 9), timeouts, &cancel).await;
        assert!(matches!(error, Err(Error::Disk(_))), "{error:?}");

        let endless = file(b"");
        endless.set_len(1 << 42).unwrap();
        let endless = Arc::new(endless);
        let summing = beside(&endless, piece(0, 1 << 42), timeouts, &cancel);
        let (stopped, ()) = tokio::join!(summing, async { cancel.cancel() });
        assert!(
            matches!(stopped, Err(Error::Cancelled { complete: false })),
            "{stopped:?}"
        );
        let deadline = std::time::Instant::now() + crate::platform::tests::stub::PATIENCE;
        while Arc::strong_count(&endless) > 1 {
            assert!(
                std::time::Instant::now() < deadline,
                "the reading continues"
            );
            std::thread::yield_now();
        }
    }
}
