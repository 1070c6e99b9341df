//! How close a driver came to its limits: the maximum use of each.

/// A limit on a driver's use, and the unit of its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// Linear memory of one instance, in bytes.
    Memory,
    /// Elements of all tables of one instance.
    TableElements,
    /// The guest's own time in one call, in microseconds.
    GuestTime,
    /// The time of one call including the host's work for it, in microseconds.
    CallTime,
    /// Rows in the result of one query.
    Rows,
    /// Statements in one transaction.
    Statements,
    /// Listings of files held open at once.
    Listings,
    /// Messages to the log in one second.
    LogMessages,
    /// The driver's database and its log on disk, in bytes.
    Database,
}

impl Bound {
    /// All of them, in the order of their indices in [`PeakUsage`].
    const ALL: [Bound; 9] = [
        Bound::Memory,
        Bound::TableElements,
        Bound::GuestTime,
        Bound::CallTime,
        Bound::Rows,
        Bound::Statements,
        Bound::Listings,
        Bound::LogMessages,
        Bound::Database,
    ];

    /// The name of the limited value.
    pub fn name(self) -> &'static str {
        match self {
            Bound::Memory => "memory",
            Bound::TableElements => "table elements",
            Bound::GuestTime => "guest time of a call",
            Bound::CallTime => "time of a call",
            Bound::Rows => "rows of a result",
            Bound::Statements => "statements of a transaction",
            Bound::Listings => "open listings",
            Bound::LogMessages => "log messages a second",
            Bound::Database => "database",
        }
    }
}

/// The maximum use of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peak {
    /// Which limit.
    pub bound: Bound,
    /// The maximum use.
    pub used: u64,
    /// The limit.
    pub limit: u64,
}

impl Peak {
    /// The share of the limit that was used: 1 is all of it.
    ///
    /// ```
    /// # fn show(driver: &image_cache_engine::Driver) {
    /// for peak in driver.peaks() {
    ///     println!("{}: {:.0} %", peak.bound.name(), peak.share() * 100.0);
    /// }
    /// # }
    /// ```
    pub fn share(&self) -> f64 {
        if self.limit == 0 { 1.0 } else { self.used as f64 / self.limit as f64 }
    }
}

/// The maximum use of each limit so far; each note costs one comparison.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeakUsage([u64; Bound::ALL.len()]);

impl PeakUsage {
    /// Records a use.
    pub fn note(&mut self, bound: Bound, used: u64) {
        let most = &mut self.0[bound as usize];
        *most = (*most).max(used);
    }

    /// Each peak with its limit.
    pub fn peaks(&self, limit: impl Fn(Bound) -> u64) -> Vec<Peak> {
        let peak = |bound| Peak { bound, used: self.0[bound as usize], limit: limit(bound) };
        Bound::ALL.into_iter().map(peak).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_maximum_use_of_each_limit_is_kept() {
        let mut usage = PeakUsage::default();
        for used in [3, 9, 4] {
            usage.note(Bound::LogMessages, used);
        }
        let peaks = usage.peaks(|_| 18);
        for peak in peaks {
            let most = if peak.bound == Bound::LogMessages { 9 } else { 0 };
            assert_eq!(peak.used, most, "{:?}", peak.bound);
            assert_eq!(peak.share(), most as f64 / 18.0);
        }
    }
}
