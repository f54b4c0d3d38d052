//! Which way the bytes go: a pure function of size and configuration.

use bytesize::ByteSize;

use crate::config::{Method as Wanted, Upload};
use crate::way::Way;

/// A file that no allowed way can take; its text tells the operator what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Beyond what the platform takes at all.
    #[error(
        "the file has {size}, and the platform takes at most {limit} (size-limit): make it smaller, e.g. by a \
         lower bitrate, and drop it again"
    )]
    TooBig {
        /// The file's size.
        size: bytesize::Display,
        /// The limit.
        limit: bytesize::Display,
    },
    /// Beyond what the one allowed way takes.
    #[error(
        "the file has {size}, and method = \"s3\" takes at most {limit} (s3-limit): set method = \"auto\" for this \
         watch, then retry the job"
    )]
    TooBigForS3 {
        /// The file's size.
        size: bytesize::Display,
        /// The limit.
        limit: bytesize::Display,
    },
}

/// Chooses the way for a file of `size` bytes. `form_broke`: a form upload of it broke off after so
/// much that starting over is dear.
pub(super) fn choose(
    size: u64,
    wanted: Wanted,
    limits: &Upload,
    form_broke: bool,
) -> Result<Way, Refusal> {
    let measure = |bytes| ByteSize::b(bytes).display().si();
    if size > limits.size_limit {
        return Err(Refusal::TooBig {
            size: measure(size),
            limit: measure(limits.size_limit),
        });
    }
    match wanted {
        Wanted::S3 if size > limits.s3_limit => Err(Refusal::TooBigForS3 {
            size: measure(size),
            limit: measure(limits.s3_limit),
        }),
        Wanted::Auto if size > limits.s3_limit && form_broke => Ok(Way::Resumable),
        Wanted::Auto | Wanted::S3 if size <= limits.s3_limit => Ok(Way::S3),
        Wanted::Auto | Wanted::S3 | Wanted::Form => Ok(Way::Form),
        Wanted::Resumable => Ok(Way::Resumable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    use std::time::Duration;

    #[test]
    fn the_way_by_size() {
        let limits = Upload {
            files_at_once: NonZeroU32::MIN,
            parts_at_once: NonZeroU32::MIN,
            s3_limit: 5,
            size_limit: 25,
            stall_timeout: Duration::from_mins(1),
            segment_size: 1,
        };
        for (size, wanted, expected, after_a_break) in [
            (0, Wanted::Auto, Some(Way::S3), Some(Way::S3)),
            (5, Wanted::Auto, Some(Way::S3), Some(Way::S3)),
            (6, Wanted::Auto, Some(Way::Form), Some(Way::Resumable)),
            (25, Wanted::Auto, Some(Way::Form), Some(Way::Resumable)),
            (26, Wanted::Auto, None, None),
            (5, Wanted::S3, Some(Way::S3), Some(Way::S3)),
            (6, Wanted::S3, None, None),
            (1, Wanted::Form, Some(Way::Form), Some(Way::Form)),
            (26, Wanted::Form, None, None),
            (
                1,
                Wanted::Resumable,
                Some(Way::Resumable),
                Some(Way::Resumable),
            ),
            (26, Wanted::Resumable, None, None),
        ] {
            let choice = |broke| choose(size, wanted, &limits, broke).ok();
            assert_eq!(choice(false), expected, "{size} by {wanted:?}");
            assert_eq!(
                choice(true),
                after_a_break,
                "{size} by {wanted:?}, after a break"
            );
        }
    }
}
