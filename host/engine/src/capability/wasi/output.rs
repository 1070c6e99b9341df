//! What a guest of WASI writes to standard output and standard error: lines for the driver's log.
//!
//! The interpreter of a scripting language reports an exception there, and the runtime library of C a failed assertion.

use bytes::Bytes;
use image_cache_store::sync::lock;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that are kept in one call; further ones are dropped.
const MAX_KEPT: usize = 64 << 10;

/// Bytes that a guest may pass in one write.
const MAX_WRITE: usize = 4096;

/// The bytes that a guest wrote since they were last taken. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct GuestOutput(Arc<Mutex<Vec<u8>>>);

impl GuestOutput {
    /// Takes the lines that the guest wrote; bytes that are not UTF-8 are replaced.
    pub fn take_lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *lock(&self.0));
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    fn add(&self, bytes: &[u8]) {
        let mut kept = lock(&self.0);
        let room = MAX_KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    /// Not called for WASI 0.2: accepts nothing.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(MemoryOutputPipe::new(0))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.add(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

#[async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_once_and_the_bytes_are_bounded() {
        let output = GuestOutput::default();
        let mut stream = output.clone();
        stream.write(Bytes::from_static(b"Traceback:\n\n  ")).expect("it accepts bytes");
        stream.write(Bytes::from_static(b"line 3\xff")).expect("it accepts bytes");
        assert_eq!(output.take_lines(), ["Traceback:", "  line 3\u{fffd}"]);
        assert!(output.take_lines().is_empty());
        for _ in 0..100 {
            stream.write(Bytes::from(vec![b'x'; MAX_WRITE])).expect("it accepts bytes");
        }
        assert_eq!(output.take_lines().concat().len(), MAX_KEPT);
    }
}
