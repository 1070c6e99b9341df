//! Asks for confirmation before everything is removed.

use crate::error::CliError;
use dialoguer::Confirm;
use std::io::{self, IsTerminal};

/// Asks at the terminal, and returns whether the user agrees; with `yes` it does not ask.
///
/// # Errors
/// There is no terminal.
pub fn confirmed(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let text = format!("{question} There is no terminal to ask on: give --yes to confirm");
        return Err(CliError::Usage(text).into());
    }
    Ok(Confirm::new().with_prompt(question).default(false).interact()?)
}
