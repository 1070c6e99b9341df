//! The program `image-cache`: from arguments to library calls to an exit code; what every command goes through.

mod add;
mod args;
mod confirm;
mod driver;
mod exit;
mod get;
mod images;
mod log_queue;
mod output;
mod output_file;
#[cfg(feature = "serve")]
mod panics;
mod progress;
mod queue;
#[cfg(feature = "serve")]
mod serve;
mod upkeep;
mod verify;

use args::{Arguments, Command, Global};
use clap::{CommandFactory, Parser};
use exit::{Code, Failure};
use image_cache::{Config, ConfigError, ConfigLayers, ImageCache};
use output::{Format, LogFormat};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// JUnit's format is for tests.
const NO_JUNIT: &str = "--format junit is for `driver check` alone: give table or json";

/// What a command works with: the configuration, and where its answer goes.
struct Session {
    config: Config,
    format: Format,
}

impl Session {
    fn open(&self) -> Result<ImageCache, image_cache::Error> {
        ImageCache::open(self.config.clone())
    }
}

/// Runs the program; nothing in it ends the process before everything is dropped.
fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            return unparsed(&error).into();
        }
    };
    log_to_stderr(arguments.global.verbose, arguments.global.log_format);
    let _written_at_the_end = log_queue::FlushAtEnd;
    run(&arguments).unwrap_or_else(|error| exit::report(&error)).into()
}

/// Help, the version, or what is wrong with the arguments.
fn unparsed(error: &clap::Error) -> Code {
    if error.use_stderr() {
        // It quotes what was given, which may be meant to steer the terminal.
        let _ =
            std::io::stderr().write_all(output::printable(&error.render().to_string()).as_bytes());
        return Code::Usage;
    }
    if error.print().is_ok() { Code::Done } else { Code::Failed }
}

fn run(arguments: &Arguments) -> anyhow::Result<Code> {
    let global = &arguments.global;
    let is_check = matches!(arguments.command, Command::Driver(args::Driver::Check(_)));
    if global.format == Format::Junit && !is_check {
        return Err(Failure::Usage(NO_JUNIT.to_owned()).into());
    }
    let session = || -> Result<Session, ConfigError> {
        Ok(Session { config: configuration(global, ConfigLayers::new())?, format: global.format })
    };
    #[cfg(feature = "serve")]
    let service = || -> Result<Session, ConfigError> {
        Ok(Session { config: configuration(global, serve::defaults())?, format: global.format })
    };
    match &arguments.command {
        Command::Add(add) => add::add(&session()?, add),
        Command::Get(get) => get::get(&session()?, get),
        Command::List => images::list(&session()?),
        Command::Show { id } => images::show(&session()?, id),
        Command::Queue(command) => queue::queue(&session()?, command),
        Command::Delete(which) => images::delete(&session()?, which),
        Command::Prune => upkeep::prune(&session()?),
        Command::Clean => upkeep::clean(&session()?),
        Command::Verify(which) => verify::verify(&session()?, which),
        Command::Status => upkeep::status(&session()?),
        #[cfg(feature = "serve")]
        Command::Serve(options) => serve::serve(&service()?, options),
        #[cfg(feature = "serve")]
        Command::Prefetch(options) => serve::prefetch(&session()?, options),
        Command::Driver(command) => driver::driver(global, command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "image-cache", &mut script);
            output::print(&script)?;
            Ok(Code::Done)
        }
    }
}

fn configuration(global: &Global, mut layers: ConfigLayers) -> Result<Config, ConfigError> {
    if let Some(path) = &global.config {
        layers = layers.file(path);
    }
    layers = layers.environment(std::env::vars_os());
    for (flag, option, value) in global.options() {
        layers = layers.flag(flag, option, value);
    }
    layers.build()
}

/// Warnings always; `-v` adds what the cache does, `-vv` why.
fn log_to_stderr(verbose: u8, format: LogFormat) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let queue = log_queue::queue(format);
    let filter = tracing_subscriber::EnvFilter::new(format!("warn,image_cache={level}"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || queue.clone())
        .with_target(false)
        .log_internal_errors(false);
    // It fails only where one is set already, and nobody did.
    let _ = match format {
        LogFormat::Text => {
            let is_terminal = std::io::stderr().is_terminal();
            let ansi = is_terminal && std::env::var_os("NO_COLOR").is_none();
            subscriber.with_ansi(ansi).without_time().try_init()
        }
        LogFormat::Json => subscriber.json().flatten_event(true).with_span_list(false).try_init(),
    };
}
