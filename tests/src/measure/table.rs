//! A line of the table: figures, their ratio and the target.

use std::time::Duration;

/// Our figure and that of a peer.
pub(super) struct Line {
    /// The measurement; empty if the line continues the previous one.
    pub what: String,
    /// Our figure.
    pub ours: String,
    /// The peer's name and figure.
    pub peer: String,
    /// Our figure divided by the peer's, if this is meaningful.
    pub ratio: Option<f64>,
    /// The value that is compared with the target: that ratio, or our own figure.
    pub found: f64,
    /// The target.
    pub asked: Asked,
}

/// The target of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// No target.
    Nothing,
}

impl Asked {
    fn words(self) -> String {
        match self {
            Asked::AtLeast(limit) => format!(">= {limit}"),
            Asked::AtMost(limit) => format!("<= {limit}"),
            Asked::Nothing => String::new(),
        }
    }

    fn holds(self, found: f64) -> &'static str {
        let holds = match self {
            Asked::AtLeast(limit) => found >= limit,
            Asked::AtMost(limit) => found <= limit,
            Asked::Nothing => return "",
        };
        if holds { "reached" } else { "MISSED" }
    }
}

/// The cells of a line, one for each column.
pub(super) type Cells = [String; 6];

impl Line {
    /// An empty line.
    pub fn empty() -> Line {
        let (what, ours, peer) = (String::new(), String::new(), String::new());
        Line { what, ours, peer, ratio: None, found: 0.0, asked: Asked::Nothing }
    }

    /// The cells of its columns; the last one is empty if there is no target.
    pub fn cells(&self) -> Cells {
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let verdict = self.asked.holds(self.found).to_owned();
        [
            self.what.clone(),
            self.ours.clone(),
            self.peer.clone(),
            ratio,
            self.asked.words(),
            verdict,
        ]
    }
}

/// The speed for these bytes in this time, in MiB per second.
pub fn mib_per_second(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / f64::from(1 << 20)
}
