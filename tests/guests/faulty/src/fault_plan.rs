//! The driver's fault: what it does, in which export, and from which call on.

use image_cache_driver_sdk::prelude::*;
use std::hint::black_box;

/// The exports that can have a fault.
const EXPORTS: [&str; 10] = [
    "configure",
    "is-cacheable",
    "record-cached",
    "record-hits",
    "forget",
    "get-cached-image",
    "get-cached-images",
    "get-cache-size",
    "select-victims",
    "select-leftovers",
];

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Executes an invalid instruction.
    Trap,
    /// Panics with a message.
    Panic,
    /// Never returns.
    Loop,
    /// Recurses until the stack is full.
    Recurse,
    /// Allocates memory until there is no more.
    Memory,
    /// Floods the log before it returns normally.
    Chatter,
    /// Returns an error.
    Error(Failure),
    /// `is-cacheable`: no; `configure`: an error; `get-cache-size`: the largest numbers.
    Refuse,
    /// `record-cached`: nothing is recorded.
    Ignore,
    /// `get-cached-images`: descending.
    Unsorted,
    /// `get-cached-images`: always the first page.
    EndlessPage,
    /// `get-cached-images`, `select-victims`: the same entries repeatedly, more than `limit`.
    TooMany,
    /// `get-cached-images`: begins with an image that was never recorded.
    ForeignImage,
    /// `get-cached-images`: begins with an id that is a path.
    PathImage,
    /// `select-victims`: an unknown id.
    ForeignVictim,
    /// `select-victims`: an id that is a path.
    PathVictim,
    /// `select-victims`: the excluded images.
    ExcludedVictim,
    /// `select-victims`: none, even if bytes are needed.
    NoVictim,
    /// `select-victims`: all, even if few bytes are needed.
    EveryVictim,
    /// `select-leftovers`: also a leftover that was not offered, whose id is a path.
    PathLeftover,
}

/// The error to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Busy,
    Full,
    NotFound,
    Unsupported,
    Denied,
    TooLarge,
    InvalidArgument,
    Other,
    /// A message of one megabyte.
    Long,
    /// No message.
    Empty,
}

/// Every fault by name; a fault that is a false result also has its export.
const FAULTS: [(&str, Fault, Option<&str>); 29] = [
    ("trap", Fault::Trap, None),
    ("panic", Fault::Panic, None),
    ("loop", Fault::Loop, None),
    ("recurse", Fault::Recurse, None),
    ("memory", Fault::Memory, None),
    ("chatter", Fault::Chatter, None),
    ("error-busy", Fault::Error(Failure::Busy), None),
    ("error-full", Fault::Error(Failure::Full), None),
    ("error-not-found", Fault::Error(Failure::NotFound), None),
    ("error-unsupported", Fault::Error(Failure::Unsupported), None),
    ("error-denied", Fault::Error(Failure::Denied), None),
    ("error-too-large", Fault::Error(Failure::TooLarge), None),
    ("error-invalid-argument", Fault::Error(Failure::InvalidArgument), None),
    ("error-other", Fault::Error(Failure::Other), None),
    ("error-long", Fault::Error(Failure::Long), None),
    ("error-empty", Fault::Error(Failure::Empty), None),
    ("refuse", Fault::Refuse, Some("is-cacheable")),
    ("ignore", Fault::Ignore, Some("record-cached")),
    ("unsorted", Fault::Unsorted, Some("get-cached-images")),
    ("endless-page", Fault::EndlessPage, Some("get-cached-images")),
    ("too-many", Fault::TooMany, Some("select-victims")),
    ("foreign-image", Fault::ForeignImage, Some("get-cached-images")),
    ("path-image", Fault::PathImage, Some("get-cached-images")),
    ("foreign-victim", Fault::ForeignVictim, Some("select-victims")),
    ("path-victim", Fault::PathVictim, Some("select-victims")),
    ("excluded-victim", Fault::ExcludedVictim, Some("select-victims")),
    ("no-victim", Fault::NoVictim, Some("select-victims")),
    ("every-victim", Fault::EveryVictim, Some("select-victims")),
    ("path-leftover", Fault::PathLeftover, Some("select-leftovers")),
];

/// A fault, the export that has it, and the number of calls before it that succeed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    fault: Option<Fault>,
    export: String,
    good_calls: u32,
}

