//! The rule for the last byte: no reader gets it before the image is verified, so that no client takes an unverified image for
//! complete.

/// The number of received bytes that may be returned.
pub(crate) fn readable(received: u64, is_verified: bool) -> u64 {
    if is_verified { received } else { received.saturating_sub(1) }
}

/// The last byte or chunk, which is withheld until another one arrives or the image is verified. After a drop it is never
/// returned.
#[derive(Debug, Default)]
pub(crate) struct Withheld<T>(Option<T>);

impl<T> Withheld<T> {
    pub fn new(last: Option<T>) -> Self {
        Withheld(last)
    }

    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Withholds the new last part, and releases the one before.
    pub fn exchange(&mut self, last: T) -> Option<T> {
        self.0.replace(last)
    }

    /// The image is verified: releases the last part.
    pub fn release(&mut self) -> Option<T> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_released_by_the_next_one_or_after_the_verification() {
        assert_eq!((readable(0, false), readable(1, false), readable(9, false)), (0, 0, 8));
        assert_eq!(readable(9, true), 9);
        let mut withheld = Withheld::new(None);
        assert_eq!((withheld.exchange(1), withheld.exchange(2)), (None, Some(1)));
        assert!(withheld.is_some());
        assert_eq!((withheld.release(), withheld.release()), (Some(2), None));
    }
}
