//! Tests of whole transfers against servers that misbehave.

mod interrupted;
pub(super) mod on_the_wire;
