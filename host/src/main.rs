//! The program `image-cache`: the library's operations from a shell, and as a service.

mod cli;
#[cfg(feature = "serve")]
mod serve;

fn main() -> std::process::ExitCode {
    cli::main()
}
