//! Whether a file that is about to go is still the one that was looked at, and still where its path leads.
//!
//! One rule: the bytes that are destroyed or moved are those of a handle whose ctime has not moved since the look that
//! they rest on. A file is opened again for each look, by the name that it has then, and its attributes are asked of the
//! filesystem's server, not of this machine's cache. Where even they may prove nothing (`may_be_stale`), the whole
//! content is compared before anything is destroyed.
//!
//! A folder is held by its handle, also where a person renames it or moves it out of the watch; so after each
//! question the paths are resolved once more, and must lead to the folders that are held.

use std::fs::File;
use std::io;

use super::files::{Errand, Trouble, cannot, is_same_state};
use crate::beneath::Place;
use crate::config::Watch;
use crate::identity::Identity;
use crate::ingest::identify::{Kind, fingerprint};
use crate::watch::reach;
use crate::watch::writer::{self, Writer};

/// What shows that a file which is about to go is still the one that was examined, where it was.
#[derive(Clone, Copy)]
pub(super) struct Still<'a> {
    /// Its watch, if the configuration has it: from there its path is resolved again.
    pub(super) watch: Option<&'a Watch>,
    /// What its samples were when it was uploaded, and as what they were taken; where known.
    pub(super) fingerprint: Option<(&'a str, Kind)>,
    /// Whether its attributes may stay the same though it was written to.
    pub(super) may_be_stale: bool,
    /// Whether a file has the content that may be deleted: asked where `may_be_stale`.
    pub(super) is_sent: &'a dyn Fn(&File) -> Result<bool, Trouble>,
    /// Whether what the platform answered still counts: a share may have kept a look waiting since.
    pub(super) is_fresh: &'a dyn Fn() -> Result<(), Trouble>,
}

/// What a file was at a look, by a handle of its own.
pub(super) struct Seen {
    /// None where the file cannot be read: it may be moved, but not deleted unless it is empty.
    file: Option<File>,
    identity: Identity,
    /// Of a file whose attributes may be stale.
    samples: Option<String>,
}

impl Errand<'_> {
    /// Asks whether the file may get this name. The answer takes a while: afterwards both folders must be where they
    /// were, and the file unwritten.
    pub(super) fn ask(&self, to: &Place) -> Result<(), Trouble> {
        (self.before)(to.path())?;
        self.check_held(to)
    }

    /// Whether both paths lead to the folders that are held.
    pub(super) fn check_held(&self, to: &Place) -> Result<(), Trouble> {
        for place in [self.from, to] {
            match reach::is_held(self.still.watch, place) {
                Ok(true) => {}
                Ok(false) => {
                    let folder = crate::text::path(place.folder().path());
                    return Err(Trouble::Later(format!(
                        "{folder} was moved or replaced meanwhile"
                    )));
                }
                Err(error) => return Err(cannot("reach it", error)),
            }
        }
        Ok(())
    }

    /// Whether nothing was written to the file since it was examined. That only its rights were
    /// changed must be found out by reading it again.
    pub(super) fn check_unwritten(&self) -> Result<(), Trouble> {
        let held = Identity::now(self.held);
        let held = held.map_err(|error| Trouble::Later(format!("cannot access it: {error}")))?;
        let again = self.look_again(self.from)?.identity;
        for now in [held, again] {
            if !is_same_state(&now, &self.identity) {
                return Err(Trouble::Changed);
            }
            if now.ctime_ns != self.identity.ctime_ns {
                let why = "a program touched it after it was compared";
                return Err(Trouble::Later(why.to_owned()));
            }
        }
        Ok(())
    }

    /// Opens what has this name now: the same file, unwritten as far as its attributes say, which no program has open
    /// for writing. A rename moves no more than its ctime.
    pub(super) fn look_again(&self, at: &Place) -> Result<Seen, Trouble> {
        let (file, identity) = match at.open() {
            Ok(file) => {
                let identity = Identity::now(&file);
                (Some(file), identity.map_err(|error| unreadable(&error))?)
            }
            // What cannot be read may have failed for just that; a symlink beside a video goes as one.
            Err(_) => match at.hold() {
                Ok(held) => {
                    let identity = Identity::now(&held);
                    (None, identity.map_err(|error| unreadable(&error))?)
                }
                Err(error) if error.is_absence() => {
                    let why = "the file is not at its place any more";
                    return Err(Trouble::Later(why.to_owned()));
                }
                Err(error) => return Err(cannot("access it", error)),
            },
        };
        if !is_same_state(&identity, &self.identity) {
            return Err(Trouble::Changed);
        }
        let is_written = |file: &File| writer::probe(file) == Writer::Present;
        if file.as_ref().is_some_and(is_written) {
            let why = "a program has the file open for writing";
            return Err(Trouble::Later(why.to_owned()));
        }
        Ok(Seen {
            file,
            identity,
            samples: None,
        })
    }

    /// The file has its new name, and still is what was uploaded, as far as its samples say.
    pub(super) fn check_arrived(&self, to: &Place) -> Result<(), Trouble> {
        let seen = self.look_again(to)?;
        if let (Some(file), Some((known, kind))) = (&seen.file, self.still.fingerprint)
            && !are_samples(known, &self.samples(file, kind)?)
        {
            return Err(Trouble::Changed);
        }
        self.check_held(to)
    }

    /// The file has its hidden name, and is destroyed next. Where its attributes may be stale, all of it is compared,
    /// and since that may take minutes it is asked once more.
    pub(super) fn look_hidden(
        &self,
        (going, asked): (&Place, &Place),
        is_same: &dyn Fn(&File) -> Result<bool, Trouble>,
    ) -> Result<Seen, Trouble> {
        let mut seen = self.look_again(going)?;
        if self.identity.size == 0 {
            return Ok(seen);
        }
        let Some(file) = &seen.file else {
            let why = "it cannot be read, so it is not known whether it changed";
            return Err(Trouble::Later(why.to_owned()));
        };
        if !self.still.may_be_stale {
            return Ok(seen);
        }
        if !is_same(file)? {
            return Err(Trouble::Changed);
        }
        seen.samples = Some(self.samples(file, Kind::Video)?);
        self.ask(asked)?;
        Ok(seen)
    }

    /// Right before the hidden file is unlinked: since it was seen nothing was written to it, and its folder is where
    /// it was.
    pub(super) fn check_unmoved(&self, going: &Place, seen: &Seen) -> Result<(), Trouble> {
        self.check_held(going)?;
        let now = self.look_again(going)?;
        if now.identity.ctime_ns != seen.identity.ctime_ns {
            let why = "a program touched it right before it was deleted";
            return Err(Trouble::Later(why.to_owned()));
        }
        if let (Some(file), Some(known)) = (&now.file, &seen.samples)
            && self.samples(file, Kind::Video)? != *known
        {
            return Err(Trouble::Changed);
        }
        Ok(())
    }

    fn samples(&self, file: &File, kind: Kind) -> Result<String, Trouble> {
        fingerprint(file, self.identity.bytes(), kind).map_err(|error| unreadable(&error))
    }
}

/// Whether samples are those that are known; another version has taken others.
fn are_samples(known: &str, samples: &str) -> bool {
    let version = |samples: &str| samples.split(':').next().map(str::to_owned);
    samples == known || version(samples) != version(known)
}

fn unreadable(error: &io::Error) -> Trouble {
    Trouble::Later(format!("cannot read it: {error}"))
}
