//! What the service has done, in numbers.

/// What the service has done, in numbers.
#[derive(Debug, Default)]
pub struct Metrics {}
