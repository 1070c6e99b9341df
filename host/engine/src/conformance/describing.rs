//! A driver's name and version, and how it handles its options.

use super::failure::{Failure, Verdict, holds};
use super::fixture::Fixture;

pub(super) fn a_driver_has_a_name_and_a_version(fixture: Fixture) -> Verdict {
    let driver = &fixture.driver;
    holds(!driver.own_name().trim().is_empty(), "a name", &driver.own_name())?;
    holds(!driver.version().trim().is_empty(), "a version", &driver.version())
}

pub(super) fn an_unknown_option_is_refused(fixture: Fixture) -> Verdict {
    // Without the option it was loaded, so the option is the only thing that it can refuse.
    match fixture.load_with_option("no-driver-has-this-option", "1") {
        Err(_) => Ok(()),
        Ok(_) => Err(Failure::new(
            "configure refuses the option no-driver-has-this-option",
            "it was accepted",
        )),
    }
}
