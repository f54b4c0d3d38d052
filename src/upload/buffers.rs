//! Buffers for frames that come back once the socket and the hash thread are done with them.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// The buffers of one body.
#[derive(Default)]
pub(super) struct Buffers {
    lent: VecDeque<Bytes>,
}

impl Buffers {
    /// A buffer of this length that no one else holds, with anything in it.
    pub(super) fn take(&mut self, length: usize) -> BytesMut {
        match self.lent.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(mut buffer)) if buffer.len() >= length => {
                buffer.truncate(length);
                buffer
            }
            Some(Err(busy)) => {
                self.lent.push_front(busy);
                fresh(length)
            }
            _ => fresh(length),
        }
    }

    /// The buffer as a frame; it is used again when that is dropped.
    pub(super) fn lend(&mut self, buffer: BytesMut) -> Bytes {
        let frame = buffer.freeze();
        if self.lent.len() < MOST_LENT {
            self.lent.push_back(frame.clone());
        }
        frame
    }
}

/// A new buffer that starts on a page: some processors copy a third slower to elsewhere.
fn fresh(length: usize) -> BytesMut {
    let mut buffer = BytesMut::zeroed(length.saturating_add(PAGE));
    buffer.advance(buffer.as_ptr().align_offset(PAGE).min(PAGE));
    buffer.truncate(length);
    buffer
}

const PAGE: usize = 4096;
/// More than the socket and the hash thread hold at once, so that buffers do come back.
const MOST_LENT: usize = 16;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn buffers_are_used_again_and_never_while_somebody_holds_them() {
        let mut buffers = Buffers::default();
        let mut held = VecDeque::new();
        let mut places = HashSet::new();
        for mark in 0..40 {
            // Under a limit frames are shorter, and change with it.
            let length = if mark % 10 == 9 { 100 } else { 9_000 };
            let mut buffer = buffers.take(length);
            assert_eq!(buffer.len(), length);
            buffer.fill(mark);
            places.insert(buffer.as_ptr());
            held.push_back((mark, buffers.lend(buffer)));
            if held.len() > 3 {
                held.pop_front();
            }
            for (mark, frame) in &held {
                assert!(frame.iter().all(|byte| byte == mark), "overwritten");
            }
        }
        assert!(places.len() <= 16, "{} buffers for 40 frames", places.len());
    }
}
