//! Sidecars on a real disk: each change is reported once.

use std::fs;
use std::path::Path;

use super::support::Bench;
use crate::config::Mode;
use crate::watch::Report;

fn is_told(report: &Report, sidecar: &Path) -> bool {
    matches!(report, Report::Companion { path, .. } if path == sidecar)
}

fn times(bench: &Bench, sidecar: &Path) -> usize {
    let told = |(_, report): &&(_, Report)| is_told(report, sidecar);
    bench.seen.iter().filter(told).count()
}

#[test]
fn each_change_of_a_sidecar_is_told_of_once_by_events_and_by_scans() {
    for mode in [Mode::Events, Mode::Poll] {
        let mut bench = Bench::start_with(
            |watch| {
                watch.watching.mode = mode;
                watch.watching.poll_interval = std::time::Duration::from_millis(200);
            },
            |root| {
                fs::create_dir(root.join("in")).unwrap();
                for name in ["in/early.json", ".hidden.json", "clip.mp4.jw.json"] {
                    fs::write(root.join(name), b"{}").unwrap();
                }
            },
        );
        let (early, late) = (bench.path("in/early.json"), bench.path("late.toml"));
        bench.until("the early one", |report| is_told(report, &early));
        for content in ["", "title = \"one\"", "title = \"other\""] {
            fs::write(&late, content).unwrap();
            bench.until("the late one", |report| is_told(report, &late));
        }
        fs::remove_file(&early).unwrap();
        bench.idle();
        assert_eq!((times(&bench, &early), times(&bench, &late)), (1, 3));
        assert_eq!(bench.all_settled(), 0);
        let told = |(_, report): &&(_, Report)| matches!(report, Report::Companion { .. });
        assert_eq!(bench.seen.iter().filter(told).count(), 4);
    }
}
