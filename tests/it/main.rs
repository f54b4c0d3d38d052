//! The integration tests: one binary, a module per capability.

// `cfg(test)` says nothing new to the compiler, and lets clippy see that this is test code.
#[cfg(test)]
mod sandbox;
