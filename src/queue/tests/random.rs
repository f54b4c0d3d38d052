//! Random stories: any sequence of verbs, crashes and clock jumps, held against the model.

use proptest::prelude::*;
use proptest::sample::Index;

use super::as_others::Look;
use super::as_worker::Word;
use super::model::Story;
use super::*;

#[derive(Debug, Clone)]
enum Event {
    Enqueue {
        path: u8,
        version: u8,
        chmod: bool,
    },
    Claim,
    Worker(Index, Word),
    /// The way that the steps really go, so that stories come far.
    GoOn,
    Heartbeat,
    Crash,
    /// The clock jumps; the leases of this worker's process count as alive, or of none.
    Jump {
        seconds: i64,
        alive: bool,
    },
    Cancel(Index),
    Retry(Index),
    Bump(Index, bool),
    /// The configuration is read again, with these priorities.
    Reload([i64; 3]),
    Pause(bool),
    Probation(bool),
    Resume(bool),
    Restart,
    Look,
    Confirm(Index, Look),
    Withdraw {
        works: bool,
    },
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        1 => Just(Word::Begin),
        2 => Just(Word::CreateBegins),
        1 => Just(Word::CreateCameToNothing),
        1 => Just(Word::CreateIsMissing),
        3 => Just(Word::Created),
        2 => Just(Word::LastByte),
        1 => Just(Word::LastByteWasLost),
        3 => Just(Word::Transferred),
        1 => any::<bool>().prop_map(Word::Again),
        1 => Just(Word::Failed),
        1 => Just(Word::StartOver),
        1 => Just(Word::Superseded),
    ]
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![
        Just(Look::Ready),
        any::<bool>().prop_map(Look::Failed),
        Just(Look::Later),
        Just(Look::StartOver),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..6_u8, 0..2_u8, any::<bool>())
            .prop_map(|(path, version, chmod)| Event::Enqueue { path, version, chmod }),
        5 => Just(Event::Claim),
        8 => (any::<Index>(), word()).prop_map(|(lease, word)| Event::Worker(lease, word)),
        12 => Just(Event::GoOn),
        2 => Just(Event::Heartbeat),
        1 => Just(Event::Crash),
        2 => (-100..200_i64, any::<bool>()).prop_map(|(seconds, alive)| Event::Jump { seconds, alive }),
        2 => any::<Index>().prop_map(Event::Cancel),
        2 => any::<Index>().prop_map(Event::Retry),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(job, has_worker)| Event::Bump(job, has_worker)),
        1 => [-1..2_i64, -1..2_i64, -1..2_i64].prop_map(Event::Reload),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => any::<bool>().prop_map(Event::Probation),
        1 => any::<bool>().prop_map(Event::Resume),
        1 => Just(Event::Restart),
        2 => Just(Event::Look),
        4 => (any::<Index>(), look()).prop_map(|(look, says)| Event::Confirm(look, says)),
        2 => any::<bool>().prop_map(|works| Event::Withdraw { works }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_story_ends_with_exactly_one_video_for_each_file(events in prop::collection::vec(event(), 1..90)) {
        let mut story = Story::new();
        for event in events {
            story.now += Duration::from_secs(1);
            story.tell(&event);
            story.audit();
        }
        let broken = number(&story.db, "SELECT count(*) FROM pragma_foreign_key_check");
        prop_assert_eq!(broken, 0);
    }
}

impl Story {
    fn tell(&mut self, event: &Event) {
        match *event {
            Event::Enqueue {
                path,
                version,
                chmod,
            } => self.enqueue(path, version, chmod),
            Event::Claim => self.claim(),
            Event::Worker(lease, word) => {
                if !self.leases.is_empty() {
                    self.worker(lease.index(self.leases.len()), word);
                }
            }
            Event::GoOn => self.go_on(),
            Event::Heartbeat => self.heartbeat(),
            Event::Crash => self.reclaim(None, false),
            Event::Jump { seconds, alive } => {
                self.now += jiff::SignedDuration::from_secs(seconds);
                self.reclaim(Some(self.now), alive);
            }
            Event::Cancel(place) if !self.jobs.is_empty() => {
                self.cancel(place.index(self.jobs.len()));
            }
            Event::Retry(place) if !self.jobs.is_empty() => {
                self.retry(place.index(self.jobs.len()));
            }
            Event::Bump(place, has_worker) if !self.jobs.is_empty() => {
                self.bump(place.index(self.jobs.len()), has_worker);
            }
            Event::Cancel(_) | Event::Retry(_) | Event::Bump(..) => {}
            Event::Reload(priorities) => self.reload(priorities),
            Event::Pause(other) => self.pause(usize::from(other)),
            Event::Probation(other) => self.probation(usize::from(other)),
            Event::Resume(other) => self.resume(usize::from(other)),
            Event::Restart => self.restart(),
            Event::Look => self.look(),
            Event::Confirm(place, says) => {
                if !self.looks.is_empty() {
                    self.confirm(place.index(self.looks.len()), says);
                }
            }
            Event::Withdraw { works } => self.withdraw(works),
        }
    }
}
