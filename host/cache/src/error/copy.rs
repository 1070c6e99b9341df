//! Copies of errors, for the readers of a fetch that did not read its source themselves.

use super::Error;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Most causes of an error that are copied.
const MOST_CAUSES: usize = 16;

/// The error of a source that several readers share, with the causes of the original. Its source is the shared error.
#[derive(Debug, Clone)]
struct SharedIoError(Arc<io::Error>);

impl fmt::Display for SharedIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for SharedIoError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// The text of an error of an unknown type, and its cause.
#[derive(Debug)]
struct Copied {
    text: String,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Copied {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&**self.cause.as_ref()?)
    }
}

impl Error {
    /// A copy of an I/O error, with the same kind, error number and text, and with all causes: those that are I/O errors as such,
    /// the others as texts. If it contains an error of the cache, so does the copy. A copy of the copy shares it.
    pub(crate) fn copy_io(error: &io::Error) -> io::Error {
        let kind = error.kind();
        if let Some(number) = error.raw_os_error() {
            return io::Error::from_raw_os_error(number);
        }
        if let Some(error) = Error::of_io(error) {
            return io::Error::new(kind, error.clone());
        }
        if let Some(shared) =
            error.get_ref().and_then(|inner| inner.downcast_ref::<SharedIoError>())
        {
            return io::Error::new(kind, shared.clone());
        }
        let text = error.to_string();
        if error.get_ref().is_none() && text == kind.to_string() {
            return kind.into();
        }
        let cause = error.source().map(|cause| copy_cause(cause, MOST_CAUSES));
        let copied = io::Error::new(kind, Copied { text, cause });
        io::Error::new(kind, SharedIoError(Arc::new(copied)))
    }
}

fn copy_cause(cause: &(dyn StdError + 'static), most: usize) -> Box<dyn StdError + Send + Sync> {
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return Box::new(Error::copy_io(error));
    }
    let next = cause.source().filter(|_| most > 0);
    let next = next.map(|next| copy_cause(next, most - 1));
    Box::new(Copied { text: cause.to_string(), cause: next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_cache_model::ImageId;

    #[derive(Debug, thiserror::Error)]
    #[error("the store is gone")]
    struct Gone(#[source] io::Error);

    fn copies(error: &io::Error) -> [io::Error; 2] {
        let copy = Error::copy_io(error);
        [Error::copy_io(&copy), copy]
    }

    #[test]
    fn a_copy_has_kind_number_text_and_causes() {
        let original =
            io::Error::new(io::ErrorKind::HostUnreachable, Gone(io::Error::from_raw_os_error(104)));
        for copy in copies(&original) {
            assert_eq!(copy.kind(), io::ErrorKind::HostUnreachable);
            assert_eq!(copy.to_string(), "the store is gone");
            let shared: &io::Error =
                copy.source().and_then(|source| source.downcast_ref()).expect("it is shared");
            assert_eq!(shared.kind(), io::ErrorKind::HostUnreachable);
            let cause: &io::Error =
                shared.source().and_then(|cause| cause.downcast_ref()).expect("the cause is kept");
            assert_eq!(cause.raw_os_error(), Some(104));
        }
    }

    #[test]
    fn simple_errors_and_errors_of_the_system_stay_what_they_are() {
        for copy in copies(&io::Error::from_raw_os_error(28)) {
            assert_eq!(copy.raw_os_error(), Some(28));
        }
        for copy in copies(&io::ErrorKind::BrokenPipe.into()) {
            assert!(copy.kind() == io::ErrorKind::BrokenPipe && copy.get_ref().is_none());
        }
        // An error of the standard library with a text of its own.
        let short = io::Read::read_exact(&mut io::empty(), &mut [0]).expect_err("it is empty");
        for copy in copies(&short) {
            assert_eq!((copy.kind(), copy.to_string()), (short.kind(), short.to_string()));
        }
    }

    #[test]
    fn an_error_of_the_cache_is_still_one() {
        let image_id: ImageId = "a".parse().expect("an id");
        let original = io::Error::from(Error::Deadlock { image_id });
        for copy in copies(&original) {
            assert!(matches!(Error::of_io(&copy), Some(Error::Deadlock { .. })), "{copy:?}");
            assert_eq!(copy.kind(), io::ErrorKind::Deadlock);
        }
    }
}
