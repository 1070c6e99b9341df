//! Shows the progress of long operations, on standard error if it is a terminal.

use crate::output::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::Duration;

const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
const SPINNER: &str = "{spinner} {msg} {bytes} {binary_bytes_per_sec}";
const STEPS: &str = "{pos}/{len} {wide_msg}";
const WAITING: &str = "{spinner} {msg} {elapsed}";

/// Bytes that are read or written; `total` if it is known. The bar disappears when it is dropped.
pub fn bytes(what: &str, total: Option<u64>) -> ProgressBar {
    start(what, total, if total.is_some() { BAR } else { SPINNER })
}

/// A known number of steps, each with a message.
pub fn steps(total: u64) -> ProgressBar {
    start("", Some(total), STEPS)
}

/// An operation of unknown length.
pub fn waiting(what: &str) -> ProgressBar {
    start(what, None, WAITING)
}

fn start(what: &str, total: Option<u64>, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(printable(what));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
