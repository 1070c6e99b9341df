//! The rule for the last byte: nobody gets it before the image is verified, so that nobody takes an image for whole too early.

/// How many of the bytes that have come may be handed out.
pub(crate) fn readable(received: u64, is_verified: bool) -> u64 {
    if is_verified { received } else { received.saturating_sub(1) }
}

/// The end of what has come, a byte or a chunk, which is withheld until more comes or the image is verified. Dropped, it is
/// never handed out.
#[derive(Debug, Default)]
pub(crate) struct Withheld<T>(Option<T>);

impl<T> Withheld<T> {
    pub fn new(last: Option<T>) -> Self {
        Withheld(last)
    }

    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Withholds the new end, and releases the one before, which is none any more.
    pub fn exchange(&mut self, last: T) -> Option<T> {
        self.0.replace(last)
    }

    /// The image is verified: its end may be handed out.
    pub fn release(&mut self) -> Option<T> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_released_by_the_next_one_or_by_the_verdict() {
        assert_eq!((readable(0, false), readable(1, false), readable(9, false)), (0, 0, 8));
        assert_eq!(readable(9, true), 9);
        let mut withheld = Withheld::new(None);
        assert_eq!((withheld.exchange(1), withheld.exchange(2)), (None, Some(1)));
        assert!(withheld.is_some());
        assert_eq!((withheld.release(), withheld.release()), (Some(2), None));
    }
}
