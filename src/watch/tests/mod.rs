//! Tests of the whole watch on real folders.

mod companions;
mod evidence;
mod files;
mod folders;
mod known;
mod limits;
mod links;
mod means;
mod mounts;
mod roots;
pub(crate) mod support;
