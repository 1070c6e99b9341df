//! The options of a cache: one table, from which flags, variables, files, help, manuals, checks and defaults are generated.
//!
//! A new option needs an entry here, a field of [`Config`], and the code that uses it. Its key in a file is `image_cache_` and
//! the name of the field.

use super::check;
use super::driver_config::DriverConfig;
use super::fault::Rejected;
use super::given::{self, Given};
use super::option_macro::{OptionDefinition, options};
use super::{CompiledDrivers, Config, Durability, OtherWriter};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const BYTES: &str =
    "0 to 9223372036854775807 bytes, a whole number or with a unit (\"10 GiB\", \"500MB\")";
const COUNT: &str = "a whole number, 0 to 9223372036854775807";
const SWITCH: &str = "true or false";

options! {
    Dir {
        flag: "--cache-dir",
        value_name: "DIR",
        default: "",
        is_of_glance: true,
        help: "The cache directory, which is created if it does not exist",
        details: "A relative path is relative to the current directory.",
        accepted: "the path of a directory",
        field: dir: PathBuf,
        set: (path: impl Into<PathBuf>) => path.into(),
        read: given::path,
        check: check::dir,
    }
    Driver {
        flag: "--driver",
        value_name: "NAME",
        default: "sqlite",
        is_of_glance: true,
        help: "The driver: sqlite, xattr, a name from [drivers.NAME], or a component's path",
        details: "In a TOML file, a component's relative path is relative to the file's directory.",
        accepted: "a built-in name (sqlite, xattr), a name from [drivers.NAME], or the path of a component",
        field: driver: String,
        set: (name: impl Into<String>) => name.into(),
        read: given::string,
        check: check::driver,
    }
    MaxSize {
        flag: "--max-size",
        value_name: "SIZE",
        default: "10 GiB",
        is_of_glance: true,
        help: "The size of all cached images above which `prune` evicts; bytes, or with a unit",
        details: "0 empties the cache.",
        accepted: BYTES,
        field: max_size: u64,
        set: (bytes: u64) => bytes,
        read: given::bytes,
        check: check::bytes,
    }
    StallTime {
        flag: "--stall-time",
        value_name: "TIME",
        default: "24h",
        is_of_glance: true,
        help: "The time after which an incomplete file counts as stalled; seconds, or with a unit",
        details: "`clean` removes stalled files.",
        accepted: "0 s to 1000 years, whole seconds or with a unit (86400, \"24h\")",
        field: stall_time: Duration,
        set: (time: Duration) => time,
        read: given::time,
        check: |time, accepted| check::at_most(time, check::MAX_STALL_TIME, accepted),
    }
    SqliteDb {
        flag: "--sqlite-db",
        value_name: "PATH",
        default: "cache.db",
        is_of_glance: true,
        help: "The database of the sqlite driver, inside the cache directory",
        details: "",
        accepted: "a path inside the cache directory, relative to it, without \"..\", not a name that the cache reserves (\"cache.db\")",
        field: sqlite_db: PathBuf,
        set: (path: impl Into<PathBuf>) => path.into(),
        read: |given: &Given<'_>, accepted| given.text(accepted).map(PathBuf::from),
        check: check::sqlite_db,
    }
    HitDelay {
        flag: "--hit-delay",
        value_name: "TIME",
        default: "0",
        is_of_glance: false,
        help: "How long hits may be collected before they are recorded; seconds, or with a unit",
        details: "`serve` collects hits for `1s` unless this option is set.",
        accepted: "0 s to 1 h, whole seconds or with a unit (1, \"500ms\")",
        field: hit_delay: Duration,
        set: (time: Duration) => time,
        read: given::time,
        check: |time, accepted| check::at_most(time, check::MAX_HIT_DELAY, accepted),
    }
    MinFree {
        flag: "--min-free",
        value_name: "SIZE",
        default: "0",
        is_of_glance: false,
        help: "Free space of the file system that caching must leave; bytes, or with a unit",
        details: "An image that would leave less is served uncached.",
        accepted: BYTES,
        field: min_free: u64,
        set: (bytes: u64) => bytes,
        read: given::bytes,
        check: check::bytes,
    }
    MaxImages {
        flag: "--max-images",
        value_name: "NUMBER",
        default: "0",
        is_of_glance: false,
        help: "The number of cached images above which `prune` evicts; 0: any number",
        details: "With `image_cache_hard_limit` no image is cached above it.",
        accepted: COUNT,
        field: max_images: Option<u64>,
        set: (images: u64) => Some(images),
        read: |given: &Given<'_>, accepted| given::count(given, accepted).map(Some),
        check: check::image_limit,
    }
    MinFreeInodes {
        flag: "--min-free-inodes",
        value_name: "NUMBER",
        default: "0",
        is_of_glance: false,
        help: "Free inodes of the file system that caching must leave",
        details: "An image that would leave fewer is served uncached. Btrfs has no fixed number of inodes, so the option has no effect there.",
        accepted: COUNT,
        field: min_free_inodes: u64,
        set: (inodes: u64) => inodes,
        read: given::count,
        check: check::count,
    }
    HardLimit {
        flag: "--hard-limit",
        value_name: "true|false",
        default: "false",
        is_of_glance: false,
        help: "Make room before an image is cached, so that the limits of size and number are never exceeded",
        details: "Cached images and running fills together then never exceed `image_cache_max_size` and `image_cache_max_images`. An image for which no room can be made is served uncached.",
        accepted: SWITCH,
        field: hard_limit: bool,
        set: (hard: bool) => hard,
        read: given::switch,
    }
    VerifyReads {
        flag: "--verify-reads",
        value_name: "true|false",
        default: "true",
        is_of_glance: false,
        help: "Verify the blocks of a read before they are served",
        details: "",
        accepted: SWITCH,
        field: verify_reads: bool,
        set: (verify: bool) => verify,
        read: given::switch,
    }
    Durability {
        flag: "--durability",
        value_name: "full|rename-only",
        default: "full",
        is_of_glance: false,
        help: "Flush images to disk before they count as cached (full), or only rename them (rename-only)",
        details: "With `full` the image and its directory are flushed. With `rename-only` nothing is flushed, and a power loss can leave torn images.",
        accepted: "full or rename-only",
        field: durability: Durability,
        set: (durability: Durability) => durability,
        read: given::choice,
    }
    OtherWriter {
        flag: "--other-writer",
        value_name: "follow|pass-through",
        default: "follow",
        is_of_glance: false,
        help: "What a reader does if another process is fetching its image: follow that fetch, or fetch without the cache (pass-through)",
        details: "",
        accepted: "follow or pass-through",
        field: other_writer: OtherWriter,
        set: (other_writer: OtherWriter) => other_writer,
        read: given::choice,
    }
    OtherWriterPatience {
        flag: "--other-writer-patience",
        value_name: "TIME",
        default: "30s",
        is_of_glance: false,
        help: "How long another process's fetch may make no progress before its readers stop following it",
        details: "The readers then continue on their own.",
        accepted: "10 ms to 1 h, whole seconds or with a unit (30, \"500ms\")",
        field: other_writer_patience: Duration,
        set: (time: Duration) => time,
        read: given::time,
        check: check::patience,
    }
    FetchToEnd {
        flag: "--fetch-to-end",
        value_name: "true|false",
        default: "false",
        is_of_glance: false,
        help: "Continue a fetch to its end when no reader is left",
        details: "",
        accepted: SWITCH,
        field: fetch_to_end: bool,
        set: (to_end: bool) => to_end,
        read: given::switch,
    }
    PolicyMinAge {
        flag: "--policy-min-age",
        value_name: "TIME",
        default: "60s",
        is_of_glance: false,
        help: "An image that was published or read within this time is evicted only because of the limits, not for the driver's own policy",
        details: "A driver's own policy is, for example, an age limit. The option has no effect if `image_cache_max_size` is 0.",
        accepted: "0 s to 24 h, whole seconds or with a unit (60, \"500ms\")",
        field: policy_min_age: Duration,
        set: (time: Duration) => time,
        read: given::time,
        check: |time, accepted| check::at_most(time, check::MAX_MIN_AGE, accepted),
    }
    PolicyMayEmpty {
        flag: "--policy-may-empty",
        value_name: "true|false",
        default: "false",
        is_of_glance: false,
        help: "Let one `prune` evict more than half of the cache for the driver's own policy",
        details: "",
        accepted: SWITCH,
        field: policy_may_empty: bool,
        set: (may_empty: bool) => may_empty,
        read: given::switch,
    }
    TrustedKeys {
        flag: "--trusted-keys",
        value_name: "KEYS",
        default: "",
        is_of_glance: false,
        help: "The minisign public keys whose signatures `driver add` accepts, separated by commas",
        details: "A key is the second line of a `.pub` file of minisign.",
        accepted: "minisign public keys in Base64, separated by commas",
        field: trusted_keys: String,
        set: (keys: impl Into<String>) => keys.into(),
        read: given::string,
    }
    RequireSignature {
        flag: "--require-signature",
        value_name: "true|false",
        default: "false",
        is_of_glance: false,
        help: "Let `driver add` refuse a component without a signature by a trusted key",
        details: "",
        accepted: SWITCH,
        field: require_signature: bool,
        set: (require: bool) => require,
        read: given::switch,
    }
    CompiledDrivers {
        flag: "--compiled-drivers",
        value_name: "user|none|DIR",
        default: "user",
        is_of_glance: false,
        help: "Where compiled drivers are kept for the next start: in the user's directory, nowhere, or in this one",
        details: "Many caches can share a directory. It must belong to this user or to root, and no other user may be able to write to it; otherwise it is not used, with a warning. It is created if it is missing.",
        accepted: "user, none, or the absolute path of a directory",
        field: compiled_drivers: CompiledDrivers,
        set: (place: CompiledDrivers) => place,
        read: |given: &Given<'_>, accepted| given.os_text(accepted).map(CompiledDrivers::of_text),
        check: check::compiled_drivers,
    }
    SignalHandlers {
        flag: "--signal-handlers",
        value_name: "true|false",
        default: "true",
        is_of_glance: false,
        help: "Let the process handle SIGSEGV, SIGILL and SIGFPE, so that drivers run faster",
        details: "If false, the compiled drivers check each access to their memory, and the process gets no signal handlers. This is for programs that embed the cache and need these signals themselves.",
        accepted: SWITCH,
        field: signal_handlers: bool,
        set: (are_allowed: bool) => are_allowed,
        read: given::switch,
    }
}

impl ConfigOption {
    /// The key in a file.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The environment variable.
    pub fn variable(self) -> String {
        self.name().to_ascii_uppercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_default_is_accepted_and_the_directory_alone_has_none() {
        for option in ConfigOption::ALL {
            let default = option.definition().default;
            let set = option.set(&Given::Text(default.as_ref()), &mut ConfigBuilder::default());
            assert_eq!(set.is_err(), *option == ConfigOption::Dir, "{}", option.name());
        }
    }

    #[test]
    fn names_and_flags_are_unique_and_alike() {
        let names: BTreeSet<_> = ConfigOption::ALL.iter().map(|option| option.name()).collect();
        assert_eq!(names.len(), ConfigOption::ALL.len());
        for option in ConfigOption::ALL.iter().filter(|option| **option != ConfigOption::Dir) {
            let OptionDefinition { name, flag, .. } = option.definition();
            let alike = name.replace("image_cache_", "--").replace('_', "-");
            assert_eq!(*flag, alike, "{name}");
        }
    }
}
