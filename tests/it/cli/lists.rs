//! `jobs` and `job`: nothing is missing, nothing breaks the table, and no secret is shown.

use super::fixture::{Fixture, LINK, before, job, many_jobs, one_of_each, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jw_ingest::queue;

/// Names that break what is careless, and how a person sees them.
const NAMES: [(&[u8], &str); 7] = [
    (b"caf\xe9\xff.mp4", r"caf\xe9\xff.mp4"),
    (
        b"two\nlines\tand\x1b[2J.mp4",
        r"two\nlines\tand\u{1b}[2J.mp4",
    ),
    ("Été 北京 👩‍👩‍👧.mp4".as_bytes(), "Été 北京 👩‍👩‍👧.mp4"),
    (&[b'x'; 255], ""),
    (b"-rf.mp4", "-rf.mp4"),
    (b"'\"#?%&\\.mp4", "'\"#?%&\\\\.mp4"),
    (b"a,b|c  d.mp4", "a,b|c  d.mp4"),
];

#[test]
fn every_name_is_one_readable_row_of_the_table() {
    let fixture = Fixture::new();
    let db = fixture.database();
    for (name, _) in NAMES {
        job(&db, &fixture.news(name), &[]);
    }
    let out = fixture.run(&["jobs"]).done();
    let rows: Vec<_> = out
        .lines()
        .skip_while(|line| !line.starts_with("ID"))
        .collect();
    assert_eq!(rows.len(), 1 + NAMES.len(), "{out}");
    let state = rows[0].find("STATE").unwrap();
    for (row, (_, shown)) in rows[1..].iter().zip(NAMES) {
        assert!(row.contains(&format!("  news   {shown}")), "{row}");
        // Aligned by what a terminal shows, not by bytes or characters.
        let column = |until: usize| console::measure_text_width(&row[..until]);
        assert_eq!(column(row.rfind("queued").unwrap()), state, "{row}");
    }
    assert!(!out.contains('\u{1b}'), "{out:?}");
}

#[test]
fn jobs_are_found_by_account_name_key_and_age() {
    let fixture = Fixture::new();
    let db = fixture.database();
    for name in ["Monday.mp4", "tuesday.mp4", "wednesday.mp4"] {
        job(&db, &fixture.news(name.as_bytes()), &[]);
    }
    db.execute_batch(
        "UPDATE jobs SET account = 'other' WHERE id = 3;
         UPDATE jobs SET video_key = 'AbCd1234', state = 'done', step = 'confirm', finished_at = created_at WHERE id = 2;",
    )
    .unwrap();
    let old = format!(
        "UPDATE jobs SET created_at = '{}' WHERE id = 1",
        before(36_000)
    );
    db.execute_batch(&old).unwrap();
    let found = |args: &[&str]| -> Vec<i64> {
        let all = fixture.run(&[&["jobs", "--json"], args].concat()).json();
        all.iter().map(|job| job["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(found(&[]), [1, 2, 3]);
    assert_eq!(found(&["--find", "MONDAY"]), [1]);
    assert_eq!(found(&["--find", "day"]), [1, 2, 3]);
    assert_eq!(found(&["--find", "AbCd1234"]), [2]);
    assert_eq!(found(&["--account", "other"]), [3]);
    assert_eq!(found(&["--account", "other", "--find", "monday"]), [0; 0]);
    assert_eq!(found(&["--since", "150m"]), [2, 3]);
    assert_eq!(fixture.run(&["jobs", "--since", "yesterday"]).code, 2);
}

#[test]
fn json_is_one_object_a_line_with_all_that_is_promised() {
    let fixture = Fixture::new();
    let db = fixture.database();
    for (name, _) in NAMES {
        job(&db, &fixture.news(name), &[]);
    }
    let objects = fixture.run(&["jobs", "--json"]).json();
    assert_eq!(objects.len(), NAMES.len());
    for (object, (name, _)) in objects.iter().zip(NAMES) {
        let object = object.as_object().unwrap();
        for field in [
            "id",
            "watch",
            "path",
            "size",
            "state",
            "step",
            "phase",
            "method",
            "video_key",
            "attempts",
            "last_error",
            "run_at",
            "created_at",
            "finished_at",
            "ingest_id",
            "replaces",
            "waits_for",
            "by_hand",
        ] {
            assert!(object.contains_key(field), "no {field}: {object:?}");
        }
        let path = fixture.news(name);
        if let Some(text) = path.to_str() {
            assert_eq!(object["path"], text);
            assert!(!object.contains_key("path_base64"));
        } else {
            let bytes = STANDARD
                .decode(object["path_base64"].as_str().unwrap())
                .unwrap();
            assert_eq!(bytes, path.as_os_str().as_encoded_bytes());
        }
        let created = object["created_at"].as_str().unwrap();
        assert!(
            created.ends_with('Z') && created.parse::<jiff::Timestamp>().is_ok(),
            "{created}"
        );
    }
}

#[test]
fn each_kind_of_job_is_a_row_that_says_what_it_does() {
    let fixture = Fixture::new();
    one_of_each(&fixture, &fixture.database());
    let out = fixture.run(&["jobs"]).done();
    let cells = |line: &str| {
        let cells = line
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join(" | ")
    };
    let rows: Vec<_> = out.lines().map(cells).collect();
    let expected = [
        "the daemon does not run: nothing moves until it is started",
        "ID | WATCH | FILE | SIZE | STATE | STEP | KEY | ATTEMPTS | WHEN | PROBLEM",
        "1 | news | new.mp4 | 1.2 GB | queued | create | 0 | due",
        r"2 | news | again.mp4 | 1.2 GB | queued | create | 3 | in 5 min | no answer\nfrom the platform",
        "3 | news | up.mp4 | 1.2 GB | running | was at 540.0 MB (45 %) | AbCd1234 | 1 | at the next start",
        "4 | news | sent.mp4 | 1.2 GB | confirming | waiting for ready | AbCd1234 | 1 | in 59 min",
        "5 | news | done.mp4 | 1.2 GB | done | ready | AbCd1234 | 1 | 5 min ago",
        "6 | news | failed.mp4 | 1.2 GB | failed | create | 1 | 5 min ago | it is larger than size-limit",
        "7 | news | cancelled.mp4 | 1.2 GB | cancelled | 0 | 5 min ago",
        "8 | news | changed.mp4 | 1.2 GB | cancelled | 0 | 5 min ago",
        "9 | news | copy.mp4 | 1.2 GB | duplicate | of job 5 | AbCd1234 | 0 | 5 min ago",
    ];
    assert_eq!(rows, expected, "{out}");
    let _daemon = queue::lock(&fixture.path("jobs.db")).unwrap();
    let out = fixture.run(&["jobs"]).done();
    let row = out.lines().find(|line| line.contains("up.mp4")).unwrap();
    assert_eq!(
        cells(row),
        "3 | news | up.mp4 | 1.2 GB | running | 540.0 MB (45 %), 11.0 MB/s, 1 min left | AbCd1234 | 1 | now"
    );
}

#[test]
fn each_kind_of_job_is_told_in_a_sentence() {
    let fixture = Fixture::new();
    one_of_each(&fixture, &fixture.database());
    for (id, sentence) in [
        (
            "1",
            "job 1 waits to be uploaded: it is due, but the daemon does not run",
        ),
        (
            "2",
            r"3 attempts so far; last noted: no answer\nfrom the platform",
        ),
        ("3", "job 3 was being uploaded (540.0 MB, 45 %) when"),
        (
            "4",
            "and waits for `ready`; the platform says `processing`; next check in 59 min",
        ),
        ("5", "job 5 is done: its video is AbCd1234"),
        (
            "6",
            "it is larger than size-limit; after raising size-limit or shrinking the file: `jw-ingest retry 6`",
        ),
        ("7", "job 7 was cancelled at "),
        ("8", "because its file changed"),
        (
            "9",
            "job 9 is a duplicate: the same content is video AbCd1234 of job 5 (",
        ),
        ("9", "; `jw-ingest retry 9` uploads it anyway"),
    ] {
        let out = fixture.run(&["job", id]).done();
        assert!(out.lines().next().unwrap().contains(sentence), "{out}");
    }
}

#[test]
fn an_upload_without_news_does_not_promise_a_time() {
    let fixture = Fixture::new();
    let db = fixture.database();
    one_of_each(&fixture, &db);
    db.execute("UPDATE progress SET updated_at = ?1", [before(185)])
        .unwrap();
    let _daemon = queue::lock(&fixture.path("jobs.db")).unwrap();
    let out = fixture.run(&["jobs"]).done();
    assert!(out.contains("540.0 MB (45 %), no news for 3 min"), "{out}");
}

#[test]
fn a_paused_account_is_one_line_above_and_its_jobs_say_so() {
    let fixture = Fixture::new();
    let db = fixture.database();
    job(&db, &fixture.news(b"a.mp4"), &[]);
    db.execute(
        "INSERT INTO paused_accounts (account, reason, since, probe_at) VALUES ('main', 'the key\nwas refused', ?1, ?2)",
        (before(7300), before(-630)),
    )
    .unwrap();
    let out = fixture.run(&["jobs"]).done();
    let first = out.lines().next().unwrap();
    assert!(first.starts_with("account main is paused since "), "{out}");
    assert!(
        first.contains(r"(2 h ago): the key\nwas refused; next probe "),
        "{out}"
    );
    assert!(
        first.ends_with("(in 10 min); compare key and secret with those of the property"),
        "{out}"
    );
    assert!(out.lines().last().unwrap().ends_with("0  paused"), "{out}");
    let out = fixture.run(&["job", "1"]).done();
    assert!(out.contains("its account main is paused"), "{out}");
    assert!(
        out.contains("  next attempt  when account main works again\n"),
        "{out}"
    );
}

#[test]
fn lists_are_narrowed_by_state_watch_and_number() {
    let fixture = Fixture::new();
    let db = fixture.database();
    one_of_each(&fixture, &db);
    job(
        &db,
        &fixture.path("elsewhere/10.mp4"),
        &[("watch", text("old"))],
    );
    let ids = |arguments: &[&str]| -> Vec<i64> {
        let all = [&["jobs", "--json"], arguments].concat();
        fixture
            .run(&all)
            .json()
            .iter()
            .map(|job| job["id"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(ids(&[]), (1..=10).collect::<Vec<_>>());
    assert_eq!(ids(&["--state", "done", "--state", "failed"]), [5, 6]);
    assert_eq!(ids(&["--watch", "old"]), [10]);
    assert_eq!(ids(&["--limit", "2"]), [9, 10]);
    let ran = fixture.run(&["jobs", "--limit", "2"]);
    assert!(ran.err.contains("only the newest 2 are shown"), "{ran:?}");
    let ran_one = fixture.run(&["jobs", "--limit", "1"]);
    assert!(
        ran_one.err.contains("only the newest job is shown"),
        "{ran_one:?}"
    );
    assert_eq!(
        ran.out.lines().filter(|line| line.contains(".mp4")).count(),
        2,
        "{ran:?}"
    );
    assert!(
        ran.out.contains("/elsewhere/10.mp4"),
        "outside of its folder, the whole path: {ran:?}"
    );
    let ran = fixture.run(&["jobs", "--limit", "10"]);
    assert_eq!(ran.err, "", "all are shown");
    let ran = fixture.run(&["jobs", "--watch", "news-typo"]);
    assert!(ran.err.contains("only: news"), "{ran:?}");
}

#[test]
fn every_word_of_the_column_state_can_be_asked_for() {
    let fixture = Fixture::new();
    let db = fixture.database();
    one_of_each(&fixture, &db);
    db.execute("UPDATE jobs SET held = 1 WHERE id = 6", [])
        .unwrap();
    for (arguments, expected) in [
        (["--state", "queued"].as_slice(), [1, 2, 4].as_slice()),
        (&["--state", "confirming"], &[4]),
        (&["--state", "held"], &[6]),
        (&["--state", "held", "--state", "confirming"], &[4, 6]),
        (&["--state", "failed"], &[6]),
        (&["--state", "seeking-key"], &[]),
    ] {
        let all = [&["jobs", "--json"], arguments].concat();
        let jobs = fixture.run(&all).json();
        let ids: Vec<_> = jobs.iter().map(|job| job["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, expected, "{arguments:?}");
    }
    let out = fixture.run(&["jobs", "--state", "held"]).done();
    assert!(out.contains("  held   waits for you"), "{out}");
}

#[test]
fn without_asking_fifty_are_shown_and_json_gives_all() {
    let fixture = Fixture::new();
    let db = fixture.database();
    many_jobs(&fixture, &db, 60);
    let ran = fixture.run(&["jobs"]);
    assert_eq!(
        ran.out.lines().filter(|line| line.contains(".mp4")).count(),
        50
    );
    assert!(ran.err.contains("--limit"), "{ran:?}");
    assert_eq!(fixture.run(&["jobs", "--json"]).json().len(), 60);
}

#[test]
fn a_job_shows_its_tries_and_never_its_link() {
    let fixture = Fixture::new();
    let db = fixture.database();
    one_of_each(&fixture, &db);
    db.execute_batch(
        "INSERT INTO attempts (job_id, step, method, started_at, ended_at, bytes_sent, outcome, message, request_id) VALUES
         (2, 'create', 's3', '2026-08-22T10:00:00.000Z', '2026-08-22T10:00:01.260Z', 0, 'transient', 'no answer\nat all', 'req-7'),
         (2, 'create', 's3', '2026-08-22T10:01:00.000Z', NULL, 0, NULL, NULL, NULL)",
    )
    .unwrap();
    let out = fixture.run(&["job", "2"]).done();
    assert!(
        out.contains(r"no answer\nat all") && out.contains("1.2 s") && out.contains("req-7"),
        "{out}"
    );
    assert!(out.lines().last().unwrap().ends_with("running"), "{out}");
    let object = fixture.run(&["job", "2", "--json"]).json().remove(0);
    assert_eq!(object["attempts"], 3);
    let tries = object["attempt_list"].as_array().unwrap();
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[0]["message"], "no answer\nat all");
    assert_eq!(tries[1]["outcome"], serde_json::Value::Null);
    // The fixture looks for the link in everything; here that it was there to be found.
    let link: String = db
        .query_row("SELECT link FROM tickets WHERE job_id = 2", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(link, LINK);
}

#[test]
fn an_unknown_job_is_a_failure() {
    let fixture = Fixture::new();
    drop(fixture.database());
    let ran = fixture.run(&["job", "7"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (1, "jw-ingest: there is no job 7\n")
    );
}
