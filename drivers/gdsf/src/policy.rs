//! The arithmetic of GDSF, in SQL: priorities and the clock.
//!
//! It is in SQL and not in Rust, because processes share the clock: a statement that reads the clock and writes a priority is
//! atomic. All numbers are doubles. An empty image has the size of one byte.

use std::str::FromStr;

/// The goal of the cache. It determines the assumed cost of fetching an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Serve as many reads as possible: every fetch has the same cost. This is the original GDSF.
    Hits,
    /// Serve as many bytes as possible: the cost of a fetch is the size of the image, so the size cancels out. This is LFU with
    /// dynamic ageing.
    Bytes,
}

impl FromStr for Goal {
    type Err = ();

    fn from_str(text: &str) -> Result<Goal, ()> {
        match text {
            "hits" => Ok(Goal::Hits),
            "bytes" => Ok(Goal::Bytes),
            _ => Err(()),
        }
    }
}

impl Goal {
    /// What the records store for it: the unit of their priorities, which are meaningless for another one.
    pub fn unit(self) -> &'static str {
        match self {
            Goal::Hits => "uses for each byte",
            Goal::Bytes => "uses",
        }
    }

    /// An SQL expression: the value of `uses` for an image of `size` bytes. The fetch counts as a use.
    fn worth(self, uses: &str, size: &str) -> String {
        match self {
            Goal::Hits => format!("({uses}) * 1.0 / max(1, {size})"),
            Goal::Bytes => format!("({uses}) * 1.0"),
        }
    }

    /// An SQL expression: the priority of an image with this number of hits, from now on.
    pub fn priority(self, hits: &str, size: &str) -> String {
        format!("(SELECT clock FROM policy) + {}", self.worth(&format!("{hits} + 1"), size))
    }
}

/// Stores the highest priority of the images that are about to be removed; `ids` is a list of parameters.
pub fn note_removed(ids: &str) -> String {
    format!(
        "UPDATE policy SET removed = max(removed, ifnull((SELECT max(priority) FROM images WHERE id IN ({ids})), 0))"
    )
}

/// Advances the clock after images were removed. An eviction takes the images with the lowest priorities, and the clock becomes
/// the highest priority among them. An operator can delete images of any priority: if an image with a lower priority remains,
/// this was no eviction, and the clock does not change.
pub const MOVE_CLOCK: &str = "UPDATE policy SET removed = 0, clock = CASE \
    WHEN removed > ifnull((SELECT min(priority) FROM images), removed) THEN clock ELSE max(clock, removed) END";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_read_as_it_is_named() {
        assert_eq!("hits".parse(), Ok(Goal::Hits));
        assert_eq!("bytes".parse(), Ok(Goal::Bytes));
        assert_eq!("speed".parse::<Goal>(), Err(()));
    }
}
