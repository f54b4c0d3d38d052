//! What a thread has cost: its processor time.

use std::mem::MaybeUninit;
use std::time::Duration;

/// The processor time that this thread has used; zero where the system does not say.
#[expect(
    unsafe_code,
    reason = "the standard library has no clock of processor time"
)]
pub(super) fn of_this_thread() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` is large enough, and read only after the call said that it filled it.
    let time = unsafe {
        if libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) != 0 {
            return Duration::ZERO;
        }
        time.assume_init()
    };
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
