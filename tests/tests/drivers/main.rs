//! Drivers: the conformance suite on the built-in ones and the examples, and drivers that cannot be used, fail, lie or
//! attack: the cache goes on, with sqlite if it must. One program, so that wasmtime is linked once.

mod conformance;
mod conformance_of_faults;
mod database;
mod examples;
mod failing;
mod hostile;
mod loading;
mod lying;
mod migrating;
mod planted;
