//! Errors of the cache as exceptions of `image_cache`, with their reasons as attributes.

use crate::owned::Gone;
use crate::reasons;
use image_cache::{ConfigError, Damage, Error, ImageId, InvalidChecksum};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::io;

/// The Python module with the classes.
const MODULE: &str = "image_cache._errors";

/// An exception of this class of the package, with attributes.
struct Exception {
    class: &'static str,
    message: String,
    details: Vec<(&'static str, Detail)>,
}

enum Detail {
    Text(String),
    Number(u64),
    Texts(Vec<String>),
    Flag(bool),
}

impl Exception {
    fn new(class: &'static str, message: impl ToString) -> Exception {
        Exception { class, message: message.to_string(), details: Vec::new() }
    }

    fn text(mut self, name: &'static str, value: impl ToString) -> Exception {
        self.details.push((name, Detail::Text(value.to_string())));
        self
    }

    fn number(mut self, name: &'static str, value: u64) -> Exception {
        self.details.push((name, Detail::Number(value)));
        self
    }

    /// Whether the same call may succeed later.
    fn retryable(mut self, is_retryable: bool) -> Exception {
        self.details.push(("retryable", Detail::Flag(is_retryable)));
        self
    }

    /// The error number of the system, if there is one.
    fn number_of(self, source: &io::Error) -> Exception {
        match source.raw_os_error().and_then(|number| u64::try_from(number).ok()) {
            Some(number) => self.number("errno", number),
            None => self,
        }
    }

    fn into_python(self, py: Python<'_>) -> PyErr {
        self.instance(py).map_or_else(|error| error, PyErr::from_value)
    }

    fn instance(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let class = py.import(MODULE)?.getattr(self.class)?.cast_into::<PyType>()?;
        let details = PyDict::new(py);
        for (name, detail) in self.details {
            match detail {
                Detail::Text(text) => details.set_item(name, text)?,
                Detail::Number(number) => details.set_item(name, number)?,
                Detail::Texts(texts) => details.set_item(name, texts)?,
                Detail::Flag(flag) => details.set_item(name, flag)?,
            }
        }
        class.call((self.message,), Some(&details))
    }
}

/// The exception for an error of the library.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let made = match error {
        Error::InvalidImageId(_) => Exception::new("InvalidImageId", error),
        Error::InvalidChecksum(_) => Exception::new("InvalidChecksum", error),
        Error::Config(config) => of_config(config),
        Error::Directory { path, source, .. } => {
            Exception::new("DirectoryError", error).text("path", path.display()).number_of(source)
        }
        Error::Image { image_id, source, .. } => {
            Exception::new("ImageFileError", error).text("image_id", image_id).number_of(source)
        }
        Error::ChecksumMismatch { image_id, expected, found, .. } => {
            Exception::new("ChecksumMismatch", error)
                .text("image_id", image_id)
                .text("expected", expected)
                .text("found", found)
        }
        Error::SizeMismatch { image_id, expected, found } => Exception::new("SizeMismatch", error)
            .text("image_id", image_id)
            .number("expected", *expected)
            .number("found", *found),
        Error::Corrupt { image_id, damage } => {
            of_damage(Exception::new("Corrupt", error).text("image_id", image_id), damage)
        }
        Error::InUse { .. } => Exception::new("InUse", error),
        Error::Metadata { .. } | Error::NoDriver { .. } => of_driver(error),
        other => of_fetch(other),
    };
    let made = made.retryable(error.is_retryable());
    match error.remedy() {
        Some(remedy) => made.text("remedy", remedy),
        None => made,
    }
    .into_python(py)
}

/// The exception for a failure of the driver; `Error` for any other.
fn of_driver(error: &Error) -> Exception {
    match error {
        Error::Metadata { driver, reason, .. } => Exception::new("MetadataError", error)
            .text("driver", driver)
            .text("reason", reasons::driver_failure(reason)),
        Error::NoDriver { configured, .. } => Exception::new("NoDriver", error)
            .text("driver", configured)
            .text("reason", "not-loaded"),
        _ => Exception::new("Error", error),
    }
}

/// The exception for an error of a fetch or of its reader; `Error` for any other.
fn of_fetch(error: &Error) -> Exception {
    match error {
        Error::SourceFailed { image_id, source } => {
            Exception::new("FetchFailed", error).text("image_id", image_id).number_of(source)
        }
        Error::FetchLost { image_id, loss } => {
            of_kind(error, image_id).text("loss", reasons::loss(*loss))
        }
        Error::Changed { image_id }
        | Error::Deadlock { image_id }
        | Error::Truncated { image_id }
        | Error::SourceNotReady { image_id, .. } => of_kind(error, image_id),
        Error::ReaderFailed { kind } => {
            Exception::new("FetchFailed", error).text("kind", format!("{kind:?}"))
        }
        _ => Exception::new("Error", error),
    }
}

/// A failure of a fetch, with the kind of its I/O error.
fn of_kind(error: &Error, image_id: &ImageId) -> Exception {
    let kind = io::Error::from(error.clone()).kind();
    let failed = Exception::new("FetchFailed", error).text("image_id", image_id);
    failed.text("kind", format!("{kind:?}"))
}

/// Adds how an image is damaged.
fn of_damage(made: Exception, damage: &Damage) -> Exception {
    let made = made.text("damage", reasons::damage(damage));
    match damage {
        Damage::Bytes { start, end } => made.number("start", *start).number("end", *end),
        Damage::CutShort { expected } => made.number("expected", *expected),
        Damage::Size { expected, found } => {
            made.number("expected", *expected).number("found", *found)
        }
        Damage::Checksum { expected, found } => {
            made.text("expected", expected.value()).text("found", found.value())
        }
        // A later version of the library may have more.
        _ => made,
    }
}

/// The exception for an error of a reader or a writer of this image.
pub fn io_exception(py: Python<'_>, image_id: &str, error: &io::Error) -> PyErr {
    match Error::of_io(error) {
        Some(error) => exception(py, error),
        None => Exception::new("FetchFailed", error)
            .text("image_id", image_id)
            .text("kind", format!("{:?}", error.kind()))
            .number_of(error)
            .retryable(Error::is_retryable_io(error))
            .into_python(py),
    }
}

/// The exception for a faulty configuration.
pub fn config_exception(py: Python<'_>, error: &ConfigError) -> PyErr {
    of_config(error).into_python(py)
}

/// The exception for a string that is not a checksum.
pub fn checksum_exception(py: Python<'_>, error: &InvalidChecksum) -> PyErr {
    Exception::new("InvalidChecksum", error).into_python(py)
}

/// The exception for a value that is closed, or that belongs to the parent process; `what` names it, for example `the cache`.
pub fn gone(py: Python<'_>, what: &str, gone: Gone) -> PyErr {
    match gone {
        Gone::Closed => Exception::new("Closed", format!("{what} is closed")),
        Gone::Forked => Exception::new(
            "Forked",
            format!("{what} was opened by the parent process; open it in this process"),
        ),
    }
    .into_python(py)
}

/// The exception for a writer that has ended.
pub fn ended(py: Python<'_>, image_id: &str, how: &str) -> PyErr {
    let message = format!("the writer of image {image_id} {how}; begin a new one");
    Exception::new("Closed", message).text("image_id", image_id).into_python(py)
}

fn of_config(error: &ConfigError) -> Exception {
    let mut made = Exception::new("ConfigError", error);
    let faults = error.faults.iter().map(ToString::to_string).collect();
    made.details.push(("faults", Detail::Texts(faults)));
    made
}
