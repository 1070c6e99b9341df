//! How much memory an instance may have, all its memories together.

use wasmtime::{ResourceLimiter, Result, bail};

/// Elements of all tables of a guest.
pub(crate) const MAX_ELEMENTS: usize = 100_000;

/// Core instances, memories and tables of one component each, adapters included.
const MAX_PARTS: usize = 32;

/// What one store may still take. Going beyond is a trap with words: a guest that is merely told that there is no more
/// memory dies with a trap that says nothing.
#[derive(Debug)]
pub(crate) struct Bounds {
    max_memory: usize,
    memory: usize,
    elements: usize,
}

impl Bounds {
    /// At most so many bytes of memory.
    pub fn new(max_memory: u64) -> Self {
        let max_memory = usize::try_from(max_memory).unwrap_or(usize::MAX);
        Bounds { max_memory, memory: 0, elements: 0 }
    }

    /// Bytes of memory and elements of tables in use. Neither ever shrinks, so this is also the most that was.
    pub fn in_use(&self) -> (u64, u64) {
        (self.memory as u64, self.elements as u64)
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> Result<bool> {
        let memory = self.memory.saturating_sub(now).saturating_add(wanted);
        if memory > self.max_memory {
            bail!("it wanted {memory} bytes of memory; its limit is {}", self.max_memory);
        }
        self.memory = memory;
        Ok(true)
    }

    fn table_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> Result<bool> {
        let elements = self.elements.saturating_sub(now).saturating_add(wanted);
        if elements > MAX_ELEMENTS {
            bail!("it wanted {elements} elements of tables; the limit is {MAX_ELEMENTS}");
        }
        self.elements = elements;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let mut bounds = Bounds::new(100);
        assert!(bounds.memory_growing(0, 60, None).is_ok());
        assert!(bounds.memory_growing(0, 60, None).is_err());
        assert!(bounds.memory_growing(60, 100, None).is_ok());
        assert!(bounds.memory_growing(100, 101, None).is_err());
    }
}
