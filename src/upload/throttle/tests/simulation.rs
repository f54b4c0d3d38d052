//! The limit in virtual time: random limits, files, and connections; no real waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;

/// The largest frame of a body.
const FRAME: u64 = 256 * 1024;
const WINDOW: Duration = Duration::from_secs(5);
/// How soon a lower limit is obeyed.
const GRACE: Duration = Duration::from_secs(1);
/// A grant's worth comes at its beginning.
const GRANT: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How a connection behaves.
#[derive(Debug, Clone)]
struct Habit {
    file: usize,
    starts: Duration,
    /// From a grant to the next ask.
    thinks: Duration,
    /// How late its timers are.
    late: Duration,
    wants: u64,
}

enum State {
    Thinks { until: Duration },
    Waits { ask: AskId, until: Duration },
}

struct Connection {
    habit: Habit,
    bell: Arc<Bell>,
    state: State,
}

/// Bytes that were let through.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Duration,
    file: usize,
    bytes: u64,
}

/// The limits one after the other, each with how long it holds.
type Plan = Vec<(Duration, Option<NonZeroU64>)>;

fn simulate(plan: &Plan, habits: &[Habit]) -> Vec<Sent> {
    let mut line = Line::default();
    let files: Vec<_> = (0..8).map(|_| line.join()).collect();
    let mut connections: Vec<_> = habits
        .iter()
        .map(|habit| Connection {
            habit: habit.clone(),
            bell: Arc::default(),
            state: State::Thinks {
                until: habit.starts,
            },
        })
        .collect();
    let mut sent = Vec::new();
    let mut begins = Duration::ZERO;
    for (holds, limit) in plan {
        line.set(*limit, begins);
        ring(&mut line);
        let ends = begins + *holds;
        while let Some((at, next)) = next(&connections, begins).filter(|(at, _)| *at < ends) {
            begins = at;
            let connection = &mut connections[next];
            let file = connection.habit.file;
            if let Some(bytes) = connection.step(&mut line, files[file], at) {
                sent.push(Sent { at, file, bytes });
            }
            ring(&mut line);
        }
        begins = ends;
    }
    sent
}

fn ring(line: &mut Line) {
    line.take_woken().into_iter().for_each(Waker::wake);
}

/// Which connection does something next, and when.
fn next(connections: &[Connection], now: Duration) -> Option<(Duration, usize)> {
    let times = connections.iter().map(|connection| match connection.state {
        State::Waits { .. } if connection.bell.0.load(Ordering::Relaxed) => now,
        State::Thinks { until } | State::Waits { until, .. } => until.max(now),
    });
    times.zip(0..).min()
}

impl Connection {
    fn step(&mut self, line: &mut Line, file: FileId, now: Duration) -> Option<u64> {
        let waker = Waker::from(Arc::clone(&self.bell));
        self.bell.0.store(false, Ordering::Relaxed);
        let ask = match self.state {
            State::Thinks { .. } => line.ask(file, self.habit.wants, waker.clone()),
            State::Waits { ask, .. } => ask,
        };
        match line.look(ask, now, &waker) {
            Word::Go(bytes) => {
                assert!((1..=self.habit.wants).contains(&bytes));
                let until = now + self.habit.thinks;
                self.state = State::Thinks { until };
                Some(bytes)
            }
            Word::Wait(until) => {
                assert!(until > now && until <= now + line::PATIENCE);
                let until = until + self.habit.late;
                self.state = State::Waits { ask, until };
                None
            }
        }
    }
}

/// What may pass in a window that begins at `from`: the area below the limit, where a higher one
/// counts a moment sooner and longer. None where there was no limit for some of it.
fn area(plan: &Plan, from: Duration) -> Option<u128> {
    let to = from + WINDOW;
    let mut spans = Vec::new();
    let mut begins = Duration::ZERO;
    for (holds, limit) in plan {
        let sooner = begins.saturating_sub(GRANT);
        spans.push((sooner, begins + *holds + GRACE, *limit));
        begins += *holds;
    }
    let mut edges: Vec<_> = spans.iter().flat_map(|span| [span.0, span.1]).collect();
    edges.extend([from, to]);
    edges.retain(|edge| (from..=to).contains(edge));
    edges.sort_unstable();
    let pieces = edges.iter().zip(edges.iter().skip(1));
    let areas = pieces.map(|(begin, end)| {
        let middle = (*begin + *end) / 2;
        let held = spans
            .iter()
            .filter(|span| span.0 <= middle && middle < span.1);
        let limits: Option<Vec<_>> = held.map(|span| span.2).collect();
        let highest = limits?.into_iter().max().map_or(0, NonZeroU64::get);
        Some(u128::from(highest) * end.saturating_sub(*begin).as_micros() / 1_000_000)
    });
    areas.sum()
}

fn limit() -> impl Strategy<Value = NonZeroU64> {
    // As many low ones as high ones, from 64 kbit/s to 400 Mbit/s.
    (0_u32..=12, 1_000_u64..2_000)
        .prop_map(|(power, base)| NonZeroU64::new((base << power).max(8_000)).unwrap())
}

fn plan() -> impl Strategy<Value = Plan> {
    let holds = (100_u64..9_000).prop_map(Duration::from_millis);
    vec((holds, prop::option::weighted(0.9, limit())), 1..6)
}

