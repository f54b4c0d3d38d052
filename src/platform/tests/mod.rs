//! What the tests of both clients, and of uploads, share.

pub(crate) mod stub;
