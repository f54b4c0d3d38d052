//! Tests of the client of API v2.

mod on_the_wire;
mod uploads_on_the_wire;
