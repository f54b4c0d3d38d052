//! Tests of the limit on bandwidth.

mod on_the_wire;
mod simulation;
