//! A limit on the length of a line, so that a file without line ends does not fill the memory.

use std::io::{self, Read};

/// Maximum length of a line, in bytes.
pub(super) const MAX_LINE: usize = 64 << 10;

/// Reads `inner`, and fails in a line that is too long.
pub(super) struct LineLimit<R> {
    inner: R,
    /// Bytes of the current line.
    length: usize,
    /// The number of the current line, from 1.
    line: u64,
}

impl<R> LineLimit<R> {
    pub fn new(inner: R) -> Self {
        LineLimit { inner, length: 0, line: 1 }
    }
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for byte in &buffer[..read] {
            self.length += 1;
            if *byte == b'\n' {
                self.length = 0;
                self.line += 1;
            }
            if self.length > MAX_LINE {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("line {} has more than {MAX_LINE} bytes", self.line),
                ));
            }
        }
        Ok(read)
    }
}
