//! How things are put to people: names, times, sizes, tables, and the JSON form.
//!
//! Nothing here reads the world: what is shown is passed in, so that a test can say it.

pub mod afterwards;
pub mod cells;
pub mod json;
pub mod notices;
pub mod standing;
pub mod table;
pub mod text;
pub mod time;
