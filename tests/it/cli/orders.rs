//! `retry`, `cancel`, `bump` and `add`: what is done, what is refused, and with which code.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};

use jw_ingest::queue;

use super::fixture::{Fixture, before, job, text};

#[test]
fn retry_queues_what_failed_and_refuses_the_rest_one_by_one() {
    let fixture = Fixture::new();
    let db = fixture.database();
    let failed = [("state", text("failed")), ("finished_at", text(&before(9)))];
    job(&db, &fixture.news(b"1.mp4"), &failed);
    job(
        &db,
        &fixture.news(b"2.mp4"),
        &[
            ("state", text("done")),
            ("step", text("confirm")),
            ("video_key", text("AbCd1234")),
            ("finished_at", text(&before(9))),
        ],
    );
    job(&db, &fixture.news(b"3.mp4"), &failed);
    let ran = fixture.run(&["retry", "1", "2", "99", "3"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.out,
        "job 1 is queued again\njob 2: nothing to retry, it is already uploaded\nthere is no job 99\njob 3 is queued again\n"
    );
    assert!(ran.err.contains("the daemon does not run"), "{ran:?}");
    let queued: i64 = db
        .query_row(
            "SELECT count(*) FROM jobs WHERE state = 'queued' AND finished_at IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(queued, 2);
}

#[test]
fn retry_of_all_that_failed_takes_only_those() {
    let fixture = Fixture::new();
    let db = fixture.database();
    assert_eq!(fixture.run(&["retry", "--failed"]).done(), "");
    let ended = ("finished_at", text(&before(9)));
    job(
        &db,
        &fixture.news(b"1.mp4"),
        &[("state", text("failed")), ended.clone()],
    );
    job(
        &db,
        &fixture.news(b"2.mp4"),
        &[("state", text("cancelled")), ended],
    );
    assert_eq!(
        fixture.run(&["retry", "--failed"]).done(),
        "job 1 is queued again\n"
    );
    assert_eq!(
        fixture.run(&["retry", "--failed", "2"]).code,
        2,
        "one or the other"
    );
    let ran = fixture.run(&["retry"]);
    assert_eq!(ran.code, 2, "neither: {ran:?}");
    assert!(
        ran.err.contains("ID") && ran.err.contains("--failed"),
        "{ran:?}"
    );
}

#[test]
fn hints_are_given_only_where_they_are_true() {
    let fixture = Fixture::new();
    let db = fixture.database();
    let running = [
        ("state", text("running")),
        ("step", text("transfer")),
        ("video_key", text("AbCd1234")),
        ("lease_id", text("x")),
        ("lease_until", text(&before(-60))),
    ];
    job(&db, &fixture.news(b"1.mp4"), &running);
    let ran = fixture.run(&["retry", "99"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "nothing was done");
    let ran = fixture.run(&["add", "news/missing.mp4"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "nothing was done");
    let ran = fixture.run(&["retry", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out,
        "job 1 was in progress when the daemon was killed, and resumes at the next start\n"
    );
    let _daemon = queue::lock(&fixture.path("jobs.db")).unwrap();
    let ran = fixture.run(&["retry", "1"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (1, "job 1 is already running\n", "")
    );
}

#[test]
fn a_mere_reader_is_told_as_whom_to_give_orders() {
    let fixture = Fixture::new();
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Another user than the owner is needed, and only root can become another user.
        return;
    }
    let db = fixture.database();
    job(&db, &fixture.news(b"1.mp4"), &[]);
    fixture.open_to_readers();
    let orders = [
        &["retry", "1"][..],
        &["cancel", "1"],
        &["bump", "1"],
        &["add", "a b.mp4"],
    ];
    for order in orders {
        let ran = fixture.run_as_reader(order);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        let told = "jw-ingest: you can read the job table but not change it; run this as the \
                    daemon's user: runuser -u root -- ";
        assert!(ran.err.starts_with(told), "{ran:?}");
        let last = order.join(" ").replace("a b.mp4", "'a b.mp4'");
        assert!(ran.err.trim_end().ends_with(&last), "{ran:?}");
    }
    assert!(fixture.run_as_reader(&["jobs"]).done().contains("1.mp4"));
}

#[test]
fn cancel_takes_what_is_queued_and_refuses_what_is_up() {
    let fixture = Fixture::new();
    let db = fixture.database();
    job(&db, &fixture.news(b"1.mp4"), &[]);
    job(
        &db,
        &fixture.news(b"2.mp4"),
        &[("step", text("confirm")), ("video_key", text("AbCd1234"))],
    );
    // All of its bytes were sent, and it is not known whether they arrived.
    job(
        &db,
        &fixture.news(b"3.mp4"),
        &[("step", text("transfer")), ("video_key", text("AbCd1235"))],
    );
    db.execute_batch(
        "UPDATE tickets SET last_byte_at = '2026-01-01T00:00:00.000Z' WHERE job_id = 3",
    )
    .unwrap();
    // The platform never said that it failed.
    job(
        &db,
        &fixture.news(b"4.mp4"),
        &[
            ("state", text("failed")),
            ("step", text("confirm")),
            ("status", text("processing")),
            ("video_key", text("AbCd1236")),
            ("finished_at", text(&before(9))),
        ],
    );
    let ran = fixture.run(&["cancel", "1", "2", "3", "4"]);
    assert_eq!(ran.code, 1);
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines[0], "job 1 is cancelled");
    for (line, key) in lines[1..].iter().zip(["AbCd1234", "AbCd1235", "AbCd1236"]) {
        assert!(line.contains(key), "{ran:?}");
        assert!(line.contains("delete video"), "it says what to do: {line}");
    }
    assert_eq!(
        fixture.run(&["cancel", "1"]).code,
        1,
        "it is cancelled already"
    );
}

#[test]
fn bump_takes_what_waits_to_the_front_and_refuses_the_rest_one_by_one() {
    let fixture = Fixture::new();
    let db = fixture.database();
    let key = ("video_key", text("AbCd1234"));
    let ended = ("finished_at", text(&before(9)));
    let lease = [("lease_id", text("x")), ("lease_until", text(&before(-60)))];
    let [id, until] = lease;
    let jobs: [&[(&str, rusqlite::types::Value)]; 6] = [
        &[("run_at", text(&before(-900)))],
        &[("priority", 100.into())],
        &[
            ("state", text("done")),
            ("step", text("confirm")),
            key.clone(),
            ended.clone(),
        ],
        &[("state", text("running")), id, until],
        &[("state", text("failed")), ended],
        &[("step", text("confirm")), key],
    ];
    for (number, columns) in jobs.iter().enumerate() {
        job(
            &db,
            &fixture.news(format!("{number}.mp4").as_bytes()),
            columns,
        );
    }
    let ran = fixture.run(&["bump", "1", "99", "2", "1", "3", "5", "6"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.out,
        "job 1 is at the front now\nthere is no job 99\njob 2 is at the front now\n\
         job 3 is already uploaded\njob 5 failed; `jw-ingest retry 5` queues it again\n\
         job 6 is already uploaded, and waits for `ready`\n"
    );
    assert!(ran.err.contains("the daemon does not run"), "{ran:?}");
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let higher = "SELECT (SELECT priority FROM jobs WHERE id = 1) - (SELECT priority FROM jobs WHERE id = 2)";
    assert!(number(higher) > 0, "the one named first goes first");
    let out = fixture.run(&["jobs", "--state", "queued"]).done();
    let line = |name: &str| out.lines().find(|line| line.contains(name)).unwrap();
    assert!(line("0.mp4").trim_end().ends_with("due"), "{out}");
    assert!(line("1.mp4").trim_end().ends_with("due, 1 ahead"), "{out}");
    // A job that was in progress when the daemon died waits, too.
    let out = fixture.run(&["bump", "4"]).done();
    assert!(out.ends_with("goes first at the next start\n"), "{out}");
    assert!(number("SELECT priority FROM jobs WHERE id = 4") > 1000);
    let _daemon = queue::lock(&fixture.path("jobs.db")).unwrap();
    let ran = fixture.run(&["bump", "4"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (1, "job 4 is already running\n", "")
    );
    assert_eq!(fixture.run(&["bump"]).code, 2, "which job?");
}

#[test]
fn orders_make_no_database() {
    let fixture = Fixture::new();
    for order in ["retry", "cancel", "bump"] {
        let ran = fixture.run(&[order, "1"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains("there is no database"), "{ran:?}");
    }
    assert!(!fixture.path("jobs.db").exists());
}

#[test]
fn add_queues_a_file_once_and_again_only_when_it_failed() {
    let fixture = Fixture::new();
    let file = fixture.drop_file(b"caf\xe9\n.mp4", b"\x01ideo");
    let add = || fixture.run(&["add".as_ref(), file.as_os_str()]);
    let out = add().done();
    assert!(
        out.ends_with("caf\\xe9\\n.mp4: queued as job 1 of watch news\n"),
        "{out}"
    );
    assert!(add().done().ends_with(": is already job 1, queued\n"));
    let db = fixture.database();
    let object = fixture.run(&["jobs", "--json"]).json().remove(0);
    assert_eq!(
        (&object["account"], &object["size"]),
        (&"main".into(), &5.into())
    );
    db.execute("UPDATE jobs SET state = 'failed', finished_at = run_at", [])
        .unwrap();
    assert!(add().done().ends_with(": job 1 is queued again\n"));
    db.execute(
        "UPDATE jobs SET state = 'done', step = 'confirm', video_key = 'AbCd1234', finished_at = run_at",
        [],
    )
    .unwrap();
    assert!(
        add()
            .done()
            .ends_with(": is already uploaded as video AbCd1234 (job 1)\n")
    );
    fs::write(&file, "other content").unwrap();
    assert!(
        add().done().ends_with(": queued as job 2 of watch news\n"),
        "a changed file is another"
    );
}

#[test]
fn add_says_what_it_cannot_take_and_goes_on() {
    let fixture = Fixture::new();
    fixture.drop_file(b"empty.mp4", b"");
    let good = fixture.drop_file(b"good.mp4", b"\x01");
    symlink(&good, fixture.news(b"link.mp4")).unwrap();
    let mut growing = File::create(fixture.news(b"growing.mp4")).unwrap();
    growing.write_all(b"half").unwrap();
    fs::write(fixture.path("outside.mp4"), b"\x01").unwrap();
    let cases = [
        ("news/empty.mp4", "it is empty"),
        (
            "news/link.mp4",
            "it is a symbolic link: name the file that it points to",
        ),
        (
            "news/growing.mp4",
            "it is still being written: a program has it open for writing",
        ),
        ("news", "it is outside"),
        (
            "outside.mp4",
            "it is outside every watch folder; name its watch with --watch: news (",
        ),
        ("missing.mp4", "it cannot be read: No such file"),
    ];
    let mut arguments = vec!["add"];
    arguments.extend(cases.iter().map(|(name, _)| *name));
    arguments.push("news/good.mp4");
    let ran = fixture.run(&arguments);
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    for (line, (name, why)) in lines.iter().zip(cases) {
        if name == "news" {
            assert!(
                line.starts_with("news: not queued: it is not a regular file"),
                "{line}"
            );
            continue;
        }
        assert!(
            line.starts_with(&format!("{name}: not queued: {why}")),
            "{line}"
        );
    }
    assert_eq!(
        lines.last(),
        Some(&"news/good.mp4: queued as job 1 of watch news")
    );
    drop(growing);
    assert_eq!(
        fixture.run(&["add", "news/growing.mp4"]).code,
        0,
        "it is complete now"
    );
}

#[test]
fn add_by_hand_overrules_folder_and_name() {
    let fixture = Fixture::new();
    fixture.drop_file(b"cut-draft.mp4", b"\x01");
    fs::write(fixture.path("-outside.mp4"), b"\x01").unwrap();
    let out = fixture.run(&["add", "news/cut-draft.mp4"]).done();
    assert!(
        out.contains("queued as job 1") && out.contains("*-draft.mp4"),
        "{out}"
    );
    let out = fixture
        .run(&["add", "--watch", "news", "--", "-outside.mp4"])
        .done();
    assert_eq!(out, "-outside.mp4: queued as job 2 of watch news\n");
    let ran = fixture.run(&["add", "--watch", "sport", "--", "-outside.mp4"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err
            .contains("there is no watch \"sport\", only: news ("),
        "{ran:?}"
    );
}
