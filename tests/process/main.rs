//! Clusters of threads and of processes among faults.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for threads and processes"
)]

#[path = "../support/processes/mod.rs"]
mod support;

mod damaged_files;
mod doctor;
mod embedded;
mod endurance;
mod hostile;
mod leases;
mod library;
mod mismatched_clients;
mod nemesis;
mod protocols;
mod reads;
mod restarts;
mod supervisor;
