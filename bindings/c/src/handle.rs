//! The handles that C gets.
//!
//! A call holds a reference of its own to the object, so a callback may close the handle that the call uses.

use crate::failure::{Failure, Result};
use crate::handle_table::{self as table, Kind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An object behind a handle, which any thread may use.
pub(crate) trait Handle: Send + Sync + 'static {
    const KIND: Kind;

    /// Whether a call with it panicked.
    fn poison(&self) -> &Poison;
}

/// Whether a call panicked, after which the object is not used any more.
#[derive(Debug, Default)]
pub(crate) struct Poison(AtomicBool);

impl Poison {
    fn check(&self, kind: Kind) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => {
                Err(Failure::panicked(&format!("in an earlier call with this {}", kind.name())))
            }
            false => Ok(()),
        }
    }
}

/// Poisons the object if it is dropped by a panic.
struct PoisonOnPanic<'a>(&'a Poison);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs an operation with the object of a handle. The pointer may be any: it is looked up, and not dereferenced.
pub(crate) fn with<H: Handle, T>(handle: *const H, run: impl FnOnce(&H) -> Result<T>) -> Result<T> {
    let name = H::KIND.name();
    if handle.is_null() {
        return Err(Failure::argument(format!(
            "the {name} is NULL: it was not opened, or is closed already"
        )));
    }
    let object = table::find(H::KIND, handle.addr())?;
    let object: Arc<H> =
        object.downcast().map_err(|_| Failure::argument(format!("the handle is no {name}")))?;
    object.poison().check(H::KIND)?;
    let _poison = PoisonOnPanic(object.poison());
    run(&object)
}

/// Where the caller wants a new handle.
pub(crate) struct Place<H>(*mut *mut H);

impl<H: Handle> Place<H> {
    /// Sets it to NULL, so that it is NULL after a failure.
    ///
    /// # Safety
    /// The pointer is NULL, or a pointer can be written there until the end of the call.
    pub unsafe fn new(place: *mut *mut H) -> Result<Place<H>> {
        if place.is_null() {
            let text = format!("the place for the new {} is NULL", H::KIND.name());
            return Err(Failure::argument(text));
        }
        // SAFETY: as the caller states.
        unsafe { place.write(ptr::null_mut()) };
        Ok(Place(place))
    }

    /// Gives the object to C.
    pub fn give(self, object: H) -> Result<()> {
        let handle = table::add(H::KIND, Arc::new(object))?;
        // SAFETY: `new` checked it.
        unsafe { self.0.write(ptr::without_provenance_mut(handle)) };
        Ok(())
    }
}

/// Closes a handle, and sets it to NULL; does nothing if it is NULL already. If it is not open, it stays as it is.
///
/// # Safety
/// `place` is NULL, or a pointer can be read and written there.
pub(crate) unsafe fn close<H: Handle>(place: *mut *mut H) -> Result<()> {
    if place.is_null() {
        return Ok(());
    }
    // SAFETY: as the caller states.
    let handle = unsafe { place.read() };
    if handle.is_null() {
        return Ok(());
    }
    let object = table::remove(H::KIND, handle.addr())?;
    // SAFETY: as the caller states.
    unsafe { place.write(ptr::null_mut()) };
    // It may call functions of a source, which may close the same handle again.
    drop(object);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::status;
    use crate::error::ErrorCode;
    use std::ffi::c_int;

    #[derive(Default)]
    struct Thing(Poison);

    impl Handle for Thing {
        const KIND: Kind = Kind::Reader;

        fn poison(&self) -> &Poison {
            &self.0
        }
    }

    const BAD: c_int = ErrorCode::InvalidArgument as c_int;

    #[test]
    fn a_handle_is_poisoned_by_a_panic_and_can_be_closed_twice() -> Result<()> {
        let mut handle = ptr::null_mut();
        assert_eq!(status(|| with::<Thing, _>(handle, |_| Ok(()))), BAD);
        // SAFETY: the place is a variable.
        unsafe { Place::new(&raw mut handle) }?.give(Thing::default())?;
        assert_eq!(status(|| with(handle, |_: &Thing| Ok(()))), 0);
        let panics = status(|| with(handle, |_: &Thing| panic!("a bug")));
        assert_eq!(panics, ErrorCode::Panic as c_int);
        assert_eq!(status(|| with(handle, |_: &Thing| Ok(()))), ErrorCode::Panic as c_int);
        let mut copy = handle;
        // SAFETY: the places are variables.
        unsafe {
            close(&raw mut handle)?;
            close(&raw mut handle)?;
            assert_eq!(status(|| close(&raw mut copy)), BAD);
        }
        assert!(handle.is_null() && !copy.is_null());
        assert_eq!(status(|| with(copy, |_: &Thing| Ok(()))), BAD);
        Ok(())
    }

    #[test]
    fn an_operation_may_close_the_handle_that_it_uses() -> Result<()> {
        let mut handle = ptr::null_mut();
        // SAFETY: the place is a variable.
        unsafe { Place::new(&raw mut handle) }?.give(Thing::default())?;
        with(handle, |thing: &Thing| {
            // SAFETY: likewise.
            unsafe { close(&raw mut handle) }?;
            thing.poison().check(Kind::Reader)
        })?;
        assert!(handle.is_null());
        Ok(())
    }
}
