//! What an S3 PUT costs the client, beside `curl -T` in the same run.
//!
//! Run it with `cargo bench --bench put`. It makes a file in memory, starts a sink on the loopback
//! that reads and drops, and lets each client send the file several times, in turns, as a child
//! process whose CPU time alone is counted. Ratios hold from machine to machine; seconds do not.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot run says so and ends"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jw_ingest::platform::Link;
use jw_ingest::upload::{self, Order, RESPONSE_TIMEOUT, Seen, Throttle};
use jw_ingest::way::Way;
use tokio_util::sync::CancellationToken;

const GIB: u64 = 1 << 30;
/// Without optimisation it only shows that it runs.
const SIZE: u64 = if cfg!(debug_assertions) {
    GIB / 64
} else {
    GIB
};
const ROUNDS: usize = 5;
const MODES: [&str; 4] = ["curl", "s3", "s3-md5", "form-md5"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, mode, url, file] = arguments.as_slice()
        && role == "client"
    {
        return send(mode, url, Path::new(file));
    }
    if Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        println!("SKIPPED: there is no curl here to compare with");
        return;
    }
    compare();
}

fn compare() {
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() {
        folder.to_owned()
    } else {
        std::env::temp_dir()
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).expect("a temporary file");
    fill(file.as_file_mut());
    let url = sink();
    let mut runs: Vec<Vec<Run>> = MODES.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (mode, runs) in MODES.iter().zip(&mut runs) {
            runs.push(run(mode, &url, file.path()));
        }
    }
    let medians: Vec<Run> = runs.into_iter().map(median).collect();
    let curl = *medians.first().expect("curl ran");
    println!(
        "{:9} {:>10} {:>11} {:>7} {:>7}",
        "client", "CPU s/GiB", "wall s/GiB", "CPU x", "wall x"
    );
    for (mode, run) in MODES.iter().zip(medians) {
        println!(
            "{mode:9} {:>10.3} {:>11.3} {:>7.2} {:>7.2}",
            run.cpu,
            run.wall,
            run.cpu / curl.cpu,
            run.wall / curl.wall
        );
    }
}

/// Seconds for each GiB.
#[derive(Clone, Copy)]
struct Run {
    cpu: f64,
    wall: f64,
}

fn median(mut runs: Vec<Run>) -> Run {
    let middle = runs.len() / 2;
    runs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    let cpu = runs.get(middle).expect("at least one run").cpu;
    runs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    Run {
        cpu,
        wall: runs.get(middle).expect("at least one run").wall,
    }
}

fn run(mode: &str, url: &str, file: &Path) -> Run {
    let mut command = if mode == "curl" {
        let mut curl = Command::new("curl");
        // Without `Expect`, which would make it wait a second for a word the sink never says.
        curl.args([
            "-sS",
            "--noproxy",
            "*",
            "-H",
            "Expect:",
            "-o",
            "/dev/null",
            "-T",
        ])
        .arg(file)
        .arg(url);
        curl
    } else {
        let mut client = Command::new(std::env::current_exe().expect("its own path"));
        client.args(["client", mode, url]).arg(file);
        client
    };
    let before = cpu_of_children();
    let started = Instant::now();
    let status = command.status().expect("the client starts");
    let wall = started.elapsed().as_secs_f64();
    assert!(status.success(), "{mode} failed");
    Run {
        cpu: scaled(cpu_of_children() - before),
        wall: scaled(wall),
    }
}

fn scaled(seconds: f64) -> f64 {
    if SIZE == GIB { seconds } else { seconds * 64.0 }
}

/// The client: this program's own upload, and nothing else.
fn send(mode: &str, url: &str, path: &Path) {
    let file = File::open(path).expect("the file opens");
    let order = Order {
        seen: Seen::now(&file).expect("the file is there"),
        file,
        size: SIZE,
        link: Link::restore(&format!("- {url}")).expect("a link"),
        name: "bench.mp4".to_owned(),
        progress: Arc::default(),
        throttle: Throttle::default(),
        stall_timeout: Duration::from_mins(1),
        response_timeout: RESPONSE_TIMEOUT,
        hash: mode.ends_with("md5"),
        before_last_byte: Box::new(|_| Ok(())),
        segment_size: upload::SEGMENT_SIZE,
        on_confirmed: Box::new(|_| Ok(())),
    };
    let method = if mode.starts_with("form") {
        Way::Form
    } else {
        Way::S3
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let sent =
        runtime
            .expect("a runtime")
            .block_on(upload::send(method, order, CancellationToken::new()));
    assert_eq!(sent.expect("the upload succeeds").bytes, SIZE);
}

fn fill(file: &mut File) {
    let block: Vec<u8> = (0..=255_u8).cycle().take(1 << 20).collect();
    for _ in 0..SIZE >> 20 {
        file.write_all(&block).expect("room for the file");
    }
}

/// Reads requests and drops them, and answers each with success.
fn sink() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || drain(stream));
        }
    });
    format!("http://{address}/sink")
}

fn drain(stream: TcpStream) {
    let mut stream = BufReader::with_capacity(1 << 20, stream);
    let mut left = 0;
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            left = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut buffer = vec![0; 1 << 20];
    let mut body = stream.by_ref().take(left);
    while body.read(&mut buffer).is_ok_and(|read| read > 0) {}
    // What S3 and the form host must say to be believed; the sink makes no checksum of its own.
    let body = format!("{{\"status\":\"ok\",\"file\":{{\"size\":{SIZE}}}}}");
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nETag: \"sink\"\r\nContent-Length: {length}\r\n\r\n{body}");
    // The client's own error says if it went away.
    stream.get_mut().write_all(answer.as_bytes()).ok();
}

#[expect(
    unsafe_code,
    reason = "no safe crate reports the CPU time of child processes"
)]
fn cpu_of_children() -> f64 {
    // SAFETY: `rusage` is plain old data, and the call only writes into it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(
            libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage),
            0,
            "getrusage"
        );
        usage
    };
    [usage.ru_utime, usage.ru_stime].iter().map(seconds).sum()
}

fn seconds(time: &libc::timeval) -> f64 {
    let whole = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    (Duration::from_secs(whole) + Duration::from_micros(micros)).as_secs_f64()
}
