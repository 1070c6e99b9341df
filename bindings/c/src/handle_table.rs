//! The table of open handles. A handle is a number in the form of a pointer, which is never dereferenced: a closed or foreign one
//! is an error.
//!
//! The number of a handle is never used again, and has the kind of its object. A key, which differs in each copy of this library,
//! is added to it: so a copy refuses the handles of another copy, and addresses.

use crate::error::ErrorCode;
use crate::failure::{Failure, Result};
use image_cache_store::process::{Generation, Working};
use std::any::Any;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What a handle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Cache = 1,
    Reader = 2,
    Writer = 3,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Cache, Kind::Reader, Kind::Writer];
    /// Bits of a kind in a handle.
    const BITS: u32 = 2;
    const MASK: usize = (1 << Kind::BITS) - 1;

    /// Its name in error texts.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cache => "cache",
            Kind::Reader => "reader",
            Kind::Writer => "writer",
        }
    }

    /// Whether a forked child can use an object of its parent.
    fn is_for_children(self) -> bool {
        self == Kind::Cache
    }
}

/// The object behind a handle.
pub(crate) type Object = Arc<dyn Any + Send + Sync>;

struct Entry {
    object: Object,
    process: Generation,
}

/// The handles of this copy of the library.
struct Table {
    /// The highest bit is set: no handle is NULL, or the address of something in the program. 0 before the first handle.
    key: usize,
    /// Handles that were given, open and closed ones.
    given: usize,
    open: BTreeMap<usize, Entry>,
    /// What a child closed of its parent: it is not dropped, because its drop would call functions of the parent's source.
    left: Vec<Object>,
}

static TABLE: RwLock<Table> = RwLock::new(Table::new());

/// Makes a handle for an object.
pub(crate) fn add(kind: Kind, object: Object) -> Result<usize> {
    let entry = Entry { object, process: Generation::current() };
    let (_working, mut table) = write();
    table.add(kind, entry)
}

/// The object of an open handle.
pub(crate) fn find(kind: Kind, handle: usize) -> Result<Object> {
    let (_working, table) = read();
    table.find(kind, handle)
}

/// Closes a handle, and returns its object, which the caller drops; `None` if it is the parent's.
pub(crate) fn remove(kind: Kind, handle: usize) -> Result<Option<Object>> {
    let (_working, mut table) = write();
    table.remove(kind, handle)
}

// A fork waits until no other thread has the table locked: in the child, nobody would unlock it. The caller drops the lock first.

fn read() -> (Working, RwLockReadGuard<'static, Table>) {
    (Working::start(), TABLE.read().unwrap_or_else(PoisonError::into_inner))
}

fn write() -> (Working, RwLockWriteGuard<'static, Table>) {
    (Working::start(), TABLE.write().unwrap_or_else(PoisonError::into_inner))
}

impl Table {
    const fn new() -> Table {
        Table { key: 0, given: 0, open: BTreeMap::new(), left: Vec::new() }
    }

    fn add(&mut self, kind: Kind, entry: Entry) -> Result<usize> {
        const HIGHEST: usize = 1 << (usize::BITS - 1);
        if self.key == 0 {
            self.key = RandomState::new().hash_one(0) as usize | HIGHEST;
        }
        let given = self.given + 1;
        if given >= HIGHEST >> Kind::BITS {
            let text = "this process has opened too many handles: start it again";
            return Err(Failure::new(ErrorCode::Other, text));
        }
        self.given = given;
        let number = (given << Kind::BITS) | kind as usize;
        self.open.insert(number, entry);
        Ok(number ^ self.key)
    }

    fn find(&self, kind: Kind, handle: usize) -> Result<Object> {
        let number = self.number(kind, handle)?;
        let entry = self.open.get(&number).ok_or_else(|| closed(kind))?;
        if entry.is_usable(kind) { Ok(Arc::clone(&entry.object)) } else { Err(forked(kind)) }
    }

    fn remove(&mut self, kind: Kind, handle: usize) -> Result<Option<Object>> {
        let number = self.number(kind, handle)?;
        let entry = self.open.remove(&number).ok_or_else(|| closed(kind))?;
        if entry.is_usable(kind) {
            return Ok(Some(entry.object));
        }
        self.left.push(entry.object);
        Ok(None)
    }

    /// The number of a handle of this kind, open or closed.
    fn number(&self, kind: Kind, handle: usize) -> Result<usize> {
        let number = handle ^ self.key;
        let is_given = (1..=self.given).contains(&(number >> Kind::BITS));
        let found = Kind::ALL.into_iter().find(|it| *it as usize == number & Kind::MASK);
        let name = kind.name();
        match found.filter(|_| is_given) {
            Some(found) if found == kind => Ok(number),
            Some(other) => Err(Failure::argument(format!(
                "the handle is that of a {}, not of a {name}",
                other.name()
            ))),
            None => Err(Failure::argument(format!(
                "{handle:#x} is no {name}: pass a handle that this library wrote"
            ))),
        }
    }
}

impl Entry {
    /// Whether this process may use the object, or is a child that must not.
    fn is_usable(&self, kind: Kind) -> bool {
        kind.is_for_children() || self.process.is_current()
    }
}

fn closed(kind: Kind) -> Failure {
    let name = kind.name();
    Failure::argument(format!("the {name} is closed already: this is a copy of its handle"))
}

fn forked(kind: Kind) -> Failure {
    let text = format!(
        "the {} was opened before this process was forked, by its parent: open one in this process",
        kind.name()
    );
    Failure::new(ErrorCode::Forked, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry { object: Arc::new(7), process: Generation::current() }
    }

    fn text<T>(result: Result<T>) -> String {
        result.map(drop).expect_err("it is refused").text
    }

    #[test]
    fn each_handle_is_new_and_only_its_own_table_knows_it() -> Result<()> {
        let (mut table, mut other) = (Table::new(), Table::new());
        let closed = table.add(Kind::Reader, entry())?;
        assert!(table.find(Kind::Reader, closed).is_ok());
        assert!(table.remove(Kind::Reader, closed)?.is_some());
        let open = table.add(Kind::Reader, entry())?;
        assert_ne!(closed, open);
        for result in
            [table.find(Kind::Reader, closed).map(Some), table.remove(Kind::Reader, closed)]
        {
            assert!(text(result).starts_with("the reader is closed already"));
        }
        for handle in [open, closed] {
            let fault = text(table.find(Kind::Cache, handle));
            assert_eq!(fault, "the handle is that of a reader, not of a cache");
        }
        other.add(Kind::Reader, entry())?;
        other.add(Kind::Reader, entry())?;
        for foreign in [open, 0, 1, usize::MAX, &raw const table as usize] {
            assert!(text(other.find(Kind::Reader, foreign)).contains("is no reader"), "{foreign}");
        }
        assert!(text(Table::new().find(Kind::Reader, open)).contains("is no reader"));
        Ok(())
    }

    #[test]
    fn numbers_are_not_used_again_when_they_are_used_up() {
        let mut table = Table { given: (1 << (usize::BITS - 3)) - 2, ..Table::new() };
        assert!(table.add(Kind::Writer, entry()).is_ok());
        assert!(text(table.add(Kind::Writer, entry())).contains("too many handles"));
    }
}
