//! Is a video whole, as far as its container reports? A few bounded reads, never the whole file.
//!
//! The answer is evidence for settling, so it errs on the careful side both ways: only what a half
//! file cannot look like is [`Complete`](Verdict::Complete), and only what no finished file looks
//! like is [`Incomplete`](Verdict::Incomplete). The kind is told by the first bytes, not the name.

mod asf;
mod flv;
mod mkv;
mod mp4;
mod mxf;
mod ogg;
mod riff;
mod source;
mod ts;

use std::fmt;
use std::io::{Read, Seek};
use std::ops::Range;

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
    /// Parts of its data were never written.
    Holes,
}

/// Judges a file of so many bytes by what is in it, and by the parts of it that were never written.
/// A file that cannot be read is not judged.
pub(crate) fn verdict<R: Read + Seek>(file: R, size: u64, holes: &[Range<u64>]) -> Verdict {
    let mut source = Source::new(file, size, holes);
    match judge(&mut source).unwrap_or(Verdict::Unknown) {
        Verdict::Incomplete(flaw) => Verdict::Incomplete(flaw),
        // In any format: what it is made of says at most where padding is.
        _ if source.lacks_data() => Verdict::Incomplete(Flaw::Holes),
        other => by_zeros(&mut source, other).unwrap_or(Verdict::Unknown),
    }
}

/// Judges it by its format.
fn judge<R: Read + Seek>(source: &mut Source<R>) -> Result<Verdict, source::Stop> {
    let head = source.array::<8>(0)?;
    if mp4::is_one(head) {
        mp4::judge(source)
    } else if mkv::is_one(head) {
        mkv::judge(source)
    } else if riff::is_one(head) {
        riff::judge(source)
    } else if mxf::is_one(head) {
        mxf::judge(source)
    } else if asf::is_one(head) {
        asf::judge(source)
    } else if flv::is_one(head) {
        flv::judge(source)
    } else if ogg::is_one(head) {
        ogg::judge(source)
    } else {
        ts::judge(source)
    }
}

/// What zeros make of a verdict: many at the end are space that was only reserved, and some at other
/// places make nothing sure. Neither is looked for where silence is zeros.
fn by_zeros<R: Read + Seek>(
    source: &mut Source<R>,
    verdict: Verdict,
) -> Result<Verdict, source::Stop> {
    source.restart();
    if source.is_hollow()? {
        return Ok(Verdict::Incomplete(Flaw::Hollow));
    }
    let is_unsure =
        verdict == Verdict::Complete && (source.ends_in_zeros() || source.has_zeros()?);
    Ok(if is_unsure { Verdict::Unknown } else { verdict })
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutShort => "it is cut short: its container announces more bytes than there are",
            Self::NoIndex => "it has no index (moov), which many programs write last",
            Self::NoData => "it has headers, but no picture or sound yet",
            Self::HalfFragment => "its last fragment has no data",
            Self::Hollow => "it has zeros where its data belongs, as if space was only reserved",
            Self::Holes => {
                "parts of it were never written (it has holes where its data belongs), as after a \
                 copy or download that broke off"
            }
        })
    }
}

#[cfg(test)]
mod tests;
