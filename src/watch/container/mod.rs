//! Is a video whole, as far as its container reports? A few bounded reads, never the whole file.
//!
//! The answer is evidence for settling, so it errs on the careful side both ways: only what a half
//! file cannot look like is [`Complete`](Verdict::Complete), and only what no finished file looks
//! like is [`Incomplete`](Verdict::Incomplete). The kind is told by the first bytes, not the name.

mod mkv;
mod mp4;
mod source;
mod ts;

use std::fmt;
use std::io::{Read, Seek};

use source::Source;

/// What a container says about its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The format marks its end, and it is at the end of the file.
    Complete,
    /// All of it is sound, but its format has no end ingest id: more may follow.
    Unended,
    /// Something is missing.
    Incomplete(Flaw),
    /// Not judged: another format, damaged in a way that no copy in progress is, or too much of it.
    Unknown,
}

/// What an incomplete file lacks. Its text is a clause about the file, "it ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Its last part is announced as longer than the file.
    CutShort,
    /// An MP4 or MOV without its index (`moov`), which many programs write last.
    NoIndex,
    /// The headers are there, and no picture or sound yet.
    NoData,
    /// A fragment was begun, and its data is not there.
    HalfFragment,
    /// The place of its data was reserved and holds zeros.
    Hollow,
}

/// Judges a file of so many bytes by what is in it. A file that cannot be read is not judged.
pub(crate) fn verdict<R: Read + Seek>(file: R, size: u64) -> Verdict {
    let mut source = Source::new(file, size);
    let Ok(head) = source.array::<8>(0) else {
        return Verdict::Unknown;
    };
    let judged = if mp4::is_one(head) {
        mp4::judge(&mut source)
    } else if mkv::is_one(head) {
        mkv::judge(&mut source)
    } else {
        ts::judge(&mut source)
    };
    match judged {
        Ok(Verdict::Complete) if source.ends_in_zeros() => Verdict::Unknown,
        Ok(verdict) => verdict,
        Err(source::Stop) => Verdict::Unknown,
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutShort => "it is cut short: its container announces more bytes than there are",
            Self::NoIndex => "it has no index (moov), which many programs write last",
            Self::NoData => "it has headers, but no picture or sound yet",
            Self::HalfFragment => "its last fragment has no data",
            Self::Hollow => "it has zeros where its data belongs, as if space was only reserved",
        })
    }
}

#[cfg(test)]
mod tests;
