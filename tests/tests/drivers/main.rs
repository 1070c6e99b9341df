//! Drivers: the conformance suite on the built-in drivers and the examples, and drivers that cannot be used, fail, return false
//! results or attack. The cache continues to work, with sqlite if necessary. This is one program, so that wasmtime is linked
//! once.

mod agreement;
mod conformance;
mod conformance_of_faults;
mod database;
mod events;
mod examples;
mod failing;
mod frozen;
mod hostile;
mod loading;
mod logged;
mod lying;
mod migrating;
mod planted;
mod printing;
mod reasons;
mod simulated;
