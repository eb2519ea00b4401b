//! Operators that several protocols wire in unchanged.
//!
//! ```text
//!  decided ─> release ─> ordered stream (time = slot) ─> executor ─> replies
//!                ^             │                            │
//!                │             v                            v
//!             restored <── catch_up <── checkpoints <── checkpointer
//! ```

pub mod address;
pub mod catch_up;
pub mod checkpointer;
pub mod executor;
pub mod lineup;
pub mod patience;
pub mod release;
pub mod requests;
pub mod sessions;
pub mod state;
pub mod tail;
pub mod transfer;
