//! Tests of the client of API v1.

mod on_the_wire;
