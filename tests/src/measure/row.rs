//! A row: our figure, the figures of the peers, and the target.

use super::Figure;
use super::table::{Asked, Cells, Line};
use super::turns::{Peer, Score};
use serde_json::{Value, json};

/// Our figure and those of the peers.
#[derive(Debug, Clone)]
pub struct Row {
    group: String,
    what: String,
    unit: String,
    ours: Option<Figure>,
    peers: Vec<Peer>,
    asked: Asked,
    found: f64,
    /// The meaning of `found`, if it is not our figure.
    measure: Option<String>,
    note: Option<String>,
}

impl Row {
    /// A row of the `nth` figure of these scores, the first of which is ours.
    pub fn new(group: &str, what: &str, unit: &str, scores: &[Score], nth: usize) -> Row {
        let ours = scores.first().and_then(|score| score.figure(nth));
        let mut row = Row::of(group, what, unit, ours);
        row.peers = scores.iter().skip(1).map(|score| score.peer(nth)).collect();
        row
    }

    /// A row of only our figure.
    pub fn of(group: &str, what: &str, unit: &str, ours: Option<Figure>) -> Row {
        Row {
            group: group.to_owned(),
            what: what.to_owned(),
            unit: unit.to_owned(),
            ours,
            peers: Vec::new(),
            asked: Asked::Nothing,
            found: ours.map_or(f64::NAN, |figure| figure.median),
            measure: None,
            note: None,
        }
    }

    /// Adds these peers.
    #[must_use]
    pub fn beside(mut self, peers: impl IntoIterator<Item = Peer>) -> Row {
        self.peers.extend(peers);
        self
    }

    /// Removes the peers of this name.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Row {
        self.peers.retain(|peer| !names.contains(&peer.name.as_str()));
        self
    }

    /// Sets the target: our figure is at most this.
    #[must_use]
    pub fn at_most(mut self, limit: f64) -> Row {
        self.asked = Asked::AtMost(limit);
        self
    }

    /// Sets a target for a ratio; `measure` describes the ratio.
    #[must_use]
    pub fn asking(mut self, asked: Asked, found: f64, measure: &str) -> Row {
        (self.asked, self.found, self.measure) = (asked, found, Some(measure.to_owned()));
        self
    }

    /// Adds a note for the reader, such as a guarantee that a peer does not give.
    #[must_use]
    pub fn note(mut self, words: &str) -> Row {
        let before = self.note.take().map(|note| format!("{note}; ")).unwrap_or_default();
        self.note = Some(before + words);
        self
    }

    /// A line for each peer; the first one has our figure.
    pub(super) fn cells(&self) -> Vec<Cells> {
        let mut cells: Vec<Cells> = self.lines().iter().map(Line::cells).collect();
        if let (Some(measure), Some([.., asked, _])) = (&self.measure, cells.first_mut()) {
            *asked = format!("{measure}: {asked}; it is {:.2}", self.found);
        }
        cells
    }

    fn lines(&self) -> Vec<Line> {
        let what = match &self.note {
            Some(note) => format!("{}: {} ({note})", self.group, self.what),
            None => format!("{}: {}", self.group, self.what),
        };
        let ours = self.ours.map_or("missing".to_owned(), Figure::text);
        let mut lines = vec![Line {
            what,
            ours: format!("{ours} {}", self.unit),
            peer: String::new(),
            ratio: None,
            found: self.found,
            asked: self.asked,
        }];
        for (number, peer) in self.peers.iter().enumerate() {
            if number > 0 {
                lines.push(Line::empty());
            }
            let Some(line) = lines.last_mut() else { continue };
            (line.peer, line.ratio) = self.beside_peer(peer);
        }
        lines
    }

    fn beside_peer(&self, peer: &Peer) -> (String, Option<f64>) {
        match &peer.figure {
            Ok(figure) => {
                let ratio = self.ours.map(|ours| ours.median / figure.median);
                (format!("{}: {}", peer.name, figure.text()), ratio)
            }
            Err(why) => (format!("{}: MISSING: {why}", peer.name), None),
        }
    }

    /// The row as JSON with all figures.
    pub(super) fn json(&self) -> Value {
        let figure = |figure: &Figure| json!({"median": figure.median, "low": figure.low, "high": figure.high});
        let peers = self.peers.iter().map(|peer| match &peer.figure {
            Ok(found) => json!({"name": peer.name, "figure": figure(found)}),
            Err(why) => json!({"name": peer.name, "missing": why}),
        });
        json!({
            "group": self.group, "what": self.what, "unit": self.unit, "note": self.note,
            "ours": self.ours.as_ref().map(figure), "peers": peers.collect::<Vec<_>>(),
            "lines": self.cells(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(median: f64) -> Figure {
        Figure { median, low: median, high: median }
    }

    #[test]
    fn a_row_shows_each_peer_its_ratio_and_the_verdict() {
        let peers = [
            Peer { name: "fast".into(), figure: Ok(figure(10.0)) },
            Peer { name: "gone".into(), figure: Err("no such package".into()) },
        ];
        let row = Row::of("hit", "of 1 KiB", "µs", Some(figure(20.0))).beside(peers).at_most(15.0);
        let lines = row.cells();
        assert_eq!(lines[0][2..], ["fast: 10.0", "2.00", "<= 15", "MISSED"]);
        assert_eq!(lines[1][2], "gone: MISSING: no such package");
    }

    #[test]
    fn a_missing_figure_misses_its_target() {
        let row = Row::of("hit", "of 1 KiB", "µs", None).at_most(15.0);
        assert_eq!(row.cells()[0][1..], ["missing µs", "", "", "<= 15", "MISSED"]);
    }
}
