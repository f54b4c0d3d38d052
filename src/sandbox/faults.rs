//! Faults to order: which requests they meet, what they do, and the holds that wait for a release.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::operation::{Operation, Target};
use super::store::held;

/// One fault as the control endpoint takes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// The operation it meets.
    pub(super) on: Target,
    /// How many requests it meets before it is used up; `null` means all.
    #[serde(default = "once")]
    pub(super) times: Option<u32>,
    /// How many matching requests it lets pass first.
    #[serde(default)]
    pub(super) skip: u32,
    /// What it does.
    #[serde(rename = "fault")]
    pub(super) kind: Kind,
}

/// What a fault does to the request that it meets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Kind {
    /// Reads the whole request, does not act, answers this.
    Status(Canned),
    /// Answers this after the head; the body is never read.
    EarlyAnswer(Canned),
    /// Reads no further once this much of the body came, until released; then continues.
    Stall {
        #[serde(default)]
        after_bytes: u64,
    },
    /// Resets the connection once this much of the body came (0: after the head).
    Reset {
        #[serde(default)]
        after_bytes: u64,
    },
    /// Reads the whole request, then waits for the release before it acts. It acts also when the
    /// client has gone by then: it had sent everything.
    HoldBeforeActing {},
    /// Acts, then waits for the release before it answers.
    HoldAfterActing {},
    /// Acts, then closes the connection without an answer.
    AnswerLost {},
    /// Reads the body at this speed.
    Slow { bytes_per_second: u64 },
    /// Acts, then answers something else; `act = false` leaves the acting out.
    WrongAnswer {
        how: Wrong,
        #[serde(default = "yes")]
        act: bool,
    },
    /// Takes the file, but its processing will fail with this message.
    FailProcessing { message: String },
    /// Acts, then waits so long before it answers.
    Delay { milliseconds: u64 },
    /// Stores what came, and answers another `ETag` than the one it has.
    WrongEtag {
        #[serde(default)]
        etag: Option<String>,
    },
    /// The upload links in the answer have expired already.
    ExpiredLinks {},
    /// The list of parts is not what it should be.
    PartsList { how: WrongList },
    /// The download that the call begins goes at this speed.
    SlowFetch { bytes_per_second: u64 },
}

/// Ways in which a page of the parts list can be wrong, all with status 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WrongList {
    /// Every third entry is missing.
    Holes,
    /// Every entry is there twice.
    Duplicated,
    /// The last comes first.
    Unsorted,
    /// The total is that of the page, less one.
    WrongTotal,
    /// The MD5 of a completed part has quotes around it.
    QuotedEtags,
    /// The MD5 of every completed part is that of other bytes.
    WrongEtags,
    /// No entry has a link.
    NoLinks,
    /// The first page in place of the one that was asked for.
    FirstPageAgain,
    /// No entry.
    Empty,
}

/// An answer made in advance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Canned {
    pub(super) status: u16,
    /// The error code in the default body (a code of the v1 or the v2 API, or of S3).
    #[serde(default)]
    pub(super) code: Option<String>,
    /// The body in place of the default one.
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Closes the connection right behind the answer, so that a client that is still sending gets
    /// a RST and may lose the answer to it.
    #[serde(default)]
    pub(super) abrupt: bool,
}

/// Ways in which an answer can be wrong, all with a status of success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wrong {
    /// Bytes that are not text.
    Garbage,
    /// No body.
    Empty,
    /// A page, as from a proxy.
    Html,
    /// The first half of the right answer.
    TruncatedJson,
    /// The right shape with values of other types.
    OtherTypes,
    /// Ten gigabytes.
    Huge,
    /// An error object.
    Error,
}

/// All faults that were ordered, and the requests that they hold.
#[derive(Default)]
pub(super) struct Faults {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    ordered: BTreeMap<u64, Ordered>,
    held: Vec<Hold>,
    next: u64,
}

struct Ordered {
    fault: Fault,
    met: u32,
    passed: u32,
}

struct Hold {
    fault: u64,
    release: oneshot::Sender<()>,
}

/// A fault that met a request.
#[derive(Debug, Clone)]
pub(super) struct Met {
    pub(super) id: u64,
    pub(super) kind: Kind,
}

/// A fault as the control endpoint lists it.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    id: u64,
    #[serde(flatten)]
    fault: Fault,
    /// Requests it met so far.
    met: u32,
    /// Requests it holds now.
    held: usize,
}

impl Faults {
    /// Orders a fault; answers its number.
    pub(super) fn order(&self, fault: Fault) -> u64 {
        let mut table = held(&self.table);
        table.next += 1;
        let id = table.next;
        table.ordered.insert(
            id,
            Ordered {
                fault,
                met: 0,
                passed: 0,
            },
        );
        id
    }

