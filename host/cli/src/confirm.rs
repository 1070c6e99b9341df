//! Asking before everything goes.

use super::exit::Failure;
use dialoguer::Confirm;
use std::io::{self, IsTerminal};

/// Whether the person at the terminal agrees; `yes` answers for them.
///
/// # Errors
/// There is nobody to ask.
pub fn confirmed(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let text = format!("{question} There is no terminal to ask on: give --yes to mean it");
        return Err(Failure::Usage(text).into());
    }
    Ok(Confirm::new().with_prompt(question).default(false).interact()?)
}
