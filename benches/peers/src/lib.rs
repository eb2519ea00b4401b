//! Servers of several kinds on this machine, and the load that is the same for all of them.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

pub mod load;
pub mod servers;
