//! Tests of resumable uploads.

mod half_truths;
mod hard_times;
mod host;
mod on_the_wire;
