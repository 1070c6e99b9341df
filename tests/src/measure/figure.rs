//! The result of several samples: their median and range.

/// A median with its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The median.
    pub median: f64,
    /// The smallest sample.
    pub low: f64,
    /// The largest sample.
    pub high: f64,
}

impl Figure {
    /// The figure of these samples; none if there are none.
    pub fn of(samples: &[f64]) -> Option<Figure> {
        let low = samples.iter().copied().min_by(f64::total_cmp)?;
        let high = samples.iter().copied().max_by(f64::total_cmp)?;
        Some(Figure { median: median(samples.to_vec()), low, high })
    }

    /// The cell of a table: the median, and the range if there is one.
    pub fn text(self) -> String {
        let median = number(self.median);
        if self.low == self.high {
            return median;
        }
        format!("{median} ({}–{})", number(self.low), number(self.high))
    }
}

/// The median; 0 if there are no samples.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// Three significant digits, and no more decimals.
fn number(value: f64) -> String {
    match value.abs() {
        small if small < 9.995 => format!("{value:.2}"),
        middle if middle < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_middle_and_both_ends() {
        let figure = Figure::of(&[3.0, 1.0, 2.0]);
        assert_eq!(figure, Some(Figure { median: 2.0, low: 1.0, high: 3.0 }));
        assert_eq!(figure.map(Figure::text).as_deref(), Some("2.00 (1.00–3.00)"));
        assert_eq!(Figure::of(&[]), None);
    }
}
