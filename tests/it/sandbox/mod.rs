//! The stand-in of the platform, tried over real sockets: what it does, and above all what it
//! refuses.

mod api;
mod control;
mod faults;
mod fetch;
mod form;
mod resumable;
mod resumable_ops;
mod resumable_wrong;
mod s3;
mod segments;
pub(crate) mod stand;
mod v2;
