//! What the tests of the steps share.

pub(crate) mod ground;
