//! The key-value service and its clients' side: Redis, replicated.
//!
//! [`service`] executes commands in every replica, [`resp`] is Redis's wire format, [`redis`] one
//! client's connection, and [`command_file`] a file of commands.

pub mod command_file;
pub mod redis;
pub mod resp;
pub mod service;
