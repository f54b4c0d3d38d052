//! `[[watch]]`: one folder, which files in it count, and where they go.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;
use url::Url;

use super::account::{Account, Api};
use super::afterwards::Afterwards;
use super::folders;
use super::globs::Globs;
use super::metadata::MetadataOptions;
use super::on_replace::OnReplace;
use super::public_url::{self, Urls};
use super::reader::Look;
use super::section::Section;
use super::value;
use super::watching::{self, Watching};

/// `[[watch]]`: one folder.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    /// Its name, distinct among the watches.
    pub name: String,
    /// The folder, absolute and canonical.
    pub path: PathBuf,
    /// The account that its videos go to.
    pub account: String,
    /// Whether folders inside count too.
    pub recursive: bool,
    /// A file counts if its name or its path below the folder matches one of these.
    pub include: Globs,
    /// A file that matches one of these never counts.
    pub exclude: Globs,
    /// How long a file must stay unchanged under our own eyes.
    pub settle: Duration,
    /// How files are found, and when one counts as whole.
    pub watching: Watching,
    /// The upload method.
    pub method: Method,
    /// Where the folder is served on the web too; its path ends in `/`.
    pub public_url: Option<Url>,
    /// Whether the platform is asked to fetch from the own network too.
    pub allow_private_urls: bool,
    /// What is sent to the platform about its videos.
    pub metadata: MetadataOptions,
    /// What other content under the name of a file that is uploaded means.
    pub on_replace: OnReplace,
    /// What becomes of its files once their jobs have ended.
    pub afterwards: Afterwards,
    /// Jobs of a greater priority go first.
    pub priority: i64,
}

/// The upload method of a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The best that fits the size.
    Auto,
    /// One PUT to a signed S3 link.
    S3,
    /// The regular form upload.
    Form,
    /// The resumable upload.
    Resumable,
    /// API v2: one PUT to a signed link.
    Direct,
    /// API v2: parts over several connections at once.
    Multipart,
    /// The platform fetches the file from the watch's `public-url`.
    Fetch,
    /// The account's FTP server.
    Ftp,
}

impl Method {
    /// All of them.
    const ALL: [Self; 8] = [
        Self::Auto,
        Self::S3,
        Self::Form,
        Self::Resumable,
        Self::Direct,
        Self::Multipart,
        Self::Fetch,
        Self::Ftp,
    ];

    /// Its word in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::S3 => "s3",
            Self::Form => "form",
            Self::Resumable => "resumable",
            Self::Direct => "direct",
            Self::Multipart => "multipart",
            Self::Fetch => "fetch",
            Self::Ftp => "ftp",
        }
    }

    /// Whether an account that uses this API has this method.
    fn suits(self, api: &Api) -> bool {
        match self {
            Self::Auto | Self::Fetch | Self::Ftp => true,
            Self::S3 | Self::Form | Self::Resumable => matches!(api, Api::V1 { .. }),
            Self::Direct | Self::Multipart => matches!(api, Api::V2 { .. }),
        }
    }

    /// The words of all that are fit, for a message.
    fn words(is_fit: impl Fn(Self) -> bool) -> String {
        let fit = Self::ALL.into_iter().filter(|method| is_fit(*method));
        fit.map(Self::word).collect::<Vec<_>>().join(", ")
    }
}

/// What counts as a video (or sound, or the address of one) where `include` is not written.
const INCLUDE: [&str; 28] = [
    "*.mp4", "*.m4v", "*.mov", "*.qt", "*.mkv", "*.webm", "*.ts", "*.mts", "*.m2ts", "*.mpg",
    "*.mpeg", "*.m2v", "*.mxf", "*.avi", "*.wmv", "*.asf", "*.flv", "*.f4v", "*.3gp", "*.3g2",
    "*.ogv", "*.mp3", "*.m4a", "*.aac", "*.wav", "*.ogg", "*.flac", "*.url",
];

/// The priorities that a watch may have; those above are for bumps.
const PRIORITIES: RangeInclusive<i64> = -100..=100;

