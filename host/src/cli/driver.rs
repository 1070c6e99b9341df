//! `driver`: what an operator and an author do with drivers, one room for each command.

mod check;
mod inspect;
mod junit;
mod list;

use super::Session;
use super::args::Driver;
use super::exit::Code;

pub fn driver(session: &Session, command: &Driver) -> anyhow::Result<Code> {
    match command {
        Driver::List => list::list(session),
        Driver::Inspect { name } => inspect::inspect_one(session, name),
        Driver::Check(check) => check::check(session, check),
    }
}

/// `yes`, or what stands for no.
fn yes_or(condition: bool, otherwise: &str) -> String {
    if condition { "yes".to_owned() } else { otherwise.to_owned() }
}
