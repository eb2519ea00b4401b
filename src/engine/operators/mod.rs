//! Operators that several protocols wire in unchanged.

pub mod address;
pub mod catch_up;
pub mod checkpointer;
pub mod execution;
pub mod executor;
pub mod lineup;
pub mod patience;
pub mod reader;
pub mod release;
pub mod requests;
pub mod sessions;
pub mod state;
pub mod tail;
pub mod transfer;
