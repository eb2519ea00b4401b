//! Words of the field: slots, views, quorums, batches, checkpoints, and the trait of a replicated
//! service.
//!
//! Every other room uses these words; they use no other room.

pub mod app;
pub mod batch;
pub mod buffer;
pub mod checkpoint;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one place that asks")]
pub mod clock;
pub mod config;
pub mod error;
pub mod events;
pub mod exit;
pub mod histogram;
pub mod parts;
pub mod quorum;
pub mod random;
pub mod reads;
pub mod refused;
pub mod table;
pub mod types;
