//! The binary: hands its arguments to the library's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    frazil::cli::main()
}
