//! The ways in which people and tools write files, and how often each is taken.

mod append;
mod copy;
mod names;
mod place;
mod record;
mod rewrite;

use super::hand::Hand;
use crate::support::{Site, have};

/// The way whose files go where markers are wanted.
pub(super) const MARKED: &str = "marked";

/// One of them.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) weight: u64,
    pub(super) write: fn(&mut Hand<'_>),
}

const fn way(name: &'static str, weight: u64, write: fn(&mut Hand<'_>)) -> Way {
    Way {
        name,
        weight,
        write,
    }
}

/// All that can be taken on this machine.
pub(super) fn available(site: &Site) -> Vec<Way> {
    let mut ways = vec![
        way("cp", 12, copy::cp),
        way("cp tree", 3, copy::cp_tree),
        way("mv", 5, copy::mv),
        way("mv disk", 2, copy::mv_from_another_disk),
        way("mv folder", 4, names::folder_moved_in),
        way("tar", 3, copy::tar),
        way("like scp", 6, copy::like_scp),
        way("preallocated", 8, place::samba_in_order),
        way("scattered", 6, place::samba_out_of_order),
        way("two writers", 5, place::two_writers),
        way("mmap", 6, place::mapped),
        way("like ffmpeg", 5, record::index_last),
        way("like faststart", 5, record::faststart),
        way("like fragments", 5, record::fragments),
        way("held append", 9, append::held),
        way("quick append", 6, append::closed_quickly),
        way("slow append", 6, append::closed_slowly),
        way("long append", 3, append::closed_for_long),
        way("rewrite", 6, rewrite::truncated_early),
        way("rewrite late", 4, rewrite::truncated_after_upload),
        way("overwrite", 4, rewrite::overwritten_in_place),
        way("part file", 8, names::part_file),
        way("rename over", 5, names::renamed_over),
        way("replace late", 4, names::replaced_after_upload),
        way("renamed late", 3, names::renamed_after_upload),
        way("hard link", 4, names::linked_in),
        way("link unlink", 4, names::linked_and_unlinked),
        way("twins", 5, names::twins),
        way("tmpfile", 6, names::nameless),
        way("editor", 5, names::editor),
        way(MARKED, 6, append::marked),
    ];
    if have("rsync") {
        ways.extend([
            way("rsync", 5, copy::rsync),
            way("rsync in place", 5, copy::rsync_in_place),
            way("rsync delayed", 4, copy::rsync_delayed),
            way("rsync broken", 3, copy::rsync_broken_off),
        ]);
    }
    if copy::has_scp(site) {
        ways.push(way("scp", 4, copy::scp));
    }
    if have("ffmpeg") {
        record::make_master(site);
        ways.extend([
            way("ffmpeg", 2, record::ffmpeg),
            way("ffmpeg faststart", 2, record::ffmpeg_faststart),
            way("ffmpeg fragments", 2, record::ffmpeg_fragments),
        ]);
    }
    ways
}
