//! The whole program: arguments, log, command, exit code.

use crate::commands::Command;
use crate::error::CliError;
use crate::exit::{self, Code};
use crate::global_options::GlobalOptions;
use crate::log_queue;
use crate::output::{self, Format, LogFormat, NO_JUNIT};
use clap::{CommandFactory, Parser};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const AFTER_HELP: &str = "\
Exit codes:
  0  done (add: the image is cached now, or was already)
  1  failed
  2  usage or configuration
  3  no such image
  4  checksum or size mismatch

An option whose help begins with its name (image_cache_max_size) can also come from the
configuration file, under that name, or from the environment, under that name in capitals
(IMAGE_CACHE_MAX_SIZE). A flag overrides the environment, which overrides the file.";

/// A disk cache for large images, with drivers in WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "image-cache", version, after_help = AFTER_HELP)]
pub struct Arguments {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

/// Runs the program. No code ends the process before everything is dropped.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return show_parse_error(&error).into(),
    };
    log_to_stderr(arguments.global.verbose, arguments.global.log_format);
    let _flushed_at_the_end = log_queue::FlushAtEnd;
    run(&arguments).unwrap_or_else(|error| exit::report(&error)).into()
}

fn run(Arguments { global, command }: &Arguments) -> anyhow::Result<Code> {
    if global.format == Format::Junit && !command.prints_junit() {
        return Err(CliError::Usage(NO_JUNIT.to_owned()).into());
    }
    command.run(global, Arguments::command)
}

/// Prints help, the version, or the fault in the arguments.
fn show_parse_error(error: &clap::Error) -> Code {
    if error.use_stderr() {
        // The message quotes the arguments, which could contain escape sequences for the terminal.
        let text = output::printable(&error.render().to_string());
        let _ = std::io::stderr().write_all(text.as_bytes());
        return Code::Usage;
    }
    if error.print().is_ok() { Code::Done } else { Code::Failed }
}

/// Always logs warnings; `-v` adds what the cache does, `-vv` why.
fn log_to_stderr(verbose: u8, format: LogFormat) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    // Targets are compared by prefix, so this one includes all packages of the project.
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("image_cache", level);
    let queue = log_queue::queue(format);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(move || queue)
        .with_target(false)
        .log_internal_errors(false);
    // It fails only if a subscriber is already set, and no other code sets one.
    let _ = match format {
        LogFormat::Text => {
            let is_terminal = std::io::stderr().is_terminal();
            let ansi = is_terminal && std::env::var_os("NO_COLOR").is_none();
            subscriber.with_ansi(ansi).without_time().finish().with(filter).try_init()
        }
        LogFormat::Json => {
            let json = subscriber.json().flatten_event(true).with_span_list(false);
            json.finish().with(filter).try_init()
        }
    };
}
