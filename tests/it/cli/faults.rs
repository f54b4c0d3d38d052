//! `check`: all faults at once, one line each, and nothing is changed by looking.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use super::fixture::{Fixture, Ran};

fn check(fixture: &Fixture, arguments: &[&str]) -> Ran {
    fixture.run(&[&["check"], arguments].concat())
}

/// The lines of one grade.
fn lines<'a>(ran: &'a Ran, grade: &str) -> Vec<&'a str> {
    ran.out
        .lines()
        .filter(|line| line.starts_with(grade))
        .collect()
}

#[test]
fn all_is_well_and_nothing_was_made() {
    let fixture = Fixture::new();
    fixture.drop_file(b"a.mp4", b"\x01");
    fixture.drop_file(b"b.mp4", b"\x01");
    fixture.drop_file(b"notes.txt", b"x");
    let ran = check(&fixture, &["--offline"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut ok = lines(&ran, "ok");
    // Whether that one is `ok` or `warn` is up to the machine.
    ok.retain(|line| !line.contains(" network "));
    assert_eq!(ok.len(), 3, "{ran:?}");
    assert!(ran.out.contains("jobs.db does not exist yet"), "{ran:?}");
    assert!(
        ran.out.contains("/news: it takes 2 files, and ignores 1"),
        "{ran:?}"
    );
    let mut left: Vec<_> = fs::read_dir(fixture.path("."))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["daemon.toml", "news", "secret"]);
}

#[test]
fn what_makes_companions_of_all_videos_of_a_kind_is_told() {
    let fixture = Fixture::new();
    let config = fs::read_to_string(fixture.path("daemon.toml")).unwrap();
    let awaited = config.replace("[[watch]]", "[[watch]]\nwait-for = [\"{name}.mpg\"]");
    assert_ne!(awaited, config);
    fs::write(fixture.path("daemon.toml"), awaited).unwrap();
    fixture.drop_file(b"a.mpg", b"x");
    let ran = check(&fixture, &["--offline"]);
    let told = lines(&ran, "warn").concat();
    let expected = "wait-for \"{name}.mpg\" names all files *.mpg: they count as companions";
    assert!(told.contains(expected), "{ran:?}");
}

#[test]
fn a_database_that_exists_is_looked_at_without_a_change() {
    let fixture = Fixture::new();
    drop(fixture.database());
    let before = fs::read(fixture.path("jobs.db")).unwrap();
    assert_eq!(check(&fixture, &["--offline"]).code, 0);
    assert_eq!(fs::read(fixture.path("jobs.db")).unwrap(), before);
    fs::write(
        fixture.path("jobs.db"),
        "no database at all, but a text\n".repeat(99),
    )
    .unwrap();
    let ran = check(&fixture, &["--offline"]);
    assert_eq!(ran.code, 78);
    assert!(
        lines(&ran, "FAIL")[0].contains("is damaged or is not a SQLite database"),
        "{ran:?}"
    );
}

#[test]
fn every_fault_is_told_at_once() {
    let fixture = Fixture::new();
    fs::set_permissions(fixture.path("secret"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(
        fixture.path("jobs.db"),
        "no database at all, but a text\n".repeat(99),
    )
    .unwrap();
    fixture.configure("[[watch]]\nname = \"sport\"\npath = \"{dir}/missing\"\n");
    let ran = check(&fixture, &[]);
    assert_eq!(ran.code, 78, "{ran:?}");
    let failures = lines(&ran, "FAIL").join("\n");
    for fault in [
        "secret",
        "missing does not exist",
        "is damaged or is not a SQLite database",
    ] {
        assert!(failures.contains(fault), "no {fault:?}: {ran:?}");
    }
    assert_eq!(lines(&ran, "FAIL").len(), 3, "{ran:?}");
    assert!(
        lines(&ran, "ok")
            .iter()
            .any(|line| line.contains("watch news")),
        "{ran:?}"
    );
    assert!(lines(&ran, "warn")[0].contains("credentials"), "{ran:?}");
}

#[test]
fn a_file_that_is_no_configuration_is_told_with_its_line() {
    let fixture = Fixture::new();
    fixture.configure("setle = \"1s\"\n");
    let ran = check(&fixture, &[]);
    assert_eq!(ran.code, 78);
    let failures = lines(&ran, "FAIL");
    assert!(
        failures[0].contains("daemon.toml:") && failures[0].contains("settle"),
        "{ran:?}"
    );
}

#[test]
fn an_unreachable_platform_is_a_warning() {
    let fixture = Fixture::new();
    // Port 9 (discard) has no listener.
    let ran = check(&fixture, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let warnings = lines(&ran, "warn");
    assert!(
        warnings[0].contains("account main") && warnings[0].contains("cannot reach"),
        "{ran:?}"
    );
}

#[test]
fn what_the_service_may_not_read_is_told() {
    let fixture = Fixture::new();
    let closed = fixture.drop_file(b"a.mp4", b"\x01");
    fixture.drop_file(b"b.mp4", b"\x01");
    fs::create_dir(fixture.news(b"inner")).unwrap();
    fixture.open_to_readers();
    for path in [&closed, &fixture.news(b"inner")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let ran = fixture.run_as_reader(&["check", "--offline"]);
    assert!(
        lines(&ran, "warn").iter().any(
            |line| line.contains("one file cannot be read, ") && line.contains("/news/a.mp4: ")
        ),
        "{ran:?}"
    );
    assert!(
        lines(&ran, "FAIL")
            .iter()
            .any(|line| line.contains("/news/inner: Permission denied")),
        "{ran:?}"
    );
    fs::set_permissions(fixture.news(b"inner"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_wrong_base_url_is_hinted_at() {
    let page = "<!DOCTYPE html><html>Not here</html>";
    let (ran, _) = check_against(&format!(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    ));
    assert!(ran.out.contains("; does base-url end in /v1?"), "{ran:?}");
}

/// Runs `check` against a server that gives this answer; also the request that it got.
fn check_against(answer: &str) -> (Ran, String) {
    let fixture = Fixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let text = fs::read_to_string(fixture.path("daemon.toml")).unwrap();
    fs::write(
        fixture.path("daemon.toml"),
        text.replace("127.0.0.1:9", &address.to_string()),
    )
    .unwrap();
    let answer = answer.to_owned();
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = connection.read(&mut request).unwrap();
        connection.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let ran = check(&fixture, &[]);
    (ran, server.join().unwrap())
}

#[test]
fn a_refused_key_is_a_failure() {
    let body = r#"{"status":"error","code":"ApiKeyInvalid","title":"Invalid key","message":"No such key."}"#;
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (ran, request) = check_against(&(head + body));
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(lines(&ran, "FAIL")[0].contains("No such key"), "{ran:?}");
    assert!(
        request.contains("/videos/list"),
        "a harmless call: {request}"
    );
}
