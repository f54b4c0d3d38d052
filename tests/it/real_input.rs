//! Real video files, brought by the tools that people and machines bring them with: bit for bit, once
//! each, and never before they are whole.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Daemon, Dice, Platform, Site, have, pad, wait_for, write_film};

/// More than four gigabits, and more than 2 GiB: where 32 bits end, signed.
const HUGE: u64 = 2_200 * 1024 * 1024;

/// The daemon's promise: resident memory, at any size of the file.
const MOST_KIB: u64 = 64 * 1024;

/// A command that makes a short video of its own; `args` go between picture and file.
fn ffmpeg(seconds: &str, number: u32, args: &[&str], into: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    let picture = format!("testsrc2=size=320x180:rate=25:duration={seconds}");
    command
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args([
            "-f", "lavfi", "-i", &picture, "-c:v", "mpeg4", "-b:v", "400k",
        ])
        .args(["-metadata", &format!("title=Clip {number}")])
        .args(args)
        .arg(into);
    command
}

fn make(number: u32, args: &[&str], into: &Path) {
    succeeds(&mut ffmpeg("3", number, args, into));
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

fn run<I: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = I>) {
    succeeds(Command::new(program).args(args));
}

/// All files are done, each with its key in what `jobs` prints.
fn all_up(platform: &Platform, site: &Site, files: &[PathBuf]) {
    site.wait_done(files.len());
    site.assert_exactly_one_each(platform, files);
    let keys: Vec<String> = platform
        .videos()
        .into_iter()
        .map(|video| video.key)
        .collect();
    let objects = site.objects(&["jobs", "--json"]);
    assert_eq!(objects.len(), files.len(), "{objects:?}");
    for object in objects {
        assert!(
            keys.iter().any(|key| object["video_key"] == **key),
            "{object}"
        );
        assert_eq!(
            (&object["state"], &object["status"]),
            (&"done".into(), &"ready".into())
        );
        assert_eq!(object["platform_size"], object["size"]);
    }
}

fn started() -> (Platform, Site, Daemon) {
    let platform = Platform::start();
    let site = Site::with(&platform, "[upload]\nfiles-at-once = 4\n");
    let daemon = site.start();
    (platform, site, daemon)
}

#[test]
fn each_container_comes_by_another_hand() {
    if !have("ffmpeg") {
        return;
    }
    let (platform, site, daemon) = started();
    let source = |name: &str| site.outside().join(name);
    let target = |name: &str| site.folder().join(name);
    make(1, &["-movflags", "+faststart"], &source("faststart.mp4"));
    make(2, &[], &source("moov-at-end.mp4"));
    make(3, &[], &source("camera.mov"));
    make(4, &[], &source("record.mkv"));
    make(5, &["-f", "mpegts"], &source("stream.ts"));
    run("cp", [source("faststart.mp4"), target("faststart.mp4")]);
    run(
        "cp",
        [
            OsStr::new("-p"),
            source("moov-at-end.mp4").as_os_str(),
            target("moov-at-end.mp4").as_os_str(),
        ],
    );
    run("mv", [source("camera.mov"), target("camera.mov")]);
    fs::hard_link(source("record.mkv"), target("record.mkv")).unwrap();
    // Over a filesystem's border, `mv` is a copy; a name that is taken only once it is renamed too.
    run("cp", [source("stream.ts"), target("stream.ts.part")]);
    run("mv", [target("stream.ts.part"), target("stream.ts")]);
    let names = [
        "faststart.mp4",
        "moov-at-end.mp4",
        "camera.mov",
        "record.mkv",
        "stream.ts",
    ];
    all_up(&platform, &site, &names.map(target));
    let durations = site.objects(&["jobs", "--json"]);
    let told = durations.iter().filter(|job| {
        let path = Path::new(job["path"].as_str().unwrap());
        path.extension() == Some(OsStr::new("mp4"))
            && (job["duration"].as_f64().unwrap() - 3.0).abs() < 0.1
    });
    assert_eq!(
        told.count(),
        2,
        "the platform could read them: {durations:?}"
    );
    drop(daemon);
}

