//! The command line's grammar: commands, flags, and their help.

use super::output::{Format, LogFormat};
use bytesize::ByteSize;
use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand};
use image_cache::{ConfigOption, Grant, ImageId};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  done (add: the image is cached now, or was already)
  1  failed
  2  usage or configuration
  3  no such image
  4  checksum or size mismatch

Each option can also come from the configuration file, under its own name, or from the
environment, in capitals: IMAGE_CACHE_DIR, IMAGE_CACHE_DRIVER, IMAGE_CACHE_MAX_SIZE,
IMAGE_CACHE_STALL_TIME, IMAGE_CACHE_SQLITE_DB, IMAGE_CACHE_HIT_DELAY,
IMAGE_CACHE_MIN_FREE, IMAGE_CACHE_HARD_LIMIT, IMAGE_CACHE_VERIFY_READS,
IMAGE_CACHE_DURABILITY, IMAGE_CACHE_OTHER_WRITER, IMAGE_CACHE_OTHER_WRITER_PATIENCE,
IMAGE_CACHE_FETCH_TO_END. A flag beats the environment, which beats the file.";

const VERIFY_ANSWER: &str = "\
Each image is `verified`, `corrupt` (it was moved to invalid/), `missing` or `failed` (it cannot be read).
On what `verified` rests:
  fetched    its digests were made when it was fetched and verified
  checksum   it had none, and agreed with the checksum in its record
  first-use  it had neither; it is held against what it was when it was first used

With --format json: {verified, corrupt, missing, failed, bytes, images: [{image_id, result, size, trust, reason}]}.
The exit code is 4 where an image is corrupt, else 1 where one failed, else 3 where one is missing.";

/// A disk cache for large images, with drivers in WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "image-cache", version, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Configuration: TOML, or an oslo.config file such as glance-api.conf
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// image_cache_dir: the cache directory, made where it is missing
    #[arg(long, value_name = "DIR", global = true)]
    cache_dir: Option<OsString>,
    /// image_cache_driver: sqlite, xattr, a name from [drivers.NAME], or a component's path [default: sqlite]
    #[arg(long, value_name = "NAME", global = true)]
    driver: Option<OsString>,
    /// image_cache_max_size: above it prune evicts; bytes, or with a unit [default: 10 GiB]
    #[arg(long, value_name = "SIZE", global = true, allow_negative_numbers = true)]
    max_size: Option<OsString>,
    /// image_cache_stall_time: after it an incomplete file is stalled; seconds, or with a unit [default: 24h]
    #[arg(long, value_name = "TIME", global = true, allow_negative_numbers = true)]
    stall_time: Option<OsString>,
    /// image_cache_sqlite_db: the sqlite driver's database inside the cache directory [default: cache.db]
    #[arg(long, value_name = "PATH", global = true)]
    sqlite_db: Option<OsString>,
    /// image_cache_hit_delay: how long hits may be gathered; seconds, or with a unit [default: 0]
    #[arg(long, value_name = "TIME", global = true, allow_negative_numbers = true)]
    hit_delay: Option<OsString>,
    /// image_cache_min_free: free space that caching must leave; bytes, or with a unit [default: 0]
    #[arg(long, value_name = "SIZE", global = true, allow_negative_numbers = true)]
    min_free: Option<OsString>,
    /// image_cache_max_images: above so many images prune evicts; 0: any number [default: 0]
    #[arg(long, value_name = "NUMBER", global = true, allow_negative_numbers = true)]
    max_images: Option<OsString>,
    /// image_cache_min_free_inodes: free inodes that caching must leave [default: 0]
    #[arg(long, value_name = "NUMBER", global = true, allow_negative_numbers = true)]
    min_free_inodes: Option<OsString>,
    /// image_cache_hard_limit: make room before an image is let in, so that the maximal size and number are never exceeded [default: false]
    #[arg(long, value_name = "true|false", global = true)]
    hard_limit: Option<OsString>,
    /// image_cache_verify_reads: verify what is served before it is served, true or false [default: true]
    #[arg(long, value_name = "true|false", global = true)]
    verify_reads: Option<OsString>,
    /// image_cache_durability: flush images to disk before they count as cached, or only rename them [default: full]
    #[arg(long, value_name = "full|rename-only", global = true)]
    durability: Option<OsString>,
    /// image_cache_other_writer: read along what another process fetches, or fetch past the cache [default: follow]
    #[arg(long, value_name = "follow|pass-through", global = true)]
    other_writer: Option<OsString>,
    /// image_cache_other_writer_patience: without progress for so long, a writer is no longer followed [default: 30s]
    #[arg(long, value_name = "TIME", global = true, allow_negative_numbers = true)]
    other_writer_patience: Option<OsString>,
    /// image_cache_fetch_to_end: a fetch that nobody reads any more goes on [default: false]
    #[arg(long, value_name = "true|false", global = true)]
    fetch_to_end: Option<OsString>,
    /// image_cache_policy_min_age: what was published or read so lately goes only where the size demands it [default: 60s]
    #[arg(long, value_name = "TIME", global = true, allow_negative_numbers = true)]
    policy_min_age: Option<OsString>,
    /// image_cache_policy_may_empty: the driver's own policy may evict more than half of the cache at once [default: false]
    #[arg(long, value_name = "true|false", global = true)]
    policy_may_empty: Option<OsString>,
    /// How answers are printed
    #[arg(
        long,
        value_enum,
        default_value_t = Format::Table,
        value_name = "table|json",
        hide_possible_values = true,
        global = true
    )]
    pub format: Format,
    /// Say more on standard error; twice for still more
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// How standard error tells what happens: text, or json, an object a line with the time
    #[arg(
        long,
        value_enum,
        env = "IMAGE_CACHE_LOG_FORMAT",
        default_value_t = LogFormat::Text,
        value_name = "text|json",
        hide_possible_values = true,
        global = true
    )]
    pub log_format: LogFormat,
}