/// A watch while it is read: what is missing or wrong has been noted, and is none.
pub(super) struct Draft<'a> {
    /// Its section, for faults that concern several watches.
    pub(super) section: Section<'a>,
    /// Its name.
    pub(super) name: Option<String>,
    /// Its folder, canonical where it exists.
    pub(super) path: Option<PathBuf>,
    account: Option<String>,
    recursive: bool,
    include: Option<Globs>,
    exclude: Option<Globs>,
    settle: Duration,
    watching: Watching,
    method: Method,
    urls: Urls,
    metadata: MetadataOptions,
    on_replace: OnReplace,
    /// What becomes of its files, for faults that concern several watches.
    pub(super) afterwards: Afterwards,
    priority: i64,
}

impl<'a> Draft<'a> {
    pub(super) fn read(mut section: Section<'a>) -> Self {
        let name = section.required("name", "\"news\", or another short name", name);
        if let Some(name) = &name {
            section.rename(format!("{} {name:?}", section.title()));
        }
        let path = section.required("path", "\"/srv/video/news\", the folder", value::absolute);
        let path = path.and_then(|path| match section.look() {
            Look::TextOnly => Some(folders::resolved_in_time(path)),
            Look::Everything { away, .. } => match folders::usable(&path) {
                Ok(path) => Some(path),
                Err(fault) if *away && fault.may_pass => Some(folders::resolved(&path)),
                Err(fault) => {
                    section.fault("path", fault.text);
                    None
                }
            },
        });
        let account = section.get("account", value::text);
        let recursive = section.get("recursive", value::flag).unwrap_or(true);
        let include = read_globs(&mut section, "include", &INCLUDE);
        if include
            .as_ref()
            .is_some_and(|globs| globs.patterns.is_empty())
        {
            section.fault(
                "include",
                "empty, so that no file would count; leave it out for all videos",
            );
        }
        let exclude = read_globs(&mut section, "exclude", &[]);
        let bounds = Duration::from_millis(100)..=Duration::from_hours(24);
        let settle = section
            .get("settle", |value| value::duration(value, bounds))
            .unwrap_or(watching::SETTLE);
        let watching = Watching::read(&mut section, settle);
        let method = section.get("method", method).unwrap_or(Method::Auto);
        let urls = public_url::read_urls(&mut section, method);
        let metadata = MetadataOptions::read(&mut section);
        let on_replace = OnReplace::read(&mut section);
        let afterwards = Afterwards::read(&mut section, path.as_deref());
        let priority = section.get("priority", |value| value::whole(value, PRIORITIES));
        Self {
            section,
            name,
            path,
            account,
            recursive,
            include,
            exclude,
            settle,
            watching,
            method,
            urls,
            metadata,
            on_replace,
            afterwards,
            priority: priority.unwrap_or_default(),
        }
    }

    /// Ends the reading; the account is checked against those that exist.
    pub(super) fn finish(mut self, accounts: &BTreeMap<String, Option<Account>>) -> Option<Watch> {
        let account = self.account(accounts);
        if let Some(Some(account)) = account.as_ref().and_then(|name| accounts.get(name)) {
            self.check_method(account);
        }
        self.on_replace.check(self.method, &self.section);
        self.check_companions();
        self.section.finish();
        Some(Watch {
            name: self.name?,
            path: self.path?,
            account: account?,
            recursive: self.recursive,
            include: self.include?,
            exclude: self.exclude?,
            settle: self.settle,
            watching: self.watching,
            method: self.method,
            public_url: self.urls.public,
            allow_private_urls: self.urls.allow_private,
            metadata: self.metadata,
            on_replace: self.on_replace,
            afterwards: self.afterwards,
            priority: self.priority,
        })
    }

    /// Whether a file could be uploaded at all: what `wait-for` or `done-marker` names is no video.
    fn check_companions(&self) {
        let Some(include) = &self.include else { return };
        let markers = self
            .watching
            .done_marker
            .iter()
            .map(|one| ("done-marker", one));
        let awaited = self.metadata.wait_for.iter().map(|one| ("wait-for", one));
        for (key, marker) in markers.chain(awaited) {
            let takes = |pattern: &String| marker.takes_all_of(pattern);
            if !include.patterns.is_empty() && include.patterns.iter().all(takes) {
                let message = format!(
                    "{:?} names every file that include counts, so that none would be uploaded; write a name that no \
                     video has, like \"{{stem}}.json\"",
                    marker.pattern()
                );
                self.section.fault(key, message);
            }
        }
    }

