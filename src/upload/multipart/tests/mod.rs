//! Tests of uploads in parts.

mod hard_times;
mod harness;
mod host;
mod lists;
mod on_the_wire;
mod resumed;
