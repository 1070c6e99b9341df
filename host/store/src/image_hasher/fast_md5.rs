//! The MD5 of the crate `fast-md5`, behind the traits of RustCrypto's `digest`.

use sha2::digest::consts::U16;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};

/// An MD5 in assembly. As `md5::Md5` it is a [`Digest`](sha2::Digest).
pub(super) struct FastMd5(fast_md5::Md5);

impl Default for FastMd5 {
    fn default() -> Self {
        FastMd5(fast_md5::Md5::new())
    }
}

impl HashMarker for FastMd5 {}

impl OutputSizeUser for FastMd5 {
    type OutputSize = U16;
}

impl Update for FastMd5 {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

impl FixedOutput for FastMd5 {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(&self.0.finalize());
    }
}
