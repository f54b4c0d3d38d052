//! A format is what the bytes say: what is surely no video is refused in words, and the platform is
//! not asked anything for it.

use std::fs;

use crate::support::{Dice, Platform, Site, Web};

const PAGE: &[u8] = b"<!DOCTYPE html><html><body><h1>403 Forbidden</h1></body></html>\n";

fn watch(keys: &str) -> String {
    format!("[[watch]]\nname = \"drop\"\npath = \"{{folder}}\"\nsettle = \"200ms\"\n{keys}\n")
}

/// How many calls the API got about videos.
fn creations(platform: &Platform) -> u64 {
    platform.count("create", "acted") + platform.count("list", "acted")
}

#[test]
fn what_is_no_video_fails_in_words_before_anything_is_created() {
    let platform = Platform::start();
    let site = Site::with(&platform, &watch(""));
    let daemon = site.start();
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let cases = [
        ("page.mp4", PAGE, "it is a web page"),
        ("lfs.mkv", lfs, "it is a Git LFS pointer"),
        (
            "zip.wmv",
            b"PK\x03\x04\x14\0\0\0\0\0",
            "it is a ZIP archive",
        ),
        ("code.ts", b"export const answer = 42;\n", "it is text"),
        ("zeros.flv", &[0; 700], "it is zeros"),
    ];
    for (name, bytes, _) in cases {
        site.drop_file(name, bytes);
    }
    let jobs = site.wait_jobs("all to fail", |jobs| {
        let failed = jobs.iter().filter(|job| job.state == "failed").count();
        (failed == cases.len()).then(|| jobs.to_vec())
    });
    for (name, _, says) in cases {
        let job = jobs.iter().find(|job| job.path.ends_with(name)).unwrap();
        let said = job.last_error.clone().unwrap();
        assert!(
            said.contains("not a video") && said.contains(says),
            "{name}: {said}"
        );
        assert!(said.contains("preflight = false"), "{said}");
        assert_eq!(job.video_key, None);
        let path = site.folder().join(name);
        let explained = site.output(&["explain", path.to_str().unwrap()]);
        assert!(explained.contains(says), "{explained}");
    }
    assert_eq!((creations(&platform), platform.videos().len()), (0, 0));
    // In its place comes the video.
    let video = site.drop_file("page.mp4", &Dice::new().bytes(3_000));
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[video]);
    drop(daemon);
}

#[test]
fn a_watch_without_preflight_sends_what_it_is_given() {
    let platform = Platform::start();
    let site = Site::with(&platform, &watch("preflight = false"));
    let daemon = site.start();
    let file = site.drop_file("page.mp4", PAGE);
    site.wait_done(1);
    site.assert_exactly_one_each(&platform, &[file]);
    drop(daemon);
}

#[test]
fn an_address_of_a_web_page_is_refused_and_one_of_a_video_is_fetched() {
    let (platform, web) = (Platform::start(), Web::start());
    let site = Site::with(&platform, &watch("allow-private-urls = true"));
    let daemon = site.start();
    web.serve("/watch.html", PAGE);
    web.serve("/video", &Dice::new().bytes(3_000));
    let link = |name: &str, path: &str| {
        let text = format!("{}?Signature=S3CRET\n", web.url(path));
        site.drop_file(name, text.as_bytes());
    };
    link("page.url", "/watch.html");
    let said = site.wait_jobs("the refusal", |jobs| {
        let failed = jobs.iter().find(|job| job.state == "failed")?;
        failed.last_error.clone()
    });
    assert!(said.contains("is a web page (text/html)"), "{said}");
    assert!(
        said.contains("preflight = false") && !said.contains("S3CRET"),
        "{said}"
    );
    assert_eq!((creations(&platform), platform.videos().len()), (0, 0));
    link("video.url", "/video");
    site.wait_done(1);
    assert_eq!(platform.videos().len(), 1);
    assert_eq!(web.requests("GET /watch.html?Signature=S3CRET"), 0);
    // A person may know better.
    drop(daemon);
    site.change(|text| {
        text.replace(
            "allow-private-urls",
            "preflight = false\nallow-private-urls",
        )
    });
    fs::remove_file(site.folder().join("page.url")).unwrap();
    let daemon = site.start();
    link("again.url", "/watch.html");
    site.wait_done(2);
    drop(daemon);
}
