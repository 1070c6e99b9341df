//! A limit on the length of a line, so that a file without line ends does not fill the memory.

use std::io::{self, Read};

/// Maximum length of a line, in bytes.
pub(super) const MAX_LINE: usize = 64 << 10;

/// Reads `inner`, and fails in a line that is too long.
pub(super) struct LineLimit<R> {
    inner: R,
    /// Whether a line can continue in quotes, as in CSV.
    has_quotes: bool,
    is_in_quotes: bool,
    /// The last byte: a quote opens only at the beginning of a field, or again after a quote that closed.
    last: u8,
    /// Bytes of the current line.
    length: usize,
    /// The number of the current line, from 1, and of the line where it began.
    line: u64,
    began: u64,
}

impl<R> LineLimit<R> {
    pub fn new(inner: R, has_quotes: bool) -> Self {
        LineLimit {
            inner,
            has_quotes,
            is_in_quotes: false,
            last: b'\n',
            length: 0,
            line: 1,
            began: 1,
        }
    }

    /// Whether the last line has an end.
    pub fn is_ended(&self) -> bool {
        self.length == 0
    }
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for byte in &buffer[..read] {
            self.length += 1;
            match byte {
                b'"' if self.has_quotes => {
                    let may_open = matches!(self.last, b',' | b'\n' | b'"');
                    self.is_in_quotes = !self.is_in_quotes && may_open;
                }
                b'\n' => {
                    self.line += 1;
                    if !self.is_in_quotes {
                        (self.length, self.began) = (0, self.line);
                    }
                }
                _ => {}
            }
            self.last = *byte;
            if self.length > MAX_LINE {
                let quotes = if self.is_in_quotes { "; a quote in it is not closed" } else { "" };
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("line {} has more than {MAX_LINE} bytes{quotes}", self.began),
                ));
            }
        }
        Ok(read)
    }
}
