//! The integration tests: one binary, a module per capability, around the real program.

// `cfg(test)` says nothing new to the compiler, and lets clippy see that this is test code.
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod afterwards;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod companions;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod database;
#[cfg(test)]
mod deceive;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod everything;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod ftp;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inodes;
#[cfg(test)]
mod known;
#[cfg(test)]
mod line;
#[cfg(test)]
mod links;
#[cfg(test)]
mod log;
#[cfg(test)]
mod mounts;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod one_daemon;
#[cfg(test)]
mod only_copy;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod order;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod platform_v2;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod real_input;
#[cfg(test)]
mod renames;
#[cfg(test)]
mod replace;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod s3_server;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod status;
#[cfg(test)]
mod support;
#[cfg(test)]
mod symlinks;
#[cfg(test)]
mod untold;
#[cfg(test)]
mod waits;
#[cfg(test)]
mod ways_v2;
#[cfg(test)]
mod writers;
