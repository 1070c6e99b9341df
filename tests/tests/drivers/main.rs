//! Drivers that cannot be used, that fail later, or that lie: the cache goes on, with sqlite where it must.

mod database;
mod failing;
mod loading;
mod lying;
mod migrating;
mod planted;
