//! The options that a file, the environment and a flag can set, and what each accepts.

use super::fault::{Rejected, quoted};
use super::value::Given;
use super::{ConfigBuilder, check, value};
use std::path::PathBuf;

/// An option that can come from a file, the environment or a flag.
///
/// ```
/// use image_cache_model::ConfigOption;
/// assert_eq!(ConfigOption::MaxSize.name(), "image_cache_max_size");
/// assert_eq!(ConfigOption::MaxSize.variable(), "IMAGE_CACHE_MAX_SIZE");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigOption {
    /// `image_cache_dir`
    Dir,
    /// `image_cache_driver`
    Driver,
    /// `image_cache_max_size`
    MaxSize,
    /// `image_cache_stall_time`
    StallTime,
    /// `image_cache_sqlite_db`
    SqliteDb,
    /// `image_cache_hit_delay`
    HitDelay,
    /// `image_cache_min_free`
    MinFree,
    /// `image_cache_max_images`
    MaxImages,
    /// `image_cache_min_free_inodes`
    MinFreeInodes,
    /// `image_cache_hard_limit`
    HardLimit,
    /// `image_cache_verify_reads`
    VerifyReads,
    /// `image_cache_durability`
    Durability,
    /// `image_cache_other_writer`
    OtherWriter,
    /// `image_cache_other_writer_patience`
    OtherWriterPatience,
    /// `image_cache_fetch_to_end`
    FetchToEnd,
    /// `image_cache_policy_min_age`
    PolicyMinAge,
    /// `image_cache_policy_may_empty`
    PolicyMayEmpty,
}

impl ConfigOption {
    /// Every option, in the order of the documentation.
    pub const ALL: [ConfigOption; 17] = [
        ConfigOption::Dir,
        ConfigOption::Driver,
        ConfigOption::MaxSize,
        ConfigOption::StallTime,
        ConfigOption::SqliteDb,
        ConfigOption::HitDelay,
        ConfigOption::MinFree,
        ConfigOption::MaxImages,
        ConfigOption::MinFreeInodes,
        ConfigOption::HardLimit,
        ConfigOption::VerifyReads,
        ConfigOption::Durability,
        ConfigOption::OtherWriter,
        ConfigOption::OtherWriterPatience,
        ConfigOption::FetchToEnd,
        ConfigOption::PolicyMinAge,
        ConfigOption::PolicyMayEmpty,
    ];

    /// The five that the cache shares with Glance; its files may hold them.
    pub(super) const OF_GLANCE: [ConfigOption; 5] = [
        ConfigOption::Dir,
        ConfigOption::Driver,
        ConfigOption::MaxSize,
        ConfigOption::StallTime,
        ConfigOption::SqliteDb,
    ];

    /// The key in a file.
    pub fn name(self) -> &'static str {
        match self {
            ConfigOption::Dir => "image_cache_dir",
            ConfigOption::Driver => "image_cache_driver",
            ConfigOption::MaxSize => "image_cache_max_size",
            ConfigOption::StallTime => "image_cache_stall_time",
            ConfigOption::SqliteDb => "image_cache_sqlite_db",
            ConfigOption::HitDelay => "image_cache_hit_delay",
            ConfigOption::MinFree => "image_cache_min_free",
            ConfigOption::MaxImages => "image_cache_max_images",
            ConfigOption::MinFreeInodes => "image_cache_min_free_inodes",
            ConfigOption::HardLimit => "image_cache_hard_limit",
            ConfigOption::VerifyReads => "image_cache_verify_reads",
            ConfigOption::Durability => "image_cache_durability",
            ConfigOption::OtherWriter => "image_cache_other_writer",
            ConfigOption::OtherWriterPatience => "image_cache_other_writer_patience",
            ConfigOption::FetchToEnd => "image_cache_fetch_to_end",
            ConfigOption::PolicyMinAge => "image_cache_policy_min_age",
            ConfigOption::PolicyMayEmpty => "image_cache_policy_may_empty",
        }
    }

    /// The environment variable.
    pub fn variable(self) -> String {
        self.name().to_ascii_uppercase()
    }

    /// Reads a value, holds it against what is accepted, and puts it in place of an earlier one.
    pub(super) fn set(self, given: &Given<'_>, into: &mut ConfigBuilder) -> Result<(), Rejected> {
        match self {
            ConfigOption::Dir => {
                let dir = PathBuf::from(given.os_text(check::DIR)?);
                check::dir(&dir)?;
                into.dir = Some(dir);
            }
            ConfigOption::Driver => {
                let driver = given.text(check::DRIVER)?;
                check::driver(driver)?;
                into.driver = Some(driver.to_owned());
            }
            ConfigOption::MaxSize => into.max_size = Some(value::bytes(given, check::BYTES)?),
            ConfigOption::StallTime => {
                let time = value::time(given, check::STALL_TIME)?;
                check::at_most(time, check::MAX_STALL_TIME, check::STALL_TIME)?;
                into.stall_time = Some(time);
            }
            ConfigOption::SqliteDb => {
                let database = given.text(check::SQLITE_DB)?;
                into.sqlite_db = Some(check::sqlite_db(database)?);
            }
            ConfigOption::HitDelay => {
                let time = value::time(given, check::HIT_DELAY)?;
                check::at_most(time, check::MAX_HIT_DELAY, check::HIT_DELAY)?;
                into.hit_delay = Some(time);
            }
            ConfigOption::MinFree => into.min_free = Some(value::bytes(given, check::BYTES)?),
            ConfigOption::MaxImages => into.max_images = Some(value::count(given, check::COUNT)?),
            ConfigOption::MinFreeInodes => {
                into.min_free_inodes = Some(value::count(given, check::COUNT)?);
            }
            ConfigOption::HardLimit => {
                into.hard_limit = Some(value::switch(given, check::SWITCH)?);
            }
            ConfigOption::VerifyReads => {
                into.verify_reads = Some(value::switch(given, check::SWITCH)?);
            }
            ConfigOption::Durability => {
                into.durability = Some(value::choice(given, check::DURABILITY)?);
            }
            ConfigOption::OtherWriter => {
                into.other_writer = Some(value::choice(given, check::OTHER_WRITER)?);
            }
            ConfigOption::OtherWriterPatience => {
                let time = value::time(given, check::PATIENCE)?;
                check::patience(time)?;
                into.other_writer_patience = Some(time);
            }
            ConfigOption::FetchToEnd => {
                into.fetch_to_end = Some(value::switch(given, check::SWITCH)?);
            }
            ConfigOption::PolicyMinAge => {
                let time = value::time(given, check::MIN_AGE)?;
                check::at_most(time, check::MAX_MIN_AGE, check::MIN_AGE)?;
                into.policy_min_age = Some(time);
            }
            ConfigOption::PolicyMayEmpty => {
                into.policy_may_empty = Some(value::switch(given, check::SWITCH)?);
            }
        }
        Ok(())
    }
}

impl<'a> Given<'a> {
    fn text(&self, accepted: &str) -> Result<&'a str, Rejected> {
        let text = self.os_text(accepted)?;
        text.to_str().ok_or_else(|| {
            Rejected::new(
                format!("{}, which is not UTF-8", quoted(&text.to_string_lossy())),
                accepted,
            )
        })
    }
}
