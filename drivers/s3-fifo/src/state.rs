//! The sizes of the queues, and their shares of the cache.

/// How the cache is divided, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// The small queue: a tenth of the cache.
    pub small: u64,
    /// The main queue: the rest.
    pub main: u64,
    /// The sizes of the images that are remembered after their eviction.
    pub ghost: u64,
}

impl Shares {
    /// The shares of a cache of this size.
    pub fn of(capacity: u64) -> Shares {
        let small = capacity / 10;
        Shares { small, main: capacity - small, ghost: (capacity as f64 * 0.9) as u64 }
    }
}

/// The sizes of the queues, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    pub small: u64,
    pub main: u64,
    /// Of the images that are remembered, without those that are expected back.
    pub ghost: u64,
}

impl Sizes {
    /// Whether the next eviction begins with the main queue.
    pub fn begins_with_main(&self, shares: &Shares) -> bool {
        self.main > shares.main || self.small == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_queue_has_a_tenth() {
        assert_eq!(Shares::of(1009), Shares { small: 100, main: 909, ghost: 908 });
        assert_eq!(Shares::of(0), Shares { small: 0, main: 0, ghost: 0 });
    }

    #[test]
    fn the_main_queue_is_first_when_it_is_too_large_or_alone() {
        let shares = Shares::of(100);
        let sizes = |small, main| Sizes { small, main, ghost: 0 };
        assert!(!sizes(5, 90).begins_with_main(&shares));
        assert!(sizes(5, 91).begins_with_main(&shares));
        assert!(sizes(0, 1).begins_with_main(&shares));
    }
}
