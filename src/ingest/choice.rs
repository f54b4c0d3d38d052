//! Which upload method, and why: a pure function of the file, the account and the configuration.

use std::borrow::Cow;

use bytesize::ByteSize;

use crate::config::{Method as Wanted, Upload};
use crate::platform::Version;
use crate::queue::Advice;
use crate::way::Way;

/// What the choice depends on.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The file's bytes.
    pub(super) size: u64,
    /// The `method` of its watch.
    pub(super) wanted: Wanted,
    /// Which version of the API the account speaks.
    pub(super) api: Version,
    /// Whether the platform can fetch it by itself.
    pub(super) fetch: Fetch,
    /// Whether the account has an FTP server.
    pub(super) has_ftp: bool,
    /// Whether a form upload of it broke off after so much that starting over is expensive.
    pub(super) form_broke: bool,
}

/// Whether the platform can fetch a file from a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetch {
    /// The web server did not say that it could.
    Unasked,
    /// The file is a link to the video; how that is told.
    IsLink(String),
    /// The folder is served, and this file of it is there; how that is told.
    Served(String),
    /// The folder is said to be served, and this file cannot be had there, for this reason.
    Unserved(String),
}

/// The method, and why it was chosen, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The method.
    pub(super) way: Way,
    /// Why.
    pub(super) why: Cow<'static, str>,
}

/// A file that no allowed method can take; its text tells the operator what to do.
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
    /// Beyond what the one allowed method takes.
    #[error(
        "the file has {size}, and method = \"{method}\" takes at most {limit} ({key}): set method = \"auto\" for \
         this watch, then retry the job"
    )]
    TooBigForOne {
        /// The file's size.
        size: bytesize::Display,
        /// The limit.
        limit: bytesize::Display,
        /// The method's word in the configuration.
        method: &'static str,
        /// The key that sets the limit.
        key: &'static str,
    },
    /// The account does not have this method.
    #[error(
        "method = \"{method}\" is not possible here: {why}; set method = \"auto\" for this watch, then retry the \
         job"
    )]
    Impossible {
        /// The method's word in the configuration.
        method: &'static str,
        /// What is missing.
        why: &'static str,
    },
}

impl Refusal {
    /// What people can do about it.
    pub(super) fn advice(&self) -> Advice {
        match self {
            Self::TooBig { .. } => Advice::SizeLimit,
            Self::TooBigForOne { .. } | Self::Impossible { .. } => Advice::ThenRetry,
        }
    }
}

/// What one PUT to API v2's direct link may carry (JW docs, v2 uploads: up to 5 GB), bytes.
const DIRECT_MOST: u64 = 5_000_000_000;

/// Chooses the method for a file.
pub(super) fn choose(case: &Case, limits: &Upload) -> Result<Choice, Refusal> {
    if let Fetch::IsLink(why) = &case.fetch {
        return Ok(fetched(why));
    }
    if case.size > limits.size_limit {
        return Err(Refusal::TooBig {
            size: si(case.size),
            limit: si(limits.size_limit),
        });
    }
    if let (Fetch::Served(why), Wanted::Auto | Wanted::Fetch) = (&case.fetch, case.wanted) {
        return Ok(fetched(why));
    }
    let mut choice = match (case.wanted, case.api) {
        (Wanted::Auto, Version::V1) => Ok(best_of_v1(case, limits)),
        (Wanted::Auto, Version::V2) => Ok(best_of_v2(case.size, limits)),
        (wanted, api) => asked_for(wanted, api, case, limits),
    }?;
    if let (Fetch::Unserved(reason), Wanted::Auto) = (&case.fetch, case.wanted) {
        choice.why = format!("{}; sent rather than fetched, as {reason}", choice.why).into();
    }
    Ok(choice)
}

fn best_of_v1(case: &Case, limits: &Upload) -> Choice {
    if case.size <= limits.s3_limit {
        return chosen(Way::S3, "the best method up to s3-limit");
    }
    if case.form_broke {
        let why = "above s3-limit, and a form upload of it broke off after its first GiB";
        return chosen(Way::Resumable, why);
    }
    chosen(Way::Form, "above s3-limit")
}

fn best_of_v2(size: u64, limits: &Upload) -> Choice {
    if size <= limits.direct_limit {
        chosen(Way::Direct, "the best method up to direct-limit")
    } else {
        chosen(Way::Multipart, "above direct-limit")
    }
}

/// The one method that the watch asks for, if it is possible.
fn asked_for(
    wanted: Wanted,
    api: Version,
    case: &Case,
    limits: &Upload,
) -> Result<Choice, Refusal> {
    let no_v1 = "its account speaks API v2";
    let no_v2 = "its account speaks API v1";
    let at_most = |limit, method, key| {
        if case.size <= limit {
            return Ok(());
        }
        Err(Refusal::TooBigForOne {
            size: si(case.size),
            limit: si(limit),
            method,
            key,
        })
    };
    let impossible = |method, why| Err(Refusal::Impossible { method, why });
    let way = match (wanted, api) {
        (Wanted::S3, Version::V1) => {
            at_most(limits.s3_limit, "s3", "s3-limit")?;
            Way::S3
        }
        (Wanted::Form, Version::V1) => Way::Form,
        (Wanted::Resumable, Version::V1) => Way::Resumable,
        (Wanted::Direct, Version::V2) => {
            at_most(DIRECT_MOST, "direct", "what one PUT carries")?;
            Way::Direct
        }
        (Wanted::Multipart, Version::V2) => Way::Multipart,
        (Wanted::Ftp, _) if case.has_ftp => Way::Ftp,
        (Wanted::S3, Version::V2) => return impossible("s3", no_v1),
        (Wanted::Form, Version::V2) => return impossible("form", no_v1),
        (Wanted::Resumable, Version::V2) => return impossible("resumable", no_v1),
        (Wanted::Direct, Version::V1) => return impossible("direct", no_v2),
        (Wanted::Multipart, Version::V1) => return impossible("multipart", no_v2),
        (Wanted::Ftp, _) => return impossible("ftp", "its account has no ftp section"),
        (Wanted::Fetch | Wanted::Auto, _) => {
            return impossible("fetch", "its watch has no public-url");
        }
    };
    Ok(chosen(way, "the method of its watch"))
}

