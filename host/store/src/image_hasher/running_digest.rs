//! The digest of the bytes so far, by one algorithm.

use super::algorithms::{HashFunction, implementation};
use image_cache_model::{Checksum, ChecksumAlgorithm};
use std::io;

/// The digest of the bytes so far, by one algorithm.
pub(super) struct RunningDigest {
    algorithm: ChecksumAlgorithm,
    /// `None` if the algorithm is not implemented, which [`finish`](Self::finish) reports.
    function: Option<Box<dyn HashFunction>>,
}

impl RunningDigest {
    /// Starts without bytes.
    pub fn new(algorithm: ChecksumAlgorithm) -> RunningDigest {
        RunningDigest { algorithm, function: implementation(algorithm) }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if let Some(function) = &mut self.function {
            function.update(bytes);
        }
    }

    /// The digest of all bytes.
    ///
    /// # Errors
    /// If the algorithm is not implemented.
    pub fn finish(self) -> io::Result<Checksum> {
        let RunningDigest { algorithm, function } = self;
        let words = || format!("{algorithm} is not implemented");
        let function =
            function.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, words()))?;
        Checksum::new(algorithm, &function.finish()).map_err(io::Error::other)
    }
}
