//! Tests of what goes along: the sidecar that was read goes, and nothing that took its place or was written since.

use std::ffi::OsStr;
use std::fs;

use super::super::companions::{Companion, examine};
use super::{Place, Trouble, at};
use crate::metadata::sidecar;

fn companions(place: &Place, names: &[&str]) -> Vec<Companion> {
    let (video, to) = (at(&place.at("drop/news.mp4")), at(&place.at("x")));
    let all = names.iter().map(|name| {
        let to = to.beside(OsStr::new(name));
        Companion::new(&video, (OsStr::new(name), to), format!("7-{name}"))
    });
    all.collect()
}

fn told(place: &Place, name: &str) -> Option<String> {
    let file = fs::File::open(place.at(name)).unwrap();
    sidecar::digest_of(OsStr::new(name), &file)
}

#[test]
fn a_sidecar_that_changes_after_it_was_read_stays() {
    for is_replaced in [false, true] {
        for is_deleted in [false, true] {
            let place = Place::new();
            let path = place.file("drop/news.json", r#"{"title": "One"}"#);
            let video = at(&place.at("drop/news.mp4"));
            let mut all = companions(&place, &["news.json"]);
            examine(told(&place, "drop/news.json").as_deref(), &video, &mut all);
            let other = r#"{"title": "Another"}"#;
            if is_replaced {
                let aside = place.file("aside", other);
                fs::rename(aside, &path).unwrap();
            } else {
                fs::write(&path, other).unwrap();
            }
            let companion = all.first().unwrap();
            let stays = if is_deleted {
                companion.with((None, &|| false), |errand| errand.take_away())
            } else {
                companion.with((None, &|| false), |errand| {
                    errand.go(&companion.to).map(drop)
                })
            };
            assert!(matches!(stays, Some(Err(Trouble::Changed))), "{stays:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
            assert!(!place.at("news.json").exists());
        }
    }
}

#[test]
fn a_name_that_is_too_long_for_a_sidecar_hides_no_other() {
    let place = Place::new();
    let stem = "x".repeat(248);
    let (video, sidecar) = (format!("{stem}.mp4"), format!("{stem}.json"));
    place.file(&format!("drop/{sidecar}"), r#"{"title": "One"}"#);
    let names = [format!("{video}.json"), sidecar.clone()];
    let told = told(&place, &format!("drop/{sidecar}"));
    let video = at(&place.at(&format!("drop/{video}")));
    let all = names.iter().map(|name| {
        let name = OsStr::new(name);
        Companion::new(&video, (name, video.beside(name)), "7".to_owned())
    });
    let mut all: Vec<_> = all.collect();
    examine(told.as_deref(), &video, &mut all);
    let may = all.iter().map(|one| one.examined.is_some());
    assert_eq!(may.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn the_one_that_counts_decides_and_one_that_comes_later_stays() {
    let place = Place::new();
    place.file("drop/news.json", r#"{"title": "Shadowed"}"#);
    place.file("drop/news.mp4.toml", "title = \"Counts\"");
    let video = at(&place.at("drop/news.mp4"));
    let names = ["news.json", "news.toml", "news.mp4.json", "news.mp4.toml"];
    let may_go = |digest: Option<String>| {
        let mut all = companions(&place, &names);
        examine(digest.as_deref(), &video, &mut all);
        let may = all.iter().map(|one| one.examined.is_some());
        may.collect::<Vec<_>>()
    };
    let counts = told(&place, "drop/news.mp4.toml");
    assert_eq!(may_go(counts.clone()), [true, false, false, true]);
    let shadowed = told(&place, "drop/news.json");
    assert_eq!(may_go(shadowed), [false; 4]);
    assert_eq!(may_go(None), [false; 4]);
    place.file("drop/news.mp4.json", "{");
    assert_eq!(may_go(counts), [false; 4]);
}
