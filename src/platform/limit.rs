//! One rate limiter for all calls of an account: it goes by what the answers say.
//!
//! The documents name 60 calls a minute and 30 for `/videos/list`, captures show other numbers, so
//! those two are only the start. While there is room a call passes without delay; without room it
//! waits, in the order of arrival, until the window that the platform named is over. Calls that are made
//! within [`impatient`] end instead of a long wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Which of the platform's two budgets a call draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `/videos/list`: counted by its own limit and, as nothing says otherwise, by the general one.
    List,
    /// Everything else.
    General,
}

/// What became of a call, as far as counting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing was sent.
    Unsent,
    /// It may have been counted; the answer, if any, said nothing of it.
    Silent,
    /// The answer said how much is left, and how long until the window is renewed.
    Left {
        limit: u32,
        remaining: u32,
        renewed_in: Duration,
    },
    /// The answer said how much is left, but not until when.
    Counted { limit: u32, remaining: u32 },
    /// Refused for being too many (429); the wait, where the answer named one.
    TooMany { wait: Option<Duration> },
}

/// The limiter; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Limiter {
    general: Arc<Bucket>,
    list: Arc<Bucket>,
}

impl Limiter {
    pub(super) fn new() -> Self {
        let general = Arc::new(Bucket::new(FIRST_GENERAL));
        Self {
            general,
            list: Arc::new(Bucket::new(FIRST_LIST)),
        }
    }

    /// Sets the longest wait for a window whose end an answer named without refusing the call.
    pub(super) fn set_longest_wait(&self, longest: Duration) {
        for bucket in [&self.general, &self.list] {
            bucket.window().longest = longest.min(WINDOW);
        }
    }

    /// Waits until one more call is within the limit.
    ///
    /// # Errors
    /// Within [`impatient`], how long it would have to wait on, where that is too long.
    ///
    /// # Cancel safety
    /// Giving up the wait takes nothing; a [`Permit`] that is dropped counts as a call made.
    pub(super) async fn acquire(&self, kind: Kind) -> Result<Permit, Duration> {
        let list = match kind {
            Kind::List => Some(Slot::enter(&self.list).await?),
            Kind::General => None,
        };
        match Slot::enter(&self.general).await {
            Ok(general) => Ok(Permit { list, general }),
            Err(wait) => {
                if let Some(mut list) = list {
                    list.outcome = Outcome::Unsent;
                }
                Err(wait)
            }
        }
    }
}

tokio::task_local! {
    /// The longest wait for room that the calls of this task bear.
    static PATIENCE: Duration;
}

/// Makes calls that fail ([`Error::NoRoom`](super::error::Error::NoRoom)) where the rate limit would keep one
/// of them waiting for longer: for a caller who has other work to do.
pub async fn impatient<T>(longest: Duration, calls: impl Future<Output = T>) -> T {
    PATIENCE.scope(longest, calls).await
}

/// The right to make one call; hand it back with what the answer said.
#[derive(Debug)]
pub(super) struct Permit {
    list: Option<Slot>,
    general: Slot,
}

impl Permit {
    pub(super) fn finish(mut self, outcome: Outcome) {
        match &mut self.list {
            // The numbers in the answer are those of the narrower budget.
            Some(list) => {
                list.outcome = outcome;
                if outcome == Outcome::Unsent {
                    self.general.outcome = outcome;
                }
            }
            None => self.general.outcome = outcome,
        }
    }
}

/// A call in progress in one budget.
#[derive(Debug)]
struct Slot {
    bucket: Arc<Bucket>,
    outcome: Outcome,
}

