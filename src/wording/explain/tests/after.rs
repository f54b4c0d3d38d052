//! What follows an upload: metadata, and what becomes of the file.

use super::*;
use crate::queue::story::{Afterwards, Told};

fn done(story_of: Story) -> String {
    let all = story(&with_job(job(State::Done, Step::Confirm), story_of));
    let about = |line: &&str| {
        ["  metadata ", "  afterwards ", "  note "]
            .iter()
            .any(|what| line.contains(what))
    };
    all.lines().filter(about).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_platform_was_told_beside_the_bytes() {
    let row = Told {
        is_told: true,
        has_sidecar: true,
        due_at: None,
        attempts: 0,
        last_error: None,
        updated_at: Some(ago(500)),
    };
    let with = |metadata| {
        done(Story {
            metadata: Some(metadata),
            ..Story::default()
        })
    };
    let fault = Told {
        attempts: 3,
        last_error: Some("a.json: unknown field \"titel\"; did you mean \"title\"?".to_owned()),
        due_at: Some(ago(-600)),
        ..row.clone()
    };
    let due = Told {
        due_at: Some(ago(-10)),
        ..row.clone()
    };
    let no_sidecar = Told {
        has_sidecar: false,
        ..row.clone()
    };
    let nothing = Told {
        is_told: false,
        ..row.clone()
    };
    let told = [
        ("told", with(row)),
        ("a fault", with(fault)),
        ("compared again", with(due)),
        ("no sidecar", with(no_sidecar)),
        ("nothing was told yet", with(nothing)),
    ];
    insta::assert_snapshot!("metadata", cases(told));
}

#[test]
fn what_becomes_of_the_file() {
    let row = |action: &str| Afterwards {
        action: action.to_owned(),
        due_at: Some(ago(-3600)),
        attempts: 0,
        last_error: None,
        outcome: None,
        done_at: None,
        moved_to: None,
        note: None,
    };
    let with = |afterwards| {
        done(Story {
            afterwards: Some(afterwards),
            ..Story::default()
        })
    };
    let mut told: Vec<_> = [
        "undecided",
        "none",
        "keep",
        "move",
        "trash",
        "delete",
        "failed-dir",
        "back",
        "another",
    ]
    .map(|action| (format!("{action}, planned"), with(row(action))))
    .into();
    let moved = Afterwards {
        due_at: None,
        outcome: Some("moved".to_owned()),
        done_at: Some(ago(100)),
        moved_to: Some(PathBuf::from("/srv/video/up/a.mp4")),
        ..row("move")
    };
    let changed = Afterwards {
        due_at: None,
        outcome: Some("it has changed since it was uploaded, and stays".to_owned()),
        done_at: Some(ago(100)),
        ..row("delete")
    };
    let again = Afterwards {
        attempts: 2,
        outcome: Some("a file of that name is there already".to_owned()),
        note: Some(PathBuf::from("/srv/video/news/a.mp4.failed.txt")),
        ..row("move")
    };
    told.push(("moved".to_owned(), with(moved)));
    told.push(("left alone".to_owned(), with(changed)));
    told.push(("tried again".to_owned(), with(again)));
    insta::assert_snapshot!("afterwards", cases(told));
}
