//! The protocols.

pub mod tara;
