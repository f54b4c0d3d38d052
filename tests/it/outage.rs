//! The platform cannot be reached: files wait without losing attempts, and continue as soon as it
//! can.

use crate::support::{Door, Platform, Site};

const FILES: usize = 5;

#[test]
fn an_outage_costs_no_file_a_try_and_no_file_an_hour() {
    let platform = Platform::start();
    let mut door = Door::before(platform.address());
    // A job that waits for its own next attempt waits longer than this test.
    let site = Site::with(
        &platform,
        "[retry]\nfirst-delay = \"1h\"\nmax-delay = \"1h\"\n",
    );
    let text = std::fs::read_to_string(site.config()).unwrap();
    let shut = text.replace(
        &platform.base_url(),
        &format!("http://{}/v1", door.address()),
    );
    std::fs::write(site.config(), shut).unwrap();

    let files: Vec<_> = (0..FILES)
        .map(|n| site.drop_file(&format!("{n}.mp4"), format!("\u{1}content {n}").as_bytes()))
        .collect();
    let daemon = site.start();
    site.wait_jobs("all to be queued", |jobs| {
        (jobs.len() == FILES
            && site.value::<i64>("SELECT unreachable FROM paused_accounts") == Some(1))
        .then_some(())
    });
    site.wait_jobs("nothing to run", |jobs| {
        jobs.iter().all(|job| job.state == "queued").then_some(())
    });
    assert!(site.jobs().iter().all(|job| job.attempts == 0));
    let tries: Option<i64> = site.value("SELECT count(*) FROM attempts");
    assert!(
        tries.is_some_and(|tries| tries <= 3),
        "as many as ran side by side: {tries:?}"
    );
    assert_eq!(
        site.logged("cannot reach the platform"),
        1,
        "{}",
        site.log()
    );
    let told = site.output(&["jobs"]);
    assert!(told.contains("it resumes by itself"), "{told}");

    door.open();
    site.wait_done(FILES);
    site.assert_exactly_one_each(&platform, &files);
    site.wait_log("account main works again");
    drop(daemon);
}
