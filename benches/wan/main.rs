//! What parts over several connections gain on a long line, beside `curl -T` in the same run.
//!
//! Run it as root with `cargo bench --bench wan`; it takes about half an hour. It joins two network
//! namespaces by a line with a rate, a delay and a loss (`tunlink.c`, as many kernels lack netem),
//! starts a sink at the far end that reads and drops, and lets each client send over it, in turns.
//! Nothing of the machine's own network is touched, and nothing is left behind.
//!
//! What counts are the ratios to curl. TCP is set to start every run like the first one, and to use
//! cubic, the usual default, on any machine.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

mod child;
mod client;
mod line;
mod sink;

use std::io::Write;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::child::Child;
use crate::client::Client;
use crate::line::{Net, Quality};

/// The lines: a lossy one, as between continents, and a clean fast one.
const LINES: [(Quality, [Turn; 6]); 2] = [
    (
        Quality {
            megabits: 200,
            loss_percent: 0.1,
        },
        [
            Turn(Client::Curl, "cubic", 96),
            Turn(Client::S3, "cubic", 48),
            Turn(Client::Parts(1), "cubic", 48),
            Turn(Client::Parts(8), "cubic", 1024),
            Turn(Client::Parts(16), "cubic", 1024),
            Turn(Client::S3, "bbr", 512),
        ],
    ),
    (
        Quality {
            megabits: 1000,
            loss_percent: 0.0,
        },
        [
            Turn(Client::Curl, "cubic", 1024),
            Turn(Client::S3, "cubic", 1024),
            Turn(Client::Parts(1), "cubic", 1024),
            Turn(Client::Parts(8), "cubic", 2048),
            Turn(Client::Parts(16), "cubic", 2048),
            Turn(Client::S3, "bbr", 1024),
        ],
    ),
];

/// The sender, by which congestion control, and how many MiB: as many as take about a minute on the
/// lossy line, and enough on the other that the start does not count for much.
#[derive(Clone, Copy)]
struct Turn(Client, &'static str, u64);

/// Without optimisation it only shows that it runs.
const ROUNDS: usize = if cfg!(debug_assertions) { 1 } else { 3 };
const SHRINK: u64 = if cfg!(debug_assertions) { 8 } else { 1 };

/// Longer than any run takes.
const LONGEST_RUN: Duration = Duration::from_mins(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["sink"] => sink::serve(),
        ["client", mode, file] => client::send(mode, Path::new(file)),
        _ => compare(),
    };
    if let Err(why) = done {
        println!("FAILED: {why}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn compare() -> Result<(), String> {
    child::end_when_told()?;
    let net = match line::missing().and_then(|()| Net::new()) {
        Ok(net) => net,
        Err(why) => {
            println!("LEFT OUT: the benchmark over a long line: {why}");
            return Ok(());
        }
    };
    println!("TCP as the table says, on any machine; no run learns from another");
    println!(
        "(tcp_no_metrics_save = 1); tcp_wmem = {}",
        line::send_buffers()
    );
    let file = tempfile::NamedTempFile::new().map_err(|error| format!("a file: {error}"))?;
    for (quality, turns) in &LINES {
        let line = net.join(quality)?;
        let _sink = sink::start(&net)?;
        println!("\n{quality}; medians of {ROUNDS}");
        let mut runs: Vec<Vec<Run>> = turns.iter().map(|_| Vec::new()).collect();
        for round in 1..=ROUNDS {
            print!("    round {round}:");
            for (turn, runs) in turns.iter().zip(&mut runs) {
                if let Some(run) = take(turn, &net, file.path())? {
                    print!(" {:.1}", run.megabits);
                    // It is no news once the round is over.
                    std::io::stdout().flush().ok();
                    runs.push(run);
                }
            }
            println!(" Mbit/s");
        }
        table(quality, turns, runs);
        println!("{}", line.close());
    }
    Ok(())
}

/// What one run gave.
#[derive(Clone, Copy)]
struct Run {
    megabits: f64,
    /// The client's peak of resident memory, MiB.
    memory: f64,
}

/// One run; `None` where the kernel lacks the congestion control.
fn take(turn: &Turn, net: &Net, path: &Path) -> Result<Option<Run>, String> {
    let Turn(client, control, mebibytes) = *turn;
    if !net.control_congestion_by(control)? {
        return Ok(None);
    }
    let size = (mebibytes << 20) / SHRINK;
    // Nothing but zeros, which take no room, and which no one on the way compresses.
    let file = std::fs::File::options().write(true).open(path);
    file.and_then(|file| file.set_len(size))
        .map_err(|error| format!("a file of {size} bytes: {error}"))?;
    let mut command = client.command(net, path)?;
    command.stdin(Stdio::null());
    let started = Instant::now();
    let memory = Child::start(&mut command)?.wait(LONGEST_RUN)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Some(Run {
        megabits: float(size) * 8.0 / 1e6 / seconds,
        memory: float(memory) / 1024.0,
    }))
}

fn table(quality: &Quality, turns: &[Turn], runs: Vec<Vec<Run>>) {
    println!(
        "{:18} {:7} {:>6} {:>8} {:>7} {:>9} {:>9}",
        "client", "control", "MiB", "Mbit/s", "x curl", "% of line", "peak MiB"
    );
    let mut curl = None;
    for (Turn(client, control, mebibytes), runs) in turns.iter().zip(runs) {
        let name = client.to_string();
        let Some(run) = median(runs) else {
            println!("{name:18} {control:7} LEFT OUT: not in this kernel");
            continue;
        };
        let curl = *curl.get_or_insert(run.megabits);
        println!(
            "{name:18} {control:7} {:>6} {:>8.1} {:>7.2} {:>9.0} {:>9.1}",
            mebibytes / SHRINK,
            run.megabits,
            run.megabits / curl,
            run.megabits * 100.0 / f64::from(quality.megabits),
            run.memory
        );
    }
}

fn median(mut runs: Vec<Run>) -> Option<Run> {
    runs.sort_by(|a, b| a.megabits.total_cmp(&b.megabits));
    runs.get(runs.len() / 2).copied()
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "figures to be shown need no more than 53 bits"
)]
fn float(number: u64) -> f64 {
    number as f64
}
