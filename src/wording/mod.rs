//! How things are put to people: where a job stands, why a file waits, names, times, sizes, and the JSON form.
//!
//! Commands, and all else that speaks to people, take their words from here. Only [`explain`] looks at the world; all
//! else is passed in, so that a test can say it.

pub mod afterwards;
pub mod cells;
pub mod explain;
pub mod json;
pub mod notices;
pub mod standing;
pub mod text;
pub mod time;