    fn check_method(&self, account: &Account) {
        if self.method == Method::Ftp && account.ftp.is_none() {
            let message = format!(
                "\"ftp\" needs a section [account.{}.ftp] with host, user, and password-file",
                account.name
            );
            self.section.fault("method", message);
        }
        if self.method.suits(&account.api) {
            return;
        }
        let message = format!(
            "{:?} is not a method of API {}, which [account.{}] uses; write one of: {}",
            self.method.word(),
            account.api.word(),
            account.name,
            Method::words(|method| method.suits(&account.api))
        );
        self.section.fault("method", message);
    }

    fn account<T>(&mut self, accounts: &BTreeMap<String, T>) -> Option<String> {
        let known = accounts.keys().map(String::as_str).collect::<Vec<_>>();
        match (self.account.take(), known.as_slice()) {
            // That there is none has been said once already.
            (_, []) => None,
            (Some(name), _) if accounts.contains_key(&name) => Some(name),
            (Some(name), known) => {
                let message = format!(
                    "there is no [account.{name}]; expected one of: {}",
                    known.join(", ")
                );
                self.section.fault("account", message);
                None
            }
            (None, [only]) => Some((*only).to_owned()),
            (None, _) if self.section.has("account") => None,
            (None, known) => {
                let message = format!(
                    "missing; several accounts exist, write one of: {}",
                    known.join(", ")
                );
                self.section.fault("account", message);
                None
            }
        }
    }
}

fn name(value: &DeValue<'_>) -> Result<String, String> {
    let name = value::text(value)?;
    if name.chars().any(char::is_control) || name.trim() != name || name.len() > 64 {
        return Err("expected a short name on one line, without space around it".to_owned());
    }
    Ok(name)
}

fn read_globs(section: &mut Section<'_>, key: &'static str, default: &[&str]) -> Option<Globs> {
    let patterns = if section.take(key).is_some() {
        section.get(key, value::texts)?
    } else {
        default.iter().map(|text| (*text).to_owned()).collect()
    };
    match Globs::new(patterns) {
        Ok(globs) => Some(globs),
        Err(faults) => {
            for fault in faults {
                section.fault(key, fault);
            }
            None
        }
    }
}

