//! The upload methods, by which a file's bytes reach the platform: a closed set, and its words.

/// An upload method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// v1: one PUT to a signed S3 link.
    S3,
    /// v1: the regular form upload.
    Form,
    /// v1: segment by segment in an upload session that outlives a broken connection.
    Resumable,
    /// v2: one PUT to a signed link.
    Direct,
    /// v2: parts over several connections at once.
    Multipart,
    /// v1 and v2: the platform downloads the file from a web server.
    Fetch,
    /// An account's FTP or FTPS server.
    Ftp,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::S3,
        Self::Form,
        Self::Resumable,
        Self::Direct,
        Self::Multipart,
        Self::Fetch,
        Self::Ftp,
    ];

    /// Its word in the job table.
    pub fn word(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Form => "form",
            Self::Resumable => "resumable",
            Self::Direct => "direct",
            Self::Multipart => "multipart",
            Self::Fetch => "fetch",
            Self::Ftp => "ftp",
        }
    }

    /// The method that a word in the job table stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_its_word() {
        for way in Way::ALL {
            assert_eq!(Way::from_word(way.word()), Some(way));
        }
        assert_eq!(Way::from_word("pigeon"), None);
    }
}
