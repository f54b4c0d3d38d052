//! Keys of videos that came by FTP: found by their looks, and let go of where they are another's.

use super::sent::loss;
use super::*;
use crate::queue::confirm::{self, Facts, Waiting};
use crate::queue::ftp::{self, Seeking};
use crate::queue::sent::{self, Became, Lack, Loss};
use crate::queue::{State, withdraw};

/// A job that was sent by FTP at 5, and has this key since 100.
fn found(db: &Connection, key: &str) -> JobId {
    let id = new_job(db, &file("/w/a.mp4", 1), at(1));
    let lease = take(db, at(2));
    ftp::begins(db, &lease, "why", at(3)).unwrap();
    outcome::begin(db, &lease, Step::Transfer, at(4)).unwrap();
    ftp::gets_its_name(db, &lease, ("a.mp4", Some("aa")), at(5)).unwrap();
    ftp::sent(db, &lease, (at(5), at(6)), (&Report::default(), at(6))).unwrap();
    assert!(ftp::found(db, id, key, at(100)).unwrap());
    id
}

fn waiting(db: &Connection) -> Waiting {
    confirm::waiting(db, "main").unwrap().remove(0)
}

fn seeking(db: &Connection) -> Option<Seeking> {
    ftp::seeking(db, "main", at(9_999), 9).unwrap().pop()
}

fn done(db: &Connection, is_same: bool) {
    let facts = Facts {
        is_same,
        ..Facts::default()
    };
    assert!(confirm::ready(db, &waiting(db), &facts, at(200)).unwrap());
}

fn other_bytes() -> Loss<'static> {
    Loss {
        lack: Lack::OtherBytes,
        ..loss("k1", &[])
    }
}

/// It searches since it was delivered, and takes any key but that one.
fn assert_searches(db: &Connection, id: JobId, let_go_at: Timestamp) {
    let seeking = seeking(db).expect("it searches");
    assert_eq!(
        (seeking.id, seeking.sent_at, seeking.let_go_at),
        (id, at(5), Some(let_go_at))
    );
    assert_eq!(seeking.md5.as_deref(), Some("aa"));
    assert!(!ftp::is_free(db, id, "k1").unwrap());
    assert!(!ftp::found(db, id, "k1", at(400)).unwrap());
    // It may be the video of another file.
    assert!(ftp::is_free(db, JobId(9), "k1").unwrap());
    assert!(ftp::found(db, id, "k2", at(400)).unwrap());
}

#[test]
fn a_wrong_key_is_let_go_of_before_the_job_is_done() {
    let db = table();
    let id = found(&db, "k1");
    let let_go = ftp::let_go(&db, &waiting(&db), ("other bytes", at(300)));
    assert!(let_go.unwrap());
    assert_searches(&db, id, at(300));
}

#[test]
fn a_wrong_key_is_let_go_of_after_the_job_is_done_and_the_file_not_sent_again() {
    let holding = ["news".to_owned()];
    for loss in [other_bytes(), loss("k1", &holding)] {
        let db = table();
        let id = found(&db, "k1");
        done(&db, false);
        assert_eq!(sent::lost(&db, id, &loss, at(300)).unwrap(), Became::Seeks);
        let now = job(&db, id);
        assert_eq!((now.state, now.step), (State::Queued, Step::Confirm));
        assert!(claim::claim(&db, at(9_999), &ANY).unwrap().is_none());
        assert!(withdraw::due(&db, at(9_999)).unwrap().is_none());
        assert_searches(&db, id, at(300));
    }
}

#[test]
fn a_key_that_an_md5_proved_is_the_jobs_and_other_bytes_are_a_loss() {
    let db = table();
    let id = found(&db, "k1");
    done(&db, true);
    assert_eq!(
        sent::lost(&db, id, &other_bytes(), at(300)).unwrap(),
        Became::Queued
    );
    assert!(seeking(&db).is_none());
    assert!(withdraw::due(&db, at(9_999)).unwrap().is_none());
}
