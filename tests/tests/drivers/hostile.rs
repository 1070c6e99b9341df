//! Every hostile driver of `tests/guests/hostile`, each in a test of its name: the cache still fills and serves the correct
//! bytes, the process survives, sqlite takes over if necessary and the reason is shown, and nothing outside is changed.
//!
//! The table of guests is generated from the files, and each name must be a function in one of these modules: a guest without a
//! test does not compile, and a test without a guest is dead code.

mod bounds;
mod files;
mod lies;
mod loading;
mod log;
mod sql;

/// The tests of all guests.
mod held {
    pub use super::bounds::*;
    pub use super::files::*;
    pub use super::lies::*;
    pub use super::loading::*;
    pub use super::log::*;
    pub use super::sql::*;
}

macro_rules! tests {
    ($($guest:ident)+) => {$(
        #[test]
        fn $guest() -> image_cache_tests::Tested {
            held::$guest(image_cache_tests::hostile::Harness::of(stringify!($guest)))
        }
    )+

        const GUESTS: usize = [$(stringify!($guest)),+].len();
    };
}

image_cache_tests::for_each_hostile_guest!(tests);

#[test]
fn there_are_at_least_25_hostile_guests() {
    const { assert!(GUESTS >= 25) };
}
