//! Replicas as processes among faults: killed, paused, ended, cut off, and on disks that fail.

mod chaos;
mod clients;
mod disks;
mod faults;
mod leaders;
mod refusals;
mod submits;
