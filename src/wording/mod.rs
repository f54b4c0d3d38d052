//! How things are put to people: where a job stands, why a file waits, names, times, sizes, and the JSON form.
//!
//! Commands, and all else that speaks to people, take their words from here. Only [`explain`] looks at the world; all
//! else is passed in, so that a test can say it.

pub(crate) mod afterwards;
pub(crate) mod cells;
pub(crate) mod explain;
pub(crate) mod json;
pub(crate) mod notices;
pub(crate) mod overview;
pub(crate) mod standing;
pub(crate) mod text;
pub(crate) mod time;
