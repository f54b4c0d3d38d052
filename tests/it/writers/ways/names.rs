//! Writers that play with names: renames, links, files without a name.

use std::fs::{self, File};
use std::io::Write;
use std::time::Instant;

use super::super::hand::{Hand, Left, rest};
use super::super::system;

/// Under a partial name first; as browsers and clients do.
pub(super) fn part_file(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let ending = [".part", ".tmp", ".filepart", ".crdownload"][hand.index(4)];
    let part = path.with_added_extension(&ending[1..]);
    let mut file = File::create(&part).unwrap();
    for piece in hand.pieces(&bytes, 2) {
        file.write_all(piece).unwrap();
        hand.pause(150);
    }
    drop(file);
    hand.pause(50);
    fs::rename(&part, &path).unwrap();
    hand.finished(&path);
}

/// A file that is there gets another one in its place, soon.
pub(super) fn renamed_over(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let new = hand.original(kind);
    let since = Instant::now();
    fs::write(&path, bytes).unwrap();
    let left = Left::alone(&path, since);
    hand.pause(80);
    fs::rename(&new, &path).unwrap();
    hand.back(left);
    hand.finished(&path);
}

/// The same once the first one is uploaded; the other one is beside it, hidden, before.
pub(super) fn replaced_after_upload(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (first, second, path) = (hand.video(kind), hand.video(kind), hand.target(kind));
    fs::write(&path, first).unwrap();
    hand.finished(&path);
    hand.uploaded(&path);
    let new = hand.folder().join(format!(".{}", hand.name("", kind)));
    fs::write(&new, second).unwrap();
    hand.pause(200);
    fs::rename(&new, &path).unwrap();
    hand.finished(&path);
}

/// A file that is uploaded gets another name: no other video for that.
pub(super) fn renamed_after_upload(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    fs::write(&path, bytes).unwrap();
    hand.uploaded(&path);
    let other = hand.folder().join(hand.name("-b", kind));
    fs::rename(&path, &other).unwrap();
    hand.finished(&other);
}

/// A second name of a file that is elsewhere.
pub(super) fn linked_in(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (from, to) = (hand.original(kind), hand.target(kind));
    hand.pause(50);
    fs::hard_link(&from, &to).unwrap();
    hand.finished(&to);
}

/// What programs do that must not replace a file by a rename: a link, then the old name goes.
pub(super) fn linked_and_unlinked(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let hidden = hand.folder().join(format!(".{}", hand.name("", kind)));
    fs::write(&hidden, bytes).unwrap();
    hand.pause(100);
    fs::hard_link(&hidden, &path).unwrap();
    hand.pause(100);
    fs::remove_file(&hidden).unwrap();
    hand.finished(&path);
}

/// Two names in the folder, or two copies: one content, one video, whenever the second one comes.
pub(super) fn twins(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    fs::write(&path, &bytes).unwrap();
    hand.finished(&path);
    if hand.dice.below(2) == 0 {
        hand.uploaded(&path);
    } else {
        hand.pause(200);
    }
    let other = hand.folder().join(hand.name("-b", kind));
    if hand.dice.below(2) == 0 {
        fs::hard_link(&path, &other).unwrap();
    } else {
        fs::write(&other, &bytes).unwrap();
    }
}

/// Without a name at first; it may get one before all is written.
pub(super) fn nameless(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let mut file = system::nameless(hand.folder());
    let named = hand.index(3);
    for (number, piece) in hand.pieces(&bytes, 2).into_iter().enumerate() {
        if number == named {
            system::name(&file, &path);
        }
        file.write_all(piece).unwrap();
        hand.pause(250);
    }
    if named == 2 {
        system::name(&file, &path);
    }
    rest(hand.moment(50));
    drop(file);
    hand.finished(&path);
}

/// Saving as editors do: the new content beside it, the old one renamed to a backup, the new one
/// renamed into its place. Twice, the first time early or late.
pub(super) fn editor(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let (bytes, path) = (hand.video(kind), hand.target(kind));
    let since = Instant::now();
    fs::write(&path, bytes).unwrap();
    let mut left = Some(Left::alone(&path, since));
    if hand.dice.below(2) == 0 {
        hand.finished(&path);
        hand.uploaded(&path);
        left = None;
    }
    let new = hand.folder().join(format!(".#{}", hand.name("", kind)));
    let content = hand.video(kind);
    let mut file = File::create(&new).unwrap();
    file.write_all(&content).unwrap();
    file.sync_all().unwrap();
    drop(file);
    let backup = hand.folder().join(format!("{}~", hand.name("", kind)));
    fs::rename(&path, &backup).unwrap();
    if let Some(left) = left {
        hand.back(left);
    }
    hand.pause(20);
    fs::rename(&new, &path).unwrap();
    hand.finished(&path);
}

/// A folder that was filled elsewhere.
pub(super) fn folder_moved_in(hand: &mut Hand<'_>) {
    let kind = hand.any();
    let folder = hand.outside("album");
    fs::create_dir_all(folder.join("in/side")).unwrap();
    let names = ["a", "b"].map(|more| format!("in/side/{}", hand.name(more, kind)));
    for name in &names {
        let bytes = hand.video(kind);
        fs::write(folder.join(name), bytes).unwrap();
    }
    let to = hand.folder().join(format!("album {}", hand.name("", kind)));
    fs::rename(&folder, &to).unwrap();
    for name in &names {
        hand.finished(&to.join(name));
    }
}