impl Global {
    /// The options that were given as flags.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, ConfigOption, &OsStr)> {
        [
            ("--cache-dir", ConfigOption::Dir, &self.cache_dir),
            ("--driver", ConfigOption::Driver, &self.driver),
            ("--max-size", ConfigOption::MaxSize, &self.max_size),
            ("--stall-time", ConfigOption::StallTime, &self.stall_time),
            ("--sqlite-db", ConfigOption::SqliteDb, &self.sqlite_db),
            ("--hit-delay", ConfigOption::HitDelay, &self.hit_delay),
            ("--min-free", ConfigOption::MinFree, &self.min_free),
            ("--max-images", ConfigOption::MaxImages, &self.max_images),
            ("--min-free-inodes", ConfigOption::MinFreeInodes, &self.min_free_inodes),
            ("--hard-limit", ConfigOption::HardLimit, &self.hard_limit),
            ("--verify-reads", ConfigOption::VerifyReads, &self.verify_reads),
            ("--durability", ConfigOption::Durability, &self.durability),
            ("--other-writer", ConfigOption::OtherWriter, &self.other_writer),
            (
                "--other-writer-patience",
                ConfigOption::OtherWriterPatience,
                &self.other_writer_patience,
            ),
            ("--fetch-to-end", ConfigOption::FetchToEnd, &self.fetch_to_end),
            ("--policy-min-age", ConfigOption::PolicyMinAge, &self.policy_min_age),
            ("--policy-may-empty", ConfigOption::PolicyMayEmpty, &self.policy_may_empty),
        ]
        .into_iter()
        .filter_map(|(flag, option, value)| Some((flag, option, value.as_deref()?)))
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cache an image
    Add(Add),
    /// Write a cached image to standard output or a file
    Get(Get),
    /// List the cached images
    List,
    /// Show one cached image
    Show {
        /// The image
        id: ImageId,
    },
    /// Images that are wanted
    #[command(subcommand)]
    Queue(Queue),
    /// Remove cached images; what was not there makes the exit code 3, the others are removed all the same
    Delete(Which),
    /// Evict until the cached images have at most image_cache_max_size
    Prune,
    /// Remove what failed or stalled fetches left behind (--stall-time says what is stalled)
    Clean,
    /// Read cached images from end to end and verify them; a damaged one goes to invalid/, and makes the exit code 4
    Verify(Verify),
    /// Show driver, sizes and counts
    Status,
    /// Serve images over HTTP, in front of a Glance API or any server of images
    #[cfg(feature = "serve")]
    Serve(Box<image_cache_serve::Options>),
    /// Fetch what is queued from the upstream, once
    #[cfg(feature = "serve")]
    Prefetch(Box<image_cache_serve::PrefetchOptions>),
    /// Look at drivers, write them, check them
    #[command(subcommand)]
    Driver(Driver),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub struct Add {
    /// The image
    pub id: ImageId,
    /// A file with its bytes, or - for standard input
    pub source: PathBuf,
    /// The MD5 that the bytes must have
    #[arg(long, value_name = "HEX")]
    pub md5: Option<String>,
    /// How many bytes there must be
    #[arg(long, value_name = "BYTES")]
    pub size: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Get {
    /// The image
    pub id: ImageId,
    /// Write into this file instead, all or nothing; - is standard output, even a terminal
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Queue {
    /// Put images into the queue
    Add {
        /// The images, first wanted first
        #[arg(required = true, value_name = "ID")]
        ids: Vec<ImageId>,
    },
    /// List the queue, oldest first
    List,
    /// Take images out of the queue
    Remove(Which),
}

#[derive(Debug, Args)]
#[command(group(ids_or_all()))]
pub struct Which {
    /// The images
    #[arg(value_name = "ID")]
    pub ids: Vec<ImageId>,
    /// All of them; asks first
    #[arg(long)]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = VERIFY_ANSWER, group(ids_or_all()))]
pub struct Verify {
    /// The images
    #[arg(value_name = "ID")]
    pub ids: Vec<ImageId>,
    /// All that are cached
    #[arg(long)]
    pub all: bool,
    /// Read no more than this: bytes a second, or with a unit (100MB/s)
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<u64>,
}

/// Images by their names, or all of them: one of both.
fn ids_or_all() -> ArgGroup {
    ArgGroup::new("which").required(true).args(["ids", "all"])
}

/// Bytes a second.
fn rate(text: &str) -> Result<u64, String> {
    let size = text.trim().strip_suffix("/s").unwrap_or(text).trim();
    let rate = size.parse::<ByteSize>().ok().map(|size| size.as_u64()).filter(|rate| *rate > 0);
    rate.ok_or_else(|| {
        "accepted: more than 0 bytes a second (50000000, \"100MB/s\", \"1 GiB/s\")".into()
    })
}

#[derive(Debug, Subcommand)]
pub enum Driver {
    /// List the built-in and the configured drivers, and whether each would load
    List,
    /// Show a driver's imports, exports, version and size, and whether it would load
    Inspect {
        /// A built-in or configured name, or a component's path
        // Not `driver`: that is the global flag.
        #[arg(value_name = "NAME|FILE")]
        name: String,
    },
    /// Write a crate for a driver into a new folder of its name, with all that it needs but a toolchain
    New {
        /// The crate's name, and the driver's
        name: String,
    },
    /// Compile a driver's crate, and make a component of it
    Build(Build),
    /// Move the records from one driver to another, losing no hit; nobody else may have the cache open
    Migrate {
        /// The driver that has the records: a built-in or configured name, or a component's path
        #[arg(long, value_name = "NAME")]
        from: String,
        /// The driver that is to have them
        #[arg(long, value_name = "NAME")]
        to: String,
    },
    /// Run the conformance suite against a driver, in a directory of its own; exit code 1 if a case fails, and --format junit, too
    Check(Check),
}

#[derive(Debug, Args)]
pub struct Build {
    /// The crate's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Where the component goes [default: NAME.wasm in the crate's folder]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Install a toolchain for WebAssembly where none is found: by rustup, or Debian's packages
    #[arg(long)]
    pub install: bool,
}

#[derive(Debug, Args)]
pub struct Check {
    /// A component's path, or a built-in or configured name
    #[arg(value_name = "NAME|FILE")]
    pub name: String,
    /// Grant this and what other --grant say, nothing else: sql, attributes, files or wasi [default: what the
    /// configuration grants; a file gets what it imports]
    #[arg(long = "grant", value_name = "GRANT")]
    pub grants: Vec<Grant>,
    /// Configure the driver with this, too; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    pub options: Vec<(String, String)>,
    /// Also the cases that hold for drivers which evict the least recently accessed image first
    #[arg(long)]
    pub lru: bool,
}

fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE".to_owned()),
    }
}
