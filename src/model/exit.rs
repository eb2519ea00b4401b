//! Exit codes of processes, as their callers and supervisors read them; 0 is success.
//!
//! Which failure of a command ends with which is in `cli/outcome.rs`.

/// Anything that has no code of its own.
pub const FAILED: u8 = 1;
/// The command line, the settings or an input cannot be used.
pub const USAGE: u8 = 2;
/// Nobody answers.
pub const UNREACHABLE: u8 = 3;
/// There is no quorum, or requests are not answered.
pub const UNAVAILABLE: u8 = 4;
/// The cluster serves, but needs attention.
pub const DEGRADED: u8 = 5;
/// It is not known whether a request took effect.
pub const UNKNOWN: u8 = 6;
/// Damage, divergence or a broken rule.
pub const INTEGRITY: u8 = 7;
/// The disk failed.
pub const DISK: u8 = 8;
/// The process has panicked; Rust's own code for that.
pub const BUG: u8 = 101;