#[test]
fn rsync_in_all_its_ways() {
    if !have("rsync") || !have("ffmpeg") {
        return;
    }
    let (platform, site, daemon) = started();
    let mut files = Vec::new();
    for (number, (name, how)) in [
        ("plain.mp4", "--times"),
        ("inplace.mp4", "--inplace"),
        ("delayed.mp4", "--delay-updates"),
        ("partial.mp4", "--partial-dir=.rsync-partial"),
    ]
    .into_iter()
    .enumerate()
    {
        let source = site.outside().join(name);
        make(u32::try_from(number).unwrap(), &[], &source);
        // Long enough to be in the middle of it for some settle times.
        let mut padded = OpenOptions::new().append(true).open(&source).unwrap();
        // A box of its own: bare random bytes are taken for one of another length now and then.
        padded.write_all(&1_000_008_u32.to_be_bytes()).unwrap();
        padded.write_all(b"free").unwrap();
        padded.write_all(&Dice::new().bytes(1_000_000)).unwrap();
        drop(padded);
        let target = site.folder().join(name);
        run(
            "rsync",
            [
                OsStr::new("--bwlimit=1500"),
                OsStr::new(how),
                source.as_os_str(),
                target.as_os_str(),
            ],
        );
        files.push(target);
    }
    all_up(&platform, &site, &files);
    assert_eq!(
        platform.count("create", "acted"),
        4,
        "nothing of it was begun too early"
    );
    drop(daemon);
}

/// As `scp` over a bad line: the file has its final name, and long pauses.
#[test]
fn a_slow_writer_that_pauses_is_waited_for() {
    let (platform, site, daemon) = started();
    let content = Dice::new().bytes(400_000);
    let path = site.folder().join("slow.mp4");
    let mut file = File::create(&path).unwrap();
    for piece in content.chunks(100_000) {
        file.write_all(piece).unwrap();
        // The pause is what is tested: several settle times without a byte, the file still open.
        std::thread::park_timeout(Duration::from_millis(700));
    }
    let waits: Option<String> = site.value("SELECT waiting_for FROM settling");
    assert!(waits.is_some_and(|why| why.contains("open for writing")));
    assert!(site.jobs().is_empty());
    drop(file);
    all_up(&platform, &site, &[path]);
    drop(daemon);
}

struct Recorder(Child);

impl Drop for Recorder {
    fn drop(&mut self) {
        // It has ended by itself, unless the test failed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn ffmpeg_records_straight_into_the_folder() {
    if !have("ffmpeg") {
        return;
    }
    let (platform, site, daemon) = started();
    let live = site.folder().join("live.ts");
    let late_index = site.folder().join("late-index.mp4");
    let mut recorders =
        [(&live, ["-f", "mpegts"]), (&late_index, ["-f", "mp4"])].map(|(path, form)| {
            let mut command = ffmpeg("2.5", 9, &[], path);
            // In real time, as a camera writes it.
            let args: Vec<_> = command.get_args().map(OsStr::to_owned).collect();
            let (inputs, output) = args.split_at(args.len() - 1);
            command = Command::new("ffmpeg");
            command
                .arg("-re")
                .args(inputs)
                .args(form)
                .args(output)
                .stderr(Stdio::null());
            Recorder(command.spawn().unwrap())
        });
    wait_for("both to be seen while they are written", || {
        (site.value::<i64>("SELECT count(*) FROM settling")? == 2).then_some(())
    });
    for recorder in &mut recorders {
        assert!(recorder.0.try_wait().unwrap().is_none(), "still recording");
    }
    assert!(site.jobs().is_empty());
    for recorder in &mut recorders {
        assert!(recorder.0.wait().unwrap().success());
    }
    all_up(&platform, &site, &[live, late_index]);
    assert_eq!(platform.count("create", "acted"), 2);
    drop(daemon);
}

fn peak_kib(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn more_than_two_gibibytes_in_little_memory() {
    let (platform, site, daemon) = started();
    let source = site.outside().join("feature.mp4");
    if have("ffmpeg") {
        make(7, &["-movflags", "+faststart"], &source);
    } else {
        write_film(&source, 100_000);
    }
    // Padded, and its last bytes are its own: a file that is cut short is not the same.
    pad(&source, HUGE);
    let file = OpenOptions::new().write(true).open(&source).unwrap();
    file.write_all_at(&Dice::new().bytes(1000), HUGE - 1000)
        .unwrap();
    drop(file);
    let target = site.folder().join("feature.mp4");
    fs::rename(&source, &target).unwrap();
    // Each may take its time where the disk is slow.
    platform.wait("s3-put", "arrived", 1);
    platform.wait("s3-put", "acted", 1);
    all_up(&platform, &site, &[target]);
    let peak = peak_kib(&daemon);
    println!("peak of resident memory: {peak} KiB");
    assert!(peak < MOST_KIB, "{peak} KiB");
    drop(daemon);
}
