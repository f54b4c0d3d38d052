//! People who look with Debian's `sqlite3`: while the daemon runs, after it, and after its death.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::queue::{Queue, open};

/// Where the child of a test writes; nothing without it.
const CHILD_WRITES_TO: &str = "JW_INGEST_TEST_DATABASE";
/// Stands for a member of the service's group.
const OPERATORS_GROUP: u32 = 48_734;
const SERVICE_USER: u32 = 48_733;
const OPERATOR: u32 = 48_735;

/// What `sqlite3` answers, as ourselves or as another user of the group.
fn sqlite3(path: &Path, user: Option<u32>, sql: &str) -> String {
    let mut command = if let Some(user) = user {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={user}")]);
        command.args([&format!("--groups={OPERATORS_GROUP}"), "sqlite3"]);
        command
    } else {
        Command::new("sqlite3")
    };
    let output = command
        .args(["-batch", "-readonly", "-cmd", ".timeout 5000"])
        .arg(path)
        .arg(sql)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{user:?} {sql}: {said}"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// This test binary again, as a process that does nothing but write.
fn start_child(path: &Path, user: Option<u32>) -> Child {
    let myself = std::env::current_exe().unwrap();
    let mut command = if let Some(user) = user {
        let mut command = Command::new("setpriv");
        command.args([
            format!("--reuid={user}"),
            format!("--regid={OPERATORS_GROUP}"),
        ]);
        command.arg("--clear-groups").arg(myself);
        command
    } else {
        Command::new(myself)
    };
    let name = "queue::tests::operators::the_child_that_writes_until_it_is_killed";
    let child = command
        .args([
            "--exact",
            name,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD_WRITES_TO, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    child.unwrap()
}

#[test]
#[ignore = "is a child process of other tests"]
fn the_child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_WRITES_TO) else {
        return skip("it is started by other tests");
    };
    let queue = Queue::start(Path::new(&path)).unwrap();
    for n in 0.. {
        let job = file(format!("/w/{n}.mp4"), n);
        queue
            .write_blocking(move |db| enqueue(db, &job, at(n)))
            .unwrap();
        println!("\ncommitted {}", n + 1);
    }
}

/// Kills the child in the middle of its work; answers how many jobs it had committed for sure.
fn kill_after(mut child: Child, jobs: i64) -> i64 {
    let mut committed = 0;
    let output = BufReader::new(child.stdout.take().unwrap());
    for line in output.lines() {
        let Some(count) = line.unwrap().strip_prefix("committed ").map(str::to_owned) else {
            continue;
        };
        committed = count.parse().unwrap();
        if committed == jobs {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(committed >= jobs, "the child ended after {committed}");
    committed
}

#[test]
fn sqlite3_reads_what_a_running_and_a_stopped_daemon_wrote() {
    if !has_program("sqlite3") {
        return skip("there is no sqlite3 on this machine");
    }
    let (_folder, path) = on_disk();
    let queue = Queue::start(&path).unwrap();
    queue
        .write_blocking(|db| Ok(new_job(db, &file("/w/a.mp4", 1), at(0))))
        .unwrap();
    let sql = "SELECT id, path, state, run_at FROM jobs";
    let row = "1|/w/a.mp4|queued|2027-01-15T08:00:00.000Z";
    assert_eq!(sqlite3(&path, None, sql), row);
    // A connection of our own, so that the end of its last one is certain.
    drop(queue);
    drop(open(&path).unwrap());
    assert_eq!(sqlite3(&path, None, sql), row);
    assert_eq!(sqlite3(&path, None, "PRAGMA integrity_check"), "ok");
    for table in [
        "jobs",
        "tickets",
        "attempts",
        "progress",
        "paused_accounts",
        "withdrawals",
        "settling",
    ] {
        sqlite3(&path, None, &format!("SELECT * FROM {table}"));
    }
}

#[test]
fn nothing_that_was_committed_dies_with_the_daemon() {
    let (_folder, path) = on_disk();
    for round in 1..=3 {
        let child = start_child(&path, None);
        let committed = kill_after(child, 40 * round);
        if has_program("sqlite3") {
            let count: i64 = sqlite3(&path, None, "SELECT count(*) FROM jobs")
                .parse()
                .unwrap();
            assert!(count >= committed, "{count} of {committed}");
            assert_eq!(sqlite3(&path, None, "PRAGMA integrity_check"), "ok");
        } else {
            skip("there is no sqlite3 on this machine to look after the kill");
        }
        let db = open(&path).unwrap();
        assert!(number(&db, "SELECT count(*) FROM jobs") >= committed);
        assert_eq!(
            value(&db, "PRAGMA integrity_check"),
            Value::from("ok".to_owned())
        );
    }
}

/// The folder and the group as the service's unit makes them.
fn service_folder() -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = on_disk();
    chown(folder.path(), Some(SERVICE_USER), Some(OPERATORS_GROUP)).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o750)).unwrap();
    (folder, path)
}

/// The test binary where every user can start it; its own folder may be closed to them.
fn others_can_start_us() -> bool {
    let myself = std::env::current_exe().unwrap();
    let tried = Command::new("setpriv")
        .args([
            format!("--reuid={SERVICE_USER}"),
            format!("--regid={OPERATORS_GROUP}"),
        ])
        .args(["--clear-groups", "test", "-x"])
        .arg(myself)
        .status();
    tried.is_ok_and(|status| status.success())
}

#[test]
fn an_operator_who_may_only_read_can_always_look() {
    if !is_root() || !has_program("sqlite3") || !has_program("setpriv") || !others_can_start_us() {
        return skip("it takes root, sqlite3 and setpriv to look as another user");
    }
    let (_folder, path) = service_folder();
    let committed = kill_after(start_child(&path, Some(SERVICE_USER)), 30);
    let sql = "SELECT count(*) FROM jobs";
    let count = |user| sqlite3(&path, user, sql).parse::<i64>().unwrap();
    assert!(count(Some(OPERATOR)) >= committed, "after a kill");
    let mut child = start_child(&path, Some(SERVICE_USER));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("committed")));
    assert!(count(Some(OPERATOR)) >= committed, "while it runs");
    child.kill().unwrap();
    child.wait().unwrap();
    // Opened and closed in order, as by a daemon that stops.
    drop(open(&path).unwrap());
    assert!(count(Some(OPERATOR)) >= committed, "after a stop");
    let stranger = Command::new("setpriv")
        .args(["--reuid=48799", "--regid=48799", "--clear-groups", "cat"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        !stranger.status.success(),
        "no other user may read the upload links"
    );
}

/// What root leaves behind when it runs a command once, the service must still be able to use.
#[test]
fn root_leaves_nothing_that_the_service_cannot_use() {
    use std::os::unix::fs::MetadataExt;
    if !is_root() {
        return skip("it takes root");
    }
    let (folder, path) = service_folder();
    let held = crate::queue::lock(&path).unwrap();
    let mut db = open(&path).unwrap();
    write_now(&mut db, |db| Ok(new_job(db, &file("/w/a.mp4", 1), at(0)))).unwrap();
    drop((db, held));
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        assert_eq!(
            (meta.uid(), meta.gid()),
            (SERVICE_USER, OPERATORS_GROUP),
            "{entry:?}"
        );
        assert_eq!(meta.permissions().mode() & 0o777, 0o640, "{entry:?}");
        files += 1;
    }
    assert_eq!(files, 4, "database, log, shared memory, lock");
}
