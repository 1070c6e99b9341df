//! The limits on an instance's memory and tables, all of them together.

use image_cache_model::Limits;
use wasmtime::{ResourceLimiter, Result};

/// Maximum number of elements of all tables of a guest.
pub const MAX_ELEMENTS: usize = 100_000;

/// The limits of one store, which wasmtime checks before it grows anything. Exceeding one is a trap with a message: if a guest
/// only learned that there is no more memory, it would abort with a trap without a message.
#[derive(Debug)]
pub struct MemoryLimiter {
    max_memory: usize,
    /// Maximum number of core instances, of memories and of tables, including adapters.
    pub max_parts: usize,
    memory: usize,
    elements: usize,
}

/// Which limit a guest would have exceeded.
#[derive(Debug, thiserror::Error)]
pub enum LimitExceeded {
    #[error("it wanted {wanted} bytes of memory; its limit is {limit} (`limits.memory`)")]
    Memory { wanted: usize, limit: usize },
    #[error("it wanted {wanted} elements of tables; the limit is {MAX_ELEMENTS}")]
    TableElements { wanted: usize },
}

impl MemoryLimiter {
    /// A limiter for these limits.
    pub fn new(limits: &Limits) -> Self {
        let most = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let (max_memory, max_parts) = (most(limits.memory), most(limits.instances));
        MemoryLimiter { max_memory, max_parts, memory: 0, elements: 0 }
    }

    /// Bytes of memory and elements of tables in use. Neither ever shrinks, so this is also the maximum.
    pub fn in_use(&self) -> (u64, u64) {
        (self.memory as u64, self.elements as u64)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> Result<bool> {
        let memory = self.memory.saturating_sub(now).saturating_add(wanted);
        if memory > self.max_memory {
            let limit = self.max_memory;
            return Err(LimitExceeded::Memory { wanted: memory, limit }.into());
        }
        self.memory = memory;
        Ok(true)
    }

    fn table_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> Result<bool> {
        let elements = self.elements.saturating_sub(now).saturating_add(wanted);
        if elements > MAX_ELEMENTS {
            return Err(LimitExceeded::TableElements { wanted: elements }.into());
        }
        self.elements = elements;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.max_parts
    }

    fn tables(&self) -> usize {
        self.max_parts
    }

    fn memories(&self) -> usize {
        self.max_parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let mut limits = Limits::default();
        limits.memory = 100;
        let mut bounds = MemoryLimiter::new(&limits);
        assert!(bounds.memory_growing(0, 60, None).is_ok());
        assert!(bounds.memory_growing(0, 60, None).is_err());
        assert!(bounds.memory_growing(60, 100, None).is_ok());
        assert!(bounds.memory_growing(100, 101, None).is_err());
    }
}
