//! Asking the disk without waiting forever: a share whose server is gone blocks every caller.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What `ask` answers, if it does within the limit. Else its thread is left behind, which nothing
/// can wake but the server itself; so this is for commands, which end soon, not for the daemon.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (answer, heard) = mpsc::sync_channel(1);
    let asked = thread::Builder::new()
        .name("patience".to_owned())
        .spawn(move || drop(answer.send(ask())));
    asked.ok()?;
    heard.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_not_waited_for() {
        let (_never, hung) = mpsc::channel::<()>();
        let answer = within(Duration::from_millis(20), move || hung.recv().is_ok());
        assert_eq!(answer, None);
        assert_eq!(within(Duration::from_secs(20), || 7), Some(7));
    }
}
