//! How many calls a minute: fixed windows of one minute, aligned to the minute as the platform's
//! are, one for all calls of a key and one for `/videos/list` alone (JW docs, v1 rate limit).

use std::collections::HashMap;
use std::sync::Mutex;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::operation::Operation;
use super::refusal::{Code, Refusal};
use super::store::held;

/// The windows in use.
pub(super) struct Limits {
    calls: u32,
    lists: u32,
    windows: Mutex<HashMap<Bucket, Window>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Bucket {
    Calls,
    Lists,
    /// The requests of v2, by their bearer.
    Bearer(String),
}

struct Window {
    reset: i64,
    used: u32,
}

/// What the answer says about the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    limit: u32,
    remaining: u32,
    reset: i64,
}

impl Limits {
    /// Calls and list calls a minute; 0 means no limit.
    pub(super) fn new(calls: u32, lists: u32) -> Self {
        Self {
            calls,
            lists,
            windows: Mutex::default(),
        }
    }

    /// Counts one call at `now` (UNIX seconds). Over the limit the call must not be executed.
    pub(super) fn count(&self, operation: Operation, now: i64) -> (Rate, Result<(), Refusal>) {
        let (bucket, limit) = match operation {
            Operation::List => (Bucket::Lists, self.lists),
            _ => (Bucket::Calls, self.calls),
        };
        let (rate, allowed) = self.take(bucket, limit, now);
        let refusal = || {
            Refusal::new(
                Code::RateLimitExceeded,
                "Too many calls; wait for the window to end",
            )
        };
        (rate, allowed.then_some(()).ok_or_else(refusal))
    }

    /// Counts one request of v2 at `now` (UNIX seconds), and says whether it is within the limit
    /// (JW docs, v2 authentication: 60 a minute for each token).
    pub(super) fn count_v2(&self, bearer: &str, now: i64) -> (Rate, bool) {
        self.take(Bucket::Bearer(bearer.to_owned()), self.calls, now)
    }

    fn take(&self, bucket: Bucket, limit: u32, now: i64) -> (Rate, bool) {
        let reset = (now.div_euclid(WINDOW_S) + 1) * WINDOW_S;
        if limit == 0 {
            return (
                Rate {
                    limit: NO_LIMIT,
                    remaining: NO_LIMIT,
                    reset,
                },
                true,
            );
        }
        let mut windows = held(&self.windows);
        // The tokens of uploads come and go.
        windows.retain(|_, window| window.reset >= reset);
        let window = windows.entry(bucket).or_insert(Window { reset, used: 0 });
        if window.reset != reset {
            *window = Window { reset, used: 0 };
        }
        let allowed = window.used < limit;
        window.used = window.used.saturating_add(u32::from(allowed));
        let rate = Rate {
            limit,
            remaining: limit - window.used,
            reset,
        };
        (rate, allowed)
    }
}

impl Rate {
    /// The `rate_limit` of an answer's body.
    pub(super) fn body(&self) -> Value {
        json!({"limit": self.limit, "remaining": self.remaining, "reset": self.reset})
    }

    /// The headers of a v2 answer. That the window is of a minute is all that is known of its end.
    pub(super) fn write_v2(&self, headers: &mut HeaderMap) {
        for (name, value) in [
            ("jw-request-limit", self.limit),
            ("jw-request-remaining", self.remaining),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }

    /// The same as headers.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in [
            ("x-ratelimit-limit", i64::from(self.limit)),
            ("x-ratelimit-remaining", i64::from(self.remaining)),
            ("x-ratelimit-reset", self.reset),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

const WINDOW_S: i64 = 60;

/// What is announced where there is no limit: so much that no client holds back for it.
const NO_LIMIT: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_603_577_130;

    #[test]
    fn the_call_over_the_limit_is_refused_until_the_minute_is_over() {
        let limits = Limits::new(2, 1);
        let remaining = |operation, now| {
            let (rate, verdict) = limits.count(operation, now);
            (rate.remaining, rate.reset, verdict.is_ok())
        };
        let reset = 1_603_577_160;
        assert_eq!(remaining(Operation::Create, NOW), (1, reset, true));
        assert_eq!(remaining(Operation::Show, NOW), (0, reset, true));
        assert_eq!(remaining(Operation::Show, NOW + 29), (0, reset, false));
        // The list has a window of its own.
        assert_eq!(remaining(Operation::List, NOW), (0, reset, true));
        assert_eq!(remaining(Operation::List, NOW), (0, reset, false));
        assert_eq!(remaining(Operation::Show, NOW + 30), (1, reset + 60, true));
    }

    #[test]
    fn each_bearer_has_a_window_of_its_own() {
        let limits = Limits::new(1, 0);
        assert!(limits.count_v2("a", NOW).1);
        assert!(!limits.count_v2("a", NOW).1);
        assert!(limits.count_v2("b", NOW).1);
        assert!(limits.count(Operation::Create, NOW).1.is_ok());
        assert!(limits.count_v2("a", NOW + 60).1);
        assert_eq!(held(&limits.windows).len(), 1, "what is over is forgotten");
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = Limits::new(0, 0);
        for _ in 0..1000 {
            assert!(limits.count(Operation::List, NOW).1.is_ok());
        }
    }
}