impl Slot {
    async fn enter(bucket: &Arc<Bucket>) -> Result<Self, Duration> {
        bucket.enter().await?;
        Ok(Self {
            bucket: Arc::clone(bucket),
            outcome: Outcome::Silent,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.bucket.window().finish(Instant::now(), self.outcome);
        self.bucket.changed.notify_one();
    }
}

#[derive(Debug)]
struct Bucket {
    window: Mutex<Window>,
    /// Held by the one caller whose turn it is; it is fair, which makes the waiting fair.
    turn: tokio::sync::Mutex<()>,
    changed: Notify,
}

impl Bucket {
    fn new(limit: u32) -> Self {
        Self {
            window: Mutex::new(Window::new(limit)),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn enter(&self) -> Result<(), Duration> {
        let Ok(longest) = PATIENCE.try_with(|longest| *longest) else {
            self.wait().await;
            return Ok(());
        };
        if let Some(wait) = self.window().held_for(Instant::now())
            && wait > longest
        {
            return Err(wait);
        }
        let waited = tokio::time::timeout(longest, self.wait()).await;
        waited.map_err(|_| {
            let held = self.window().held_for(Instant::now());
            held.unwrap_or(longest)
        })
    }

    async fn wait(&self) {
        let _turn = self.turn.lock().await;
        loop {
            let Err(renewed) = self.window().try_take(Instant::now()) else {
                return;
            };
            // The window's end is a whole second of the platform's clock: do not hit it sharp.
            let late = Duration::from_millis(rand::random_range(50..300));
            tokio::select! {
                () = tokio::time::sleep_until((renewed + late).into()) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}

/// One budget within one window of time: pure, the time is an argument.
#[derive(Debug)]
struct Window {
    limit: u32,
    /// What the platform said was left, less the calls that were answered without saying so.
    remaining: u32,
    in_flight: u32,
    renewed_at: Option<Instant>,
    /// Whether an answer named the present window, or it is a guess.
    told: bool,
    /// The longest wait for an end that an answer named; a refusal (429) may ask for more.
    longest: Duration,
}

impl Window {
    fn new(limit: u32) -> Self {
        Self {
            limit,
            remaining: limit,
            in_flight: 0,
            renewed_at: None,
            told: false,
            longest: WINDOW,
        }
    }

    /// Counts one call in, or says when to look again.
    fn try_take(&mut self, now: Instant) -> Result<(), Instant> {
        if self.renewed_at.is_some_and(|at| now >= at) {
            self.remaining = self.limit;
            self.renewed_at = None;
            self.told = false;
        }
        let renewed_at = *self.renewed_at.get_or_insert(now + WINDOW);
        if self.remaining <= self.in_flight {
            return Err(renewed_at);
        }
        self.in_flight += 1;
        Ok(())
    }

    /// How long no call at all may be made, as far as is known.
    fn held_for(&self, now: Instant) -> Option<Duration> {
        let renewed_at = self.renewed_at.filter(|_| self.remaining == 0)?;
        Some(renewed_at.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    fn finish(&mut self, now: Instant, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Unsent => {}
            Outcome::Silent => self.remaining = self.remaining.saturating_sub(1),
            Outcome::Left {
                limit,
                remaining,
                renewed_in,
            } => {
                self.learn(limit, remaining, now + renewed_in.min(self.longest));
            }
            Outcome::Counted { limit, remaining } => {
                let more = limit.saturating_sub(self.limit);
                let known = self.remaining.saturating_sub(1).saturating_add(more);
                self.remaining = known.min(remaining);
                self.limit = limit.max(1);
            }
            Outcome::TooMany { wait } => {
                self.remaining = 0;
                let wait = wait.unwrap_or(WINDOW).min(LONGEST_HOLD);
                self.renewed_at = Some(now + wait);
                self.told = true;
            }
        }
    }

    /// Answers may overtake each other, so within one window the smallest number holds.
    fn learn(&mut self, limit: u32, remaining: u32, renewed_at: Instant) {
        let known = self.renewed_at.filter(|_| self.told);
        let is_newer = known.is_none_or(|known| renewed_at > known + SAME_WINDOW);
        let is_same = known.is_some_and(|known| renewed_at + SAME_WINDOW >= known);
        if is_newer {
            self.remaining = remaining;
            self.renewed_at = Some(renewed_at);
            self.told = true;
        } else if is_same {
            self.remaining = self.remaining.min(remaining);
        }
        self.limit = limit.max(1);
    }
}

const FIRST_GENERAL: u32 = 60;
const FIRST_LIST: u32 = 30;
/// The platform's limits are per minute.
const WINDOW: Duration = Duration::from_mins(1);
/// A refusal (429) holds the account's calls for at most this long before the next one is tried.
const LONGEST_HOLD: Duration = Duration::from_mins(5);
/// The end of a window comes in whole seconds, seen through the network.
const SAME_WINDOW: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn left(remaining: u32, seconds: u64) -> Outcome {
        Outcome::Left {
            limit: 60,
            remaining,
            renewed_in: Duration::from_secs(seconds),
        }
    }

    fn take(window: &mut Window, now: Instant, calls: u32) -> u32 {
        (0..calls)
            .filter(|_| window.try_take(now).is_ok())
            .count()
            .try_into()
            .unwrap()
    }

    #[test]
    fn starts_with_the_documented_limit() {
        let now = Instant::now();
        let mut window = Window::new(30);
        assert_eq!(take(&mut window, now, 100), 30);
        assert_eq!(window.try_take(now), Err(now + WINDOW));
    }

    #[test]
    fn waits_for_the_named_end_and_starts_anew() {
        let now = Instant::now();
        let mut window = Window::new(60);
        assert_eq!(window.try_take(now), Ok(()));
        window.finish(now, left(0, 17));
        let end = now + Duration::from_secs(17);
        assert_eq!(window.try_take(now + Duration::from_secs(16)), Err(end));
        assert_eq!(take(&mut window, end, 100), 60);
    }

    #[test]
    fn calls_under_way_count_against_what_is_left() {
        let now = Instant::now();
        let mut window = Window::new(60);
        assert_eq!(take(&mut window, now, 5), 5);
        window.finish(now, left(6, 30));
        assert_eq!(
            take(&mut window, now, 100),
            2,
            "six are left and four are in progress"
        );
    }

    #[test]
    fn an_answer_that_was_overtaken_gives_nothing_back() {
        let now = Instant::now();
        let mut window = Window::new(60);
        assert_eq!(take(&mut window, now, 2), 2);
        window.finish(now, left(3, 30));
        window.finish(now, left(4, 31));
        assert_eq!(take(&mut window, now, 100), 3);
    }

    #[test]
    fn a_larger_account_is_believed() {
        let now = Instant::now();
        let mut window = Window::new(60);
        assert_eq!(window.try_take(now), Ok(()));
        let renewed_in = Duration::from_secs(50);
        window.finish(
            now,
            Outcome::Left {
                limit: 180,
                remaining: 179,
                renewed_in,
            },
        );
        assert_eq!(take(&mut window, now, 500), 179);
    }

    #[test]
    fn a_count_without_an_end_holds_until_the_guessed_one() {
        let now = Instant::now();
        for (limit, remaining, room) in [(60, 2, 2), (60, 59, 59), (180, 179, 179), (30, 99, 59)] {
            let mut window = Window::new(60);
            assert_eq!(window.try_take(now), Ok(()));
            window.finish(now, Outcome::Counted { limit, remaining });
            assert_eq!(take(&mut window, now, 500), room, "{limit} {remaining}");
            let mut window = Window::new(60);
            assert_eq!(window.try_take(now), Ok(()));
            window.finish(now, Outcome::Counted { limit, remaining });
            assert_eq!(take(&mut window, now + WINDOW, 500), limit);
        }
    }

    #[test]
    fn too_many_stops_everything_for_the_named_time() {
        let now = Instant::now();
        for (wait, expected) in [
            (Some(Duration::from_secs(9)), Duration::from_secs(9)),
            (None, WINDOW),
            (Some(Duration::from_secs(1_000_000)), LONGEST_HOLD),
            (Some(Duration::from_secs(u64::MAX)), LONGEST_HOLD),
        ] {
            let mut window = Window::new(60);
            assert_eq!(window.try_take(now), Ok(()));
            window.finish(now, Outcome::TooMany { wait });
            assert_eq!(window.try_take(now), Err(now + expected), "{wait:?}");
        }
    }

    #[test]
    fn an_end_that_is_named_far_off_holds_nothing_for_longer_than_the_longest_wait() {
        let now = Instant::now();
        for (longest, expected) in [
            (Duration::from_secs(5), Duration::from_secs(5)),
            (Duration::from_hours(1), WINDOW),
        ] {
            let limiter = Limiter::new();
            limiter.set_longest_wait(longest);
            for bucket in [&limiter.general, &limiter.list] {
                let mut window = bucket.window();
                assert_eq!(window.try_take(now), Ok(()));
                window.finish(now, left(0, u64::MAX));
                assert_eq!(window.try_take(now), Err(now + expected));
            }
        }
    }

    #[test]
    fn silent_answers_use_up_and_unsent_calls_do_not() {
        let now = Instant::now();
        let mut window = Window::new(2);
        for (outcome, room) in [
            (Outcome::Unsent, 2),
            (Outcome::Silent, 1),
            (Outcome::Silent, 0),
        ] {
            assert_eq!(window.try_take(now), Ok(()));
            window.finish(now, outcome);
            assert_eq!(window.remaining, room, "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn clones_share_it_and_wait_for_the_window() {
        let limiter = Limiter::new();
        let renewed_in = Duration::from_millis(200);
        limiter
            .acquire(Kind::General)
            .await
            .unwrap()
            .finish(Outcome::Left {
                limit: 1,
                remaining: 0,
                renewed_in,
            });
        let started = Instant::now();
        drop(limiter.clone().acquire(Kind::List).await);
        assert!(
            started.elapsed() >= renewed_in,
            "a list call needs room in both budgets"
        );
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_takes_nothing() {
        let limiter = Limiter::new();
        let one = Outcome::Left {
            limit: 1,
            remaining: 1,
            renewed_in: WINDOW,
        };
        limiter.acquire(Kind::General).await.unwrap().finish(one);
        let held = limiter.acquire(Kind::General).await.unwrap();
        let mut waiting = Box::pin(limiter.acquire(Kind::General));
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())
        });
        assert!(polled.await, "the only slot is taken");
        drop(waiting);
        held.finish(Outcome::Unsent);
        let next = tokio::time::timeout(Duration::from_secs(5), limiter.acquire(Kind::General));
        assert!(
            next.await.is_ok(),
            "the slot that was given back is free for the next caller"
        );
    }

    #[tokio::test]
    async fn who_is_impatient_is_told_how_long_the_wait_would_be() {
        let limiter = Limiter::new();
        let refused = Outcome::TooMany {
            wait: Some(Duration::from_mins(4)),
        };
        let permit = limiter.acquire(Kind::General).await.unwrap();
        permit.finish(refused);
        // A patient one has the turn.
        let patient = limiter.clone();
        let waiting = tokio::spawn(async move { patient.acquire(Kind::General).await.is_ok() });
        for kind in [Kind::General, Kind::List] {
            let asked = impatient(Duration::from_millis(50), limiter.acquire(kind));
            let answer = tokio::time::timeout(Duration::from_secs(30), asked).await;
            let wait = answer.unwrap().unwrap_err();
            assert!(wait > Duration::from_mins(3), "{wait:?}");
        }
        // Nothing was taken from the other budget.
        assert_eq!(limiter.list.window().remaining, FIRST_LIST);
        waiting.abort();
    }
}
