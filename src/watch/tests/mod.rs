//! Tests of the whole watch on real folders.

mod files;
mod folders;
mod limits;
mod roots;
pub(crate) mod support;
