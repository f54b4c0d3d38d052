//! What the tests of the sections share.

pub(crate) mod fixture;
