//! How full the cache is.

/// From this share of the cache on, in percent, admission is strict.
const STRICT_FROM: u64 = 90;

/// What the cache holds and may hold, in bytes. The host tells the first at each choice of victims; in between, the driver adds
/// what is cached and subtracts what goes. What other processes do is missing until the next choice.
pub struct Fill {
    limit: u64,
    held: u64,
}

impl Fill {
    pub fn new(limit: u64, held: u64) -> Fill {
        Fill { limit, held }
    }

    /// What the host counted.
    pub fn set(&mut self, held: u64) {
        self.held = held;
    }

    pub fn add(&mut self, bytes: u64) {
        self.held = self.held.saturating_add(bytes);
    }

    pub fn subtract(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Whether every image is admitted.
    pub fn has_room(&self) -> bool {
        self.percent() < STRICT_FROM
    }

    /// The share that is full. A cache that is to be emptied is full.
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.held) * 100 / u128::from(self.limit.max(1));
        if self.limit == 0 { 100 } else { u64::try_from(percent).unwrap_or(u64::MAX) }
    }
}
