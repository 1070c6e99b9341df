//! A source of an image's bytes whose functions are in C.

use crate::failure::{Failure, Result};
use crate::running_source::{FetchedImage, RunningSource};
use crate::text::optional_text;
use nix::errno::Errno;
use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::io::{self, Read};

/// As in `<sys/types.h>`.
///
/// cbindgen:ignore
#[allow(non_camel_case_types, reason = "the name in C")]
pub(crate) type ssize_t = isize;

/// Where the bytes of an image come from. The library copies the struct.
///
/// Any thread that reads the image may call the functions, but only one at a time, also if several readers share the fetch. They
/// may call this library; a source that needs its own image gets IMGCACHE_ERROR_DEADLOCK. They must return: no longjmp(), no
/// exception of C++.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// The first argument of the functions. May be NULL.
    pub context: *mut c_void,
    /// Called once, before the first read, only if the source is needed. Returns 0, or -1 and sets errno. May be NULL.
    pub open: Option<unsafe extern "C" fn(context: *mut c_void) -> c_int>,
    /// Reads like read(2): returns the number of bytes that it wrote to the buffer, at most length; 0 at the end; or -1 and sets
    /// errno. With imgcache_set_source_error() it can set a text as well. EINTR and EAGAIN are no failures.
    pub read: Option<
        unsafe extern "C" fn(context: *mut c_void, buffer: *mut c_void, length: usize) -> ssize_t,
    >,
    /// Called exactly once when the library needs the source no more, also if open was not called or failed, or if the function that
    /// got the source failed. May be NULL.
    pub close: Option<unsafe extern "C" fn(context: *mut c_void)>,
}

thread_local! {
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sets the text of the failure that the running function of a source is about to report, for example "404 Not Found". It is for
/// the readers of the image, instead of the text of errno.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imgcache_set_source_error(message: *const c_char) {
    // SAFETY: the header states the rules.
    let text = unsafe { optional_text(message, "message") };
    let text = text.unwrap_or(Some("a failure whose text is not UTF-8"));
    let _ = TEXT.try_with(|place| place.replace(text.map(str::to_owned)));
}

/// A source that is closed when it is dropped.
pub(crate) struct OwnedSource {
    source: Source,
    /// Known before the source is read.
    image: Option<FetchedImage>,
    is_open: bool,
}

// SAFETY: the header requires that any thread may call the functions, one at a time.
unsafe impl Send for OwnedSource {}

impl OwnedSource {
    /// Takes the source, which is closed in any case.
    pub fn new(source: Source) -> OwnedSource {
        OwnedSource { source, image: None, is_open: false }
    }

    /// The source of this image, if it can be read.
    pub fn of_image(mut self, image: FetchedImage) -> Result<OwnedSource> {
        if self.source.read.is_none() {
            return Err(Failure::argument("the source's function read is NULL"));
        }
        self.image = Some(image);
        Ok(self)
    }

    /// Runs a function of the source, whose negative result is a failure.
    fn call(&self, name: &str, function: impl FnOnce(*mut c_void) -> isize) -> io::Result<usize> {
        let _running = self.image.as_ref().map(RunningSource::start);
        let _ = TEXT.try_with(|text| text.replace(None));
        Errno::clear();
        let result = function(self.source.context);
        // Before anything else can change it.
        let errno = Errno::last_raw();
        usize::try_from(result).map_err(|_| failure(name, errno))
    }

    fn open(&mut self) -> io::Result<()> {
        self.is_open = true;
        let Some(open) = self.source.open else { return Ok(()) };
        // SAFETY: the header requires that it can be called with this context.
        let opened = self.call("open", |context| unsafe { open(context) } as isize)?;
        match opened {
            0 => Ok(()),
            other => Err(io::Error::other(format!("its open returned {other}, not 0 or -1"))),
        }
    }
}

impl Read for OwnedSource {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.is_open {
            self.open()?;
        }
        let Some(read) = self.source.read else { return Err(io::Error::other("it has no read")) };
        let (buffer, length) = (buf.as_mut_ptr().cast(), buf.len());
        // SAFETY: the header requires that it can be called with this context, and writes at most `length` bytes.
        let count = self.call("read", |context| unsafe { read(context, buffer, length) })?;
        if count > length {
            let words = format!("its read returned {count} for a buffer of {length} bytes");
            return Err(io::Error::other(words));
        }
        Ok(count)
    }
}

impl Drop for OwnedSource {
    fn drop(&mut self) {
        let Some(close) = self.source.close.take() else { return };
        let _running = self.image.as_ref().map(RunningSource::start);
        // SAFETY: the header requires that it can be called with this context, and this is the only call.
        unsafe { close(self.source.context) };
    }
}

/// The error that a function of the source reported.
fn failure(name: &str, errno: i32) -> io::Error {
    let text = TEXT.try_with(|text| text.take()).ok().flatten();
    match (text, errno) {
        (Some(text), 0) => io::Error::other(text),
        (Some(text), errno) => io::Error::new(io::Error::from_raw_os_error(errno).kind(), text),
        (None, 0) => io::Error::other(format!("its {name} returned -1 without a reason in errno")),
        (None, errno) => io::Error::from_raw_os_error(errno),
    }
}
