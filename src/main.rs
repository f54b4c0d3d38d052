//! The command line's entry.

use std::process::ExitCode;

fn main() -> ExitCode {
    jw_ingest::cli::main()
}
