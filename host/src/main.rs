//! The program `image-cache`: the library's operations from a shell.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
