//! Disks, journals and checkpoints, and bytes from outside.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for threads and processes"
)]

mod checkpoint_pieces;
mod damaged_disks;
mod decoders;
mod disks;
mod fetching;
mod journal;
mod journal_thread;
mod past;
