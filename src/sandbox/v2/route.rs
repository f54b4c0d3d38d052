//! The addresses of the v2 API. A slash at the end may be there or not: the documentation has it,
//! the official clients leave it out for uploads.

/// What an address is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Route<'a> {
    /// `/v2/sites/<site>/media/`
    All { site: &'a str },
    /// `/v2/sites/<site>/media/<id>/`
    One { site: &'a str, id: &'a str },
    /// `/v2/sites/<site>/media/<id>/reupload/`
    Reupload { site: &'a str, id: &'a str },
    /// `/v2/sites/<site>/media/<id>/originals/`
    Originals { site: &'a str, id: &'a str },
    /// `/v2/uploads/<id>/parts`
    Parts { upload: &'a str },
    /// `/v2/uploads/<id>/complete`
    Complete { upload: &'a str },
}

impl<'a> Route<'a> {
    /// Reads the path of a request.
    pub(in crate::sandbox) fn read(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix("/v2/")?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let steps: Vec<&str> = path.split('/').collect();
        if steps.iter().any(|step| step.is_empty()) {
            return None;
        }
        Some(match *steps.as_slice() {
            ["sites", site, "media"] => Self::All { site },
            ["sites", site, "media", id] => Self::One { site, id },
            ["sites", site, "media", id, "reupload"] => Self::Reupload { site, id },
            ["sites", site, "media", id, "originals"] => Self::Originals { site, id },
            ["uploads", upload, "parts"] => Self::Parts { upload },
            ["uploads", upload, "complete"] => Self::Complete { upload },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_as_good_as_none() {
        for (path, route) in [
            ("/v2/sites/s/media", Some(Route::All { site: "s" })),
            ("/v2/sites/s/media/", Some(Route::All { site: "s" })),
            (
                "/v2/sites/s/media/k/",
                Some(Route::One { site: "s", id: "k" }),
            ),
            (
                "/v2/sites/s/media/k/originals/",
                Some(Route::Originals { site: "s", id: "k" }),
            ),
            ("/v2/uploads/u/parts", Some(Route::Parts { upload: "u" })),
            (
                "/v2/uploads/u/complete/",
                Some(Route::Complete { upload: "u" }),
            ),
            ("/v2/sites/s/media//", None),
            ("/v2/sites//media/", None),
            ("/v2/uploads/u/", None),
            ("/v2/", None),
            ("/v1/sites/s/media", None),
        ] {
            assert_eq!(Route::read(path), route, "{path}");
        }
    }
}