fn method(value: &DeValue<'_>) -> Result<Method, String> {
    let word = value::text(value)?;
    let known = Method::ALL.into_iter().find(|method| method.word() == word);
    known.ok_or_else(|| {
        let expected = Method::words(|_| true);
        format!("{word:?} is not a method; expected one of: {expected}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::{Fixture, LEAST};
    use super::*;

    #[test]
    fn each_fault_of_a_watch_is_refused() {
        let fixture = Fixture::new();
        for (line, says) in [
            (
                "setle = \"1s\"",
                "[[watch]] \"news\": unknown key \"setle\"; did you mean \"settle\"? expected one of: account, after-upload, allow-private-urls, author, category, custom, description, done-marker, exclude, failed-dir, follow-links, grace, include, incomplete-after, method, mode, move-to, name, name-pattern, notes, on-replace, path, poll-interval, preflight, priority, public-url, publish-date, recursive, settle, settle-complete, structures, tags, title, wait-for, wait-timeout",
            ),
            (
                "settle = 10",
                "[[watch]] \"news\": settle: 10 has no unit; write a duration like \"10s\"",
            ),
            ("settle = \"50ms\"", "too short; at least 100ms"),
            ("settle = \"2d\"", "too long; at most 1d"),
            (
                "recursive = \"yes\"",
                "recursive: expected true or false without quotes, not a text",
            ),
            (
                "include = \"*.mp4\"",
                "expected a list of texts like [\"*.mp4\", \"*.mov\"], not a text",
            ),
            ("include = [1]", "not a number within it"),
            (
                "include = []",
                "include: empty, so that no file would count",
            ),
            (
                "wait-for = [\"{stem}.srt\", \"{name}.mpg\"]\ninclude = [\"*.mpg\", \"*-x.MPG\"]",
                "wait-for: \"{name}.mpg\" names every file that include counts, so that none would be uploaded",
            ),
            (
                "done-marker = \"{stem}.mp4\"\ninclude = [\"*.mp4\"]",
                "done-marker: \"{stem}.mp4\" names every file that include counts",
            ),
            ("exclude = [\"[a\"]", "exclude: \"[a\" is not a pattern"),
            ("exclude = [\"drafts/\"]", "write \"drafts/**\""),
            (
                "account = \"mian\"",
                "there is no [account.mian]; expected one of: main",
            ),
            ("account = 1", "account: expected a text in quotes"),
            (
                "priority = 101",
                "[[watch]] \"news\": priority: expected a whole number from -100 to 100, not 101",
            ),
            (
                "method = \"http\"",
                "\"http\" is not a method; expected one of: auto, s3, form, resumable, direct, multipart, fetch, ftp",
            ),
            (
                "method = \"ftp\"",
                "method: \"ftp\" needs a section [account.main.ftp] with host, user, and password-file",
            ),
        ] {
            fixture.refuses((
                "name = \"news\"",
                &format!("name = \"news\"\n{line}"),
                7,
                says,
            ));
        }
        for case in [
            (
                "name = \"news\"\n",
                "",
                5,
                "[[watch]]: name: missing; write name = \"news\"",
            ),
            ("\"news\"", "\"\"", 6, "name: empty"),
            (
                "\"news\"",
                "\"a\\nb\"",
                6,
                "expected a short name on one line",
            ),
            (
                "path = \"{dir}/news\"",
                "",
                5,
                "path: missing; write path = ",
            ),
            (
                "[[watch]]",
                "[watch]",
                5,
                "watch: expected [[watch]], with two brackets, not a section",
            ),
        ] {
            fixture.refuses(case);
        }
    }

    #[test]
    fn what_is_written_is_taken() {
        let written = "name = \"news\"\nrecursive = false\ninclude = [\"*.Mp4\"]\n\
                       exclude = [\"drafts/**\"]\nsettle = \"2m\"\nmethod = \"form\"\naccount = \"main\"\n\
                       priority = -100";
        let text = LEAST.replace("name = \"news\"", written);
        let config = Fixture::new().parse(&text).unwrap();
        let watch = &config.watches[0];
        assert_eq!((watch.recursive, watch.method), (false, Method::Form));
        assert_eq!(
            (watch.settle, watch.priority),
            (Duration::from_mins(2), -100)
        );
        assert_eq!(
            (&*watch.include.patterns, &*watch.exclude.patterns),
            (&["*.Mp4".to_owned()][..], &["drafts/**".to_owned()][..])
        );
    }

    #[test]
    fn a_method_must_be_one_of_its_account_s_api() {
        let fixture = Fixture::new();
        for (method, fits_v1, fits_v2) in [
            ("auto", true, true),
            ("s3", true, false),
            ("form", true, false),
            ("resumable", true, false),
            ("direct", false, true),
            ("multipart", false, true),
        ] {
            let with = |text: &str| {
                let named = format!("name = \"news\"\nmethod = \"{method}\"");
                fixture.parse(&text.replace("name = \"news\"", &named))
            };
            let v2 = LEAST.replace("key =", "api = \"v2\"\nsite =");
            assert_eq!(with(LEAST).is_ok(), fits_v1, "{method}");
            assert_eq!(with(&v2).is_ok(), fits_v2, "{method}");
            for config in [with(LEAST), with(&v2)].into_iter().flatten() {
                assert_eq!(config.watches[0].method.word(), method);
            }
        }
        fixture.refuses((
            "name = \"news\"",
            "name = \"news\"\nmethod = \"direct\"",
            7,
            "method: \"direct\" is not a method of API v1, which [account.main] uses; write one \
             of: auto, s3, form, resumable",
        ));
    }
}
