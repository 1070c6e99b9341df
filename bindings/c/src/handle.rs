//! The handles that C gets: pointers to reference-counted objects.
//!
//! A call holds a reference of its own, so a callback may close the handle that the call uses.

use crate::failure::{Failure, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An object behind a handle, which any thread may use.
pub(crate) trait Handle: Send + Sync {
    /// Its kind in error texts.
    const NAME: &'static str;

    /// Whether a call with it panicked.
    fn poison(&self) -> &Poison;
}

/// Whether a call panicked, after which the object is not used any more.
#[derive(Debug, Default)]
pub(crate) struct Poison(AtomicBool);

impl Poison {
    fn check(&self, name: &str) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(Failure::panicked(&format!("in an earlier call with this {name}"))),
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

/// Runs an operation with the object of a handle.
///
/// # Safety
/// The pointer is NULL, or was [given](Place::give) and not [taken](take) yet.
pub(crate) unsafe fn with<H: Handle, T>(
    pointer: *const H,
    run: impl FnOnce(&H) -> Result<T>,
) -> Result<T> {
    if pointer.is_null() {
        let name = H::NAME;
        return Err(Failure::argument(format!(
            "the {name} is NULL: it was not opened, or is closed already"
        )));
    }
    // SAFETY: it comes from `Arc::into_raw` in `give`, and C's reference is still there.
    let object = unsafe {
        Arc::increment_strong_count(pointer);
        Arc::from_raw(pointer)
    };
    object.poison().check(H::NAME)?;
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
            let text = format!("the place for the new {} is NULL", H::NAME);
            return Err(Failure::argument(text));
        }
        // SAFETY: as the caller states.
        unsafe { place.write(std::ptr::null_mut()) };
        Ok(Place(place))
    }

    /// Gives the object to C.
    pub fn give(self, object: H) {
        // SAFETY: `new` checked it.
        unsafe { self.0.write(Arc::into_raw(Arc::new(object)).cast_mut()) };
    }
}

/// Takes C's reference, and sets the handle to NULL; `None` if it is NULL already.
///
/// # Safety
/// `place` is NULL or points to a handle that is NULL, or was [given](Place::give) and not taken yet.
pub(crate) unsafe fn take<H>(place: *mut *mut H) -> Option<Arc<H>> {
    if place.is_null() {
        return None;
    }
    // SAFETY: as the caller states.
    let pointer = unsafe { place.replace(std::ptr::null_mut()) };
    // SAFETY: it comes from `Arc::into_raw` in `give`, and this is C's reference.
    (!pointer.is_null()).then(|| unsafe { Arc::from_raw(pointer) })
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
        const NAME: &'static str = "thing";

        fn poison(&self) -> &Poison {
            &self.0
        }
    }

    #[test]
    fn a_handle_is_poisoned_by_a_panic_and_can_be_closed_twice() {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the place is a variable, and the handle is given before it is used and taken.
        unsafe {
            assert_eq!(
                status(|| with::<Thing, _>(handle, |_| Ok(()))),
                ErrorCode::InvalidArgument as c_int
            );
            Place::new(&raw mut handle).expect("a place").give(Thing::default());
            assert_eq!(status(|| with(handle, |_: &Thing| Ok(()))), 0);
            assert_eq!(
                status(|| with(handle, |_: &Thing| panic!("a bug"))),
                ErrorCode::Panic as c_int
            );
            assert_eq!(status(|| with(handle, |_: &Thing| Ok(()))), ErrorCode::Panic as c_int);
            assert!(take(&raw mut handle).is_some() && handle.is_null());
            assert!(take(&raw mut handle).is_none());
        }
    }

    #[test]
    fn an_operation_may_close_the_handle_that_it_uses() {
        let mut handle = std::ptr::null_mut();
        // SAFETY: as above.
        unsafe {
            Place::new(&raw mut handle).expect("a place").give(Thing::default());
            let closed = with(handle, |thing: &Thing| {
                drop(take(&raw mut handle));
                thing.poison().check("thing")
            });
            assert!(closed.is_ok() && handle.is_null());
        }
    }
}