impl FaultPlan {
    /// Reads `fault`, `in` and `after`.
    pub fn take(options: &mut Options) -> Result<FaultPlan, ConfigurationError> {
        let export = options.take("in");
        let good_calls = options.take_parsed("after", "a number of calls")?.unwrap_or(0);
        let Some(name) = options.take("fault") else { return Ok(FaultPlan::default()) };
        let known = FAULTS.iter().find(|(known, _, _)| *known == name);
        let invalid = |words: String| Err(ConfigurationError::InvalidOption(words));
        let Some((_, fault, home)) = known else {
            let names: Vec<_> = FAULTS.iter().map(|(name, _, _)| *name).collect();
            return invalid(format!("fault {name:?} is none of {}", names.join(", ")));
        };
        match export.or(home.map(str::to_string)) {
            Some(export) if EXPORTS.contains(&export.as_str()) => {
                Ok(FaultPlan { fault: Some(*fault), export, good_calls })
            }
            found => invalid(format!("`in` is {found:?}, and none of {}", EXPORTS.join(", "))),
        }
    }

    /// The fault, if it is a false result that the export itself must return.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Commits the fault if this call has it: returns the error, or returns true if the export must return a false result or
    /// refuse, or does not return.
    pub fn inject(&mut self, export: &str) -> Result<bool, Error> {
        let Some(fault) = self.fault.filter(|_| self.export == export) else { return Ok(false) };
        if self.good_calls > 0 {
            self.good_calls -= 1;
            return Ok(false);
        }
        match fault {
            Fault::Trap => trap(),
            Fault::Panic => panic!("told to panic in {export}"),
            Fault::Loop => loop {
                black_box(export);
            },
            Fault::Recurse => Ok(recurse(1) == 0),
            Fault::Memory => Ok(take_all_memory() == 0),
            Fault::Chatter => {
                (0..100_000).for_each(|n| {
                    log(Level::Warn, &format!("told to chatter, for the {n}th time\n\u{1b}[31m"))
                });
                Ok(false)
            }
            Fault::Error(failure) => Err(error(failure)),
            _ => Ok(true),
        }
    }
}

fn error(failure: Failure) -> Error {
    match failure {
        Failure::Busy => Error::Busy,
        Failure::Full => Error::Full,
        Failure::NotFound => Error::NotFound,
        Failure::Unsupported => Error::Unsupported,
        Failure::Denied => Error::Denied,
        Failure::TooLarge => Error::TooLarge,
        Failure::InvalidArgument => Error::InvalidArgument,
        Failure::Other => Error::Other("told to fail".into()),
        Failure::Empty => Error::Other(String::new()),
        Failure::Long => Error::Other("told to say much\n".repeat(50_000)),
    }
}

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

#[allow(unconditional_recursion, reason = "it fills the stack intentionally")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(black_box(depth + 1)) + frame[(depth % 64) as usize]
}

fn take_all_memory() -> usize {
    let mut taken = Vec::new();
    loop {
        taken.push(black_box(vec![1u8; 1 << 20]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(given: &[(&str, &str)]) -> Result<FaultPlan, ConfigurationError> {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        FaultPlan::take(&mut Options::from(given.iter().map(owned).collect::<Vec<_>>()))
    }

    #[test]
    fn good_calls_come_first_and_other_exports_stay_good() {
        let mut plan = plan(&[("fault", "error-busy"), ("in", "forget"), ("after", "1")])
            .expect("known options");
        assert_eq!(plan.inject("record-hits"), Ok(false));
        assert_eq!(plan.inject("forget"), Ok(false));
        assert_eq!(plan.inject("forget"), Err(Error::Busy));
    }

    #[test]
    fn a_lie_knows_its_export() {
        let mut plan = plan(&[("fault", "path-victim")]).expect("known options");
        assert_eq!(plan.inject("select-victims"), Ok(true));
        assert_eq!(plan.fault(), Some(Fault::PathVictim));
    }

    #[test]
    fn unknown_orders_are_refused() {
        assert!(plan(&[("fault", "sulk")]).is_err());
        assert!(plan(&[("fault", "trap")]).is_err());
        assert!(plan(&[("fault", "trap"), ("in", "describe")]).is_err());
        assert_eq!(plan(&[]), Ok(FaultPlan::default()));
    }
}