    /// The fault that a request of that operation meets: the first ordered that is not used up.
    pub(super) fn meet(&self, operation: Operation) -> Option<Met> {
        let mut table = held(&self.table);
        for (id, ordered) in &mut table.ordered {
            if !ordered.fault.on.takes(operation)
                || ordered
                    .fault
                    .times
                    .is_some_and(|times| ordered.met >= times)
            {
                continue;
            }
            if ordered.passed < ordered.fault.skip {
                ordered.passed += 1;
                continue;
            }
            ordered.met = ordered.met.saturating_add(1);
            return Some(Met {
                id: *id,
                kind: ordered.fault.kind.clone(),
            });
        }
        None
    }

    /// Registers a request that is held; what is returned ends when it is released.
    pub(super) fn hold(&self, fault: u64) -> oneshot::Receiver<()> {
        let (release, released) = oneshot::channel();
        let mut table = held(&self.table);
        table.held.retain(|hold| !hold.release.is_closed());
        table.held.push(Hold { fault, release });
        released
    }

    /// Releases what one fault (or any) holds; answers how many requests that were.
    pub(super) fn release(&self, fault: Option<u64>) -> usize {
        let mut table = held(&self.table);
        let (released, kept): (Vec<Hold>, Vec<Hold>) = std::mem::take(&mut table.held)
            .into_iter()
            .partition(|hold| fault.is_none_or(|wanted| wanted == hold.fault));
        table.held = kept;
        released
            .into_iter()
            .filter_map(|hold| hold.release.send(()).ok())
            .count()
    }

    /// Takes one fault (or all) back and releases what it holds; answers how many faults that were.
    pub(super) fn clear(&self, fault: Option<u64>) -> usize {
        let before = {
            let mut table = held(&self.table);
            let before = table.ordered.len();
            table
                .ordered
                .retain(|id, _| fault.is_some_and(|wanted| wanted != *id));
            before - table.ordered.len()
        };
        self.release(fault);
        before
    }

    /// All faults, the used up ones too.
    pub(super) fn list(&self) -> Vec<Listed> {
        let table = held(&self.table);
        let holding = |id: u64| {
            let here = |hold: &&Hold| hold.fault == id && !hold.release.is_closed();
            table.held.iter().filter(here).count()
        };
        table
            .ordered
            .iter()
            .map(|(id, ordered)| Listed {
                id: *id,
                fault: ordered.fault.clone(),
                met: ordered.met,
                held: holding(*id),
            })
            .collect()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
fn once() -> Option<u32> {
    Some(1)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_fault_meets_its_operation_after_the_skipped_ones_and_is_used_up() {
        let faults = Faults::default();
        faults.order(fault(
            r#"{"on": "create", "skip": 1, "times": 2, "fault": {"kind": "answer-lost"}}"#,
        ));
        let met: Vec<bool> = [
            Operation::Show,
            Operation::Create,
            Operation::Create,
            Operation::Create,
            Operation::Create,
        ]
        .into_iter()
        .map(|operation| faults.meet(operation).is_some())
        .collect();
        assert_eq!(met, [false, false, true, true, false]);
    }

    #[test]
    fn the_next_fault_is_met_where_the_first_is_used_up_or_skips() {
        let faults = Faults::default();
        faults.order(fault(r#"{"on": "any", "fault": {"kind": "stall"}}"#));
        faults.order(fault(
            r#"{"on": "any", "times": null, "fault": {"kind": "reset"}}"#,
        ));
        let kinds: Vec<Kind> = (0..3)
            .map(|_| faults.meet(Operation::List).unwrap().kind)
            .collect();
        let reset = Kind::Reset { after_bytes: 0 };
        assert_eq!(
            kinds,
            [Kind::Stall { after_bytes: 0 }, reset.clone(), reset]
        );
    }

    #[test]
    fn a_release_frees_what_its_fault_holds() {
        let faults = Faults::default();
        let mut one = faults.hold(1);
        let mut two = faults.hold(2);
        assert_eq!(faults.release(Some(1)), 1);
        assert!(one.try_recv().is_ok());
        assert!(two.try_recv().is_err());
        assert_eq!(faults.release(None), 1);
        assert!(two.try_recv().is_ok());
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        for text in [
            r#"{"on": "create", "fault": {"kind": "stal"}}"#,
            r#"{"on": "create", "fault": {"kind": "stall", "after": 3}}"#,
            r#"{"on": "creat", "fault": {"kind": "stall"}}"#,
            r#"{"on": "create", "time": 3, "fault": {"kind": "stall"}}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(text).is_err(), "{text}");
        }
    }
}
