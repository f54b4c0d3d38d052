//! What becomes of files once their jobs have ended: moved, trashed, deleted, kept; notes; and that
//! nothing of it ever loses a file or uploads one again.

mod asked;
mod failures;
mod meanwhile;
mod moves;
mod no_yes;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Dice, Platform, Site, left_out, wait_for};

/// A site whose watch says this.
fn site(platform: &Platform, keys: &str) -> Site {
    let site = Site::with(platform, "");
    configure(&site, platform, keys);
    site
}

fn configure(site: &Site, platform: &Platform, keys: &str) {
    let outside = site.outside();
    let keys = keys.replace("{outside}", &outside.display().to_string());
    let watch = format!(
        "[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\ninclude = [\"*\"]\nexclude = [\"*.json\", \"*.toml\", \"*.ok\"]\n{keys}\n"
    );
    site.configure(platform, &watch);
}

/// What became of a job's file, as the table has it.
fn outcome(site: &Site, job: i64) -> Option<String> {
    site.value(&format!(
        "SELECT outcome FROM afterwards WHERE job_id = {job} AND outcome IS NOT NULL"
    ))
}

fn wait_outcome(site: &Site, job: i64) -> String {
    wait_for("the file to be seen to", || outcome(site, job))
}

fn why_later(site: &Site, job: i64) -> Option<String> {
    site.value(&format!(
        "SELECT last_error FROM afterwards WHERE job_id = {job} AND last_error IS NOT NULL"
    ))
}

fn wait_there(path: &Path) {
    wait_for(&format!("{} to be there", path.display()), || {
        path.exists().then_some(())
    });
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A folder on another filesystem than the site's, where there is one.
fn elsewhere(site: &Site) -> Option<tempfile::TempDir> {
    use std::os::unix::fs::MetadataExt;
    let other = tempfile::tempdir_in("/dev/shm").ok();
    let dev = |path: &Path| fs::metadata(path).unwrap().dev();
    let other = other.filter(|other| dev(other.path()) != dev(site.root()));
    if other.is_none() {
        left_out("there is no second filesystem to move files to");
    }
    other
}

/// The daemon uploads nothing at a further start; the platform has so many videos.
fn nothing_comes_again(site: &Site, platform: &Platform, videos: usize) {
    let jobs = site.jobs().len();
    assert!(
        site.command(&["run", "--until-idle"])
            .status
            .code()
            .is_some(),
        "the daemon ran to its end"
    );
    assert_eq!(site.jobs().len(), jobs, "{:?}", site.jobs());
    assert_eq!(platform.videos().len(), videos);
}

fn dice() -> Dice {
    Dice::new()
}
