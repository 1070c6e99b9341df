//! The arithmetic of GDSF, in SQL: priorities and the clock.
//!
//! It is SQL's and not Rust's, because the clock is shared: a statement that reads the clock and writes a priority is one step,
//! whatever other processes do. All numbers are doubles. Sizes count in blocks of 4 KiB, so that an empty image has one, too, and
//! priorities stay within what a double tells apart.

use std::str::FromStr;

/// What the cache is to be good at, which is what fetching an image is taken to cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Serve as many reads as possible: every fetch costs the same. GDSF proper.
    Hits,
    /// Serve as many bytes as possible: a fetch costs what the image has in bytes, and size cancels out. This is LFU with
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
    /// How the option says it; the records keep it, since priorities with one goal mean nothing with another.
    pub fn name(self) -> &'static str {
        match self {
            Goal::Hits => "hits",
            Goal::Bytes => "bytes",
        }
    }

    /// An expression: what `uses` are worth for an image of `size` bytes. The fetch counts as a use.
    fn worth(self, uses: &str, size: &str) -> String {
        match self {
            Goal::Hits => format!("({uses}) * 1.0 / max(1, ({size} + 4095) / 4096)"),
            Goal::Bytes => format!("({uses}) * 1.0"),
        }
    }

    /// An expression: the priority of an image with so many hits, from now on.
    pub fn priority(self, hits: &str, size: &str) -> String {
        format!("(SELECT clock FROM policy) + {}", self.worth(&format!("{hits} + 1"), size))
    }
}

/// Notes the highest priority of images that are about to be removed; `ids` is a list of parameters.
pub fn note_removed(ids: &str) -> String {
    format!(
        "UPDATE policy SET removed = max(removed, ifnull((SELECT max(priority) FROM images WHERE id IN ({ids})), 0))"
    )
}

/// Moves the clock on, after the images are gone. An eviction takes the lowest, and the clock is then the highest that it took. What
/// an operator deletes stands anywhere: where an image stays that is lower, it was no eviction, and the clock stays, too.
pub const MOVE_CLOCK: &str = "UPDATE policy SET removed = 0, clock = CASE \
    WHEN removed > ifnull((SELECT min(priority) FROM images), removed) THEN clock ELSE max(clock, removed) END";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_read_as_it_is_named() {
        for goal in [Goal::Hits, Goal::Bytes] {
            assert_eq!(goal.name().parse(), Ok(goal));
        }
        assert_eq!("speed".parse::<Goal>(), Err(()));
    }
}
