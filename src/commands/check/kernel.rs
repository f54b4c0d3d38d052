//! The kernel's limits on announcing changes (inotify). Beyond them, files are still found, but by
//! scans only.

use std::fs;

use super::finding::Finding;

/// Part of the limit that the folders may take: other programs of this user need some, too.
const SHARE: usize = 2;

/// Compares what the folders need with what the kernel gives one user.
pub(super) fn check_kernel(folders: usize, watches: usize) -> Vec<Finding> {
    [
        ("max_user_watches", folders, "one for each folder"),
        ("max_user_instances", watches, "one for each watch"),
    ]
    .into_iter()
    .filter_map(|(name, needed, why)| describe_limit(name, limit(name)?, needed, why))
    .collect()
}

fn describe_limit(name: &str, limit: usize, needed: usize, why: &str) -> Option<Finding> {
    (needed > limit / SHARE).then(|| {
        Finding::warn(
            "inotify",
            format!(
                "{needed} of fs.inotify.{name} = {limit} are needed ({why}); if they run out, \
                 files are found by scans only: set fs.inotify.{name} = {} in /etc/sysctl.d",
                needed.saturating_mul(4)
            ),
        )
    })
}

fn limit(name: &str) -> Option<usize> {
    let text = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_near_is_told_with_a_number_that_will_do() {
        assert!(describe_limit("max_user_watches", 8192, 4096, "").is_none());
        let line = describe_limit("max_user_watches", 8192, 4097, "one for each folder")
            .unwrap()
            .line(0);
        assert!(
            line.starts_with("warn") && line.contains("max_user_watches = 16388"),
            "{line}"
        );
    }
}
