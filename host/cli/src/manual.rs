//! The manuals.
