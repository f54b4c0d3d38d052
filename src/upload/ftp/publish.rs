//! The last step: the file gets its name, and never the name of another.
//!
//! FTP has no renaming that fails where the name is taken. So it is looked first; and of two files
//! of this daemon with the same name, from two folders, only one may look at a time.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::error::{Error, Refusal};
use super::session::Session;
use super::{Order, Whole, name};
use crate::upload::flight::Flight;
use crate::upload::trail::Sum;

/// Renames the whole file; answers the name.
pub(super) fn publish(
    session: &mut Session,
    order: &mut Order,
    (temporary, flight): (&str, &Arc<Flight>),
    sum: Option<&Sum>,
) -> Result<String, Error> {
    let mut names = vec![order.name.clone(), name::other(&order.name, &order.mark)];
    // The one that was noted before, so that one job leaves one name only.
    if let Some(noted) = &order.noted {
        names.retain(|name| name != noted);
        names.insert(0, noted.clone());
    }
    let mut refused = None;
    for name in names {
        let place = &order.server;
        let place = format!("{}:{} {:?}", place.host, place.port, place.directory);
        let Some(_claim) = Claim::take((place, name.clone())) else {
            continue;
        };
        if session.size(&name)?.is_some() {
            continue;
        }
        let whole = Whole {
            md5: sum.map(|sum| sum.md5.as_str()),
            is_of_what_was_sent: sum.is_some_and(|sum| sum.is_of_what_was_sent),
            name: &name,
            pulse: &|| flight.pulse(),
        };
        (order.before_rename)(whole).map_err(Error::NotRecorded)?;
        flight.hand_out(0, true).map_err(Error::of_fault)?;
        match session.rename(temporary, &name) {
            Ok(()) => return Ok(name),
            // A folder has that name, which SIZE did not see; or the server does not like it.
            Err(
                error @ Error::Refused(Refusal {
                    to: "RNTO",
                    code: 500..600,
                    ..
                }),
            ) => {
                flight.rewind(order.size);
                refused = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| Error::NameTaken(order.name.clone())))
}

/// A name on a server that one transfer of this process is about to take.
struct Claim((String, String));

impl Claim {
    fn take(name: (String, String)) -> Option<Self> {
        let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
        claims.insert(name.clone()).then_some(Self(name))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
        claims.remove(&self.0);
    }
}

static CLAIMS: LazyLock<Mutex<HashSet<(String, String)>>> = LazyLock::new(Mutex::default);