fn habit() -> impl Strategy<Value = Habit> {
    let micros = |range: std::ops::Range<u64>| range.prop_map(Duration::from_micros);
    let times = (micros(0..4_000_000), micros(1..60_000), micros(0..20_000));
    (0_usize..8, times, 1_u64..=FRAME).prop_map(|(file, (starts, thinks, late), wants)| Habit {
        file,
        starts,
        thinks,
        late,
        // Most want a whole frame, as bodies do until their end.
        wants: if wants % 3 == 0 { wants } else { FRAME },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// The promise: over any five seconds no more than the limit and a tenth.
    #[test]
    fn no_window_is_above_the_limit(plan in plan(), habits in vec(habit(), 1..24)) {
        let sent = simulate(&plan, &habits);
        let mut last = 0;
        let mut bytes: u128 = 0;
        for first in &sent {
            while let Some(next) = sent.get(last).filter(|next| next.at < first.at + WINDOW) {
                bytes += u128::from(next.bytes);
                last += 1;
            }
            if let Some(area) = area(&plan, first.at) {
                // A byte or two for the rounding.
                prop_assert!(
                    bytes * 10 <= area * 11 + 20,
                    "{bytes} bytes from {:?} on, not {area}", first.at
                );
            }
            bytes -= u128::from(first.bytes);
        }
    }

    /// Files that always have something to send get the same, however many connections each has and
    /// whenever it began; and nothing of the line is left unused.
    #[test]
    fn hungry_files_share_evenly_and_all_of_it(
        limit in (100_000_u64..5_000_000),
        files in vec((1_usize..8, 0_u64..4_000), 1..5),
        thinks in 1_u64..3_000,
    ) {
        let mut habits = Vec::new();
        for (file, (connections, starts)) in files.iter().enumerate() {
            let habit = Habit {
                file,
                starts: Duration::from_millis(*starts),
                thinks: Duration::from_micros(thinks),
                late: Duration::from_millis(1),
                wants: FRAME,
            };
            habits.extend(std::iter::repeat_n(habit, *connections));
        }
        let (from, to) = (Duration::from_secs(5), Duration::from_secs(25));
        let sent = simulate(&vec![(to, NonZeroU64::new(limit))], &habits);
        let mut shares = vec![0; files.len()];
        for one in sent.iter().filter(|one| one.at >= from) {
            shares[one.file] += one.bytes;
        }
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        let grant = limit / 20;
        prop_assert!(most - least <= 2 * grant, "{shares:?}, grants of {grant}");
        let whole: u64 = shares.iter().sum();
        prop_assert!(whole >= limit * 20 * 98 / 100, "{shares:?} of {}", limit * 20);
    }
}

#[test]
fn what_a_file_does_not_use_goes_to_the_others() {
    let modest = Habit {
        file: 0,
        starts: Duration::ZERO,
        thinks: Duration::from_millis(100),
        late: Duration::ZERO,
        wants: 10_000,
    };
    let hungry = Habit {
        file: 1,
        thinks: Duration::from_micros(1),
        wants: FRAME,
        ..modest.clone()
    };
    let plan = vec![(Duration::from_secs(10), NonZeroU64::new(1_000_000))];
    let sent = simulate(&plan, &[modest, hungry]);
    let of = |file| -> u64 {
        let its = sent.iter().filter(|one| one.file == file);
        its.map(|one| one.bytes).sum()
    };
    let (modest, hungry) = (of(0), of(1));
    // It waits at most for one grant of the other, 50 ms, and then thinks for 100 ms.
    assert!(modest >= 600_000, "{modest}: its turn comes soon");
    assert!(modest + hungry >= 9_800_000, "{modest} and {hungry}");
}

#[test]
fn who_leaves_holds_nobody_up() {
    let mut line = Line::default();
    let now = Duration::from_secs(1);
    line.set(NonZeroU64::new(8_000), now);
    let (one, two) = (line.join(), line.join());
    let bells: [Arc<Bell>; 3] = Default::default();
    let [first, second, third] = bells.clone().map(Waker::from);
    let served = line.ask(one, FRAME, first.clone());
    assert_eq!(line.look(served, now, &first), Word::Go(400));
    let hung = line.ask(two, FRAME, second.clone());
    let free = now + Duration::from_millis(50);
    assert_eq!(line.look(hung, now, &second), Word::Wait(free));
    let other = line.ask(one, FRAME, third.clone());
    let patience = now + line::PATIENCE;
    assert_eq!(
        line.look(other, now, &third),
        Word::Wait(patience),
        "not its turn"
    );
    line.take_woken();
    line.withdraw(hung);
    line.leave(two);
    ring(&mut line);
    assert!(bells[2].0.load(Ordering::Relaxed), "its turn has come");
    assert_eq!(line.look(other, now, &third), Word::Wait(free));
    assert_eq!(line.look(other, free, &third), Word::Go(400));
}

#[test]
fn a_connection_that_hangs_costs_the_others_a_moment() {
    let mut line = Line::default();
    line.set(NonZeroU64::new(8_000), Duration::ZERO);
    let (one, two) = (line.join(), line.join());
    let waker = Waker::noop();
    let mut grants = [one, two].map(|file| line.ask(file, FRAME, waker.clone()));
    // The first one is served, and never looks again; the other one's timer is enough.
    let mut now = Duration::ZERO;
    for _ in 0..4 {
        now += line::PATIENCE;
        assert_eq!(line.look(grants[1], now, waker), Word::Go(400));
        grants[1] = line.ask(two, FRAME, waker.clone());
    }
}
