//! The commands on hand-made databases: what they print, and with which code they end.

mod demo;
mod ends;
mod explain;
mod explained;
mod faults;
mod fixture;
mod lists;
mod orders;
mod v2;
mod words;
