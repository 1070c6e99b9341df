//! The native part of the Python package `image_cache`: the cache, its readers and its writers, without Python's lock during
//! I/O.
//!
//! It never calls code of the caller: sources are read by the Python part, which pushes their bytes into a `Writer`.
//! So an exception of a source stays in Python, and a source may use the cache again.

mod cache;
mod errors;
mod expected;
mod interpreter;
mod log;
mod options;
mod owned;
mod reader;
mod reasons;
mod records;
mod writer;

use pyo3::prelude::*;

/// The native part of `image_cache`; programs use `image_cache`.
#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::cache::Cache;
    #[pymodule_export]
    use super::interpreter::{begin_after_fork, begin_shutdown, wait_for_calls};
    #[pymodule_export]
    use super::options::option_names;
    #[pymodule_export]
    use super::reader::{Follower, Reader};
    #[pymodule_export]
    use super::writer::Writer;

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        log::install();
        Ok(())
    }
}
