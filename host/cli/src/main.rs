//! The program `image-cache`.

use std::process::ExitCode;

fn main() -> ExitCode {
    image_cache_cli::main()
}