fn fetched(why: &str) -> Choice {
    Choice {
        way: Way::Fetch,
        why: why.to_owned().into(),
    }
}

fn chosen(way: Way, why: &'static str) -> Choice {
    Choice {
        way,
        why: why.into(),
    }
}

fn si(bytes: u64) -> bytesize::Display {
    ByteSize::b(bytes).display().si()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Version::{V1, V2};

    fn limits() -> Upload {
        Upload {
            s3_limit: 5,
            direct_limit: 3,
            size_limit: 25,
            ..Upload::default()
        }
    }

    fn case(size: u64, wanted: Wanted, api: Version) -> Case {
        Case {
            size,
            wanted,
            api,
            fetch: Fetch::Unasked,
            has_ftp: true,
            form_broke: false,
        }
    }

    fn way(case: &Case) -> Option<Way> {
        choose(case, &limits()).ok().map(|choice| choice.way)
    }

    #[test]
    fn the_way_by_size_method_and_api() {
        for (size, wanted, on_v1, on_v2) in [
            (0, Wanted::Auto, Some(Way::S3), Some(Way::Direct)),
            (3, Wanted::Auto, Some(Way::S3), Some(Way::Direct)),
            (4, Wanted::Auto, Some(Way::S3), Some(Way::Multipart)),
            (5, Wanted::Auto, Some(Way::S3), Some(Way::Multipart)),
            (6, Wanted::Auto, Some(Way::Form), Some(Way::Multipart)),
            (25, Wanted::Auto, Some(Way::Form), Some(Way::Multipart)),
            (26, Wanted::Auto, None, None),
            (5, Wanted::S3, Some(Way::S3), None),
            (6, Wanted::S3, None, None),
            (1, Wanted::Form, Some(Way::Form), None),
            (26, Wanted::Form, None, None),
            (1, Wanted::Resumable, Some(Way::Resumable), None),
            (26, Wanted::Resumable, None, None),
            (25, Wanted::Direct, None, Some(Way::Direct)),
            (1, Wanted::Multipart, None, Some(Way::Multipart)),
            (26, Wanted::Multipart, None, None),
            (25, Wanted::Ftp, Some(Way::Ftp), Some(Way::Ftp)),
            (26, Wanted::Ftp, None, None),
            (1, Wanted::Fetch, None, None),
        ] {
            for (api, expected) in [(V1, on_v1), (V2, on_v2)] {
                let got = way(&case(size, wanted, api));
                assert_eq!(got, expected, "{size} by {wanted:?} on {api:?}");
            }
        }
    }

    #[test]
    fn a_dear_break_of_a_form_leads_to_the_resumable_way() {
        for (size, wanted, expected) in [
            (5, Wanted::Auto, Way::S3),
            (6, Wanted::Auto, Way::Resumable),
            (6, Wanted::Form, Way::Form),
        ] {
            let broke = Case {
                form_broke: true,
                ..case(size, wanted, V1)
            };
            assert_eq!(way(&broke), Some(expected), "{size} by {wanted:?}");
        }
    }

    #[test]
    fn what_the_platform_can_fetch_is_not_sent() {
        for api in [V1, V2] {
            for (fetch, wanted, expected) in [
                (Fetch::IsLink(String::new()), Wanted::Auto, Some(Way::Fetch)),
                (Fetch::IsLink(String::new()), Wanted::Ftp, Some(Way::Fetch)),
                (Fetch::Served(String::new()), Wanted::Auto, Some(Way::Fetch)),
                (
                    Fetch::Served(String::new()),
                    Wanted::Fetch,
                    Some(Way::Fetch),
                ),
                (Fetch::Served(String::new()), Wanted::Ftp, Some(Way::Ftp)),
                (Fetch::Unserved(String::new()), Wanted::Fetch, None),
            ] {
                let case = Case {
                    fetch: fetch.clone(),
                    ..case(1, wanted, api)
                };
                assert_eq!(way(&case), expected, "{fetch:?} by {wanted:?} on {api:?}");
            }
        }
        let too_big = Case {
            fetch: Fetch::Served(String::new()),
            ..case(26, Wanted::Auto, V1)
        };
        assert_eq!(way(&too_big), None);
    }

    #[test]
    fn never_by_ftp_unless_asked_for_and_there() {
        for api in [V1, V2] {
            let none = Case {
                has_ftp: false,
                ..case(1, Wanted::Ftp, api)
            };
            assert_eq!(way(&none), None);
            for size in 0..=25 {
                assert_ne!(way(&case(size, Wanted::Auto, api)), Some(Way::Ftp));
            }
        }
    }

    #[test]
    fn a_file_that_is_not_served_is_sent_and_says_why() {
        let case = Case {
            fetch: Fetch::Unserved("the web server answered HTTP 404".to_owned()),
            ..case(4, Wanted::Auto, V2)
        };
        let choice = choose(&case, &limits()).unwrap();
        assert_eq!(choice.way, Way::Multipart);
        assert_eq!(
            choice.why,
            "above direct-limit; sent rather than fetched, as the web server answered HTTP 404"
        );
    }
}
