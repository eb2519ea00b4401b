//! What grows with load or with the past, at half its bound, at the bound, and at four times of it: nothing
//! stops there. These are the rows of "Amounts and bounds" in `ARCHITECTURE.md`, and where each is tried:
//!
//! | what grows | where |
//! |--|--|
//! | a message | `messages.rs`, `src/hosts/server/peers/tests.rs` |
//! | what waits for a link | `src/hosts/server/peers/tests.rs` |
//! | what clients ask and are answered | `src/hosts/edge/gather.rs`, `src/kv/redis/connection/tests/bounds.rs`, `src/client/session/tests.rs` |
//! | proposals sent again | `again.rs` |
//! | batches of a source sent again | `again.rs` |
//! | an account (Record) | `views.rs`, `messages.rs` |
//! | values for a new leader, or a committer that lacks them | `views.rs` |
//! | decided slots and checkpoints fetched | `fetched.rs` |
//! | slots and bytes ahead of the stable checkpoint | `ahead.rs` |
//! | journal at a start | `ahead.rs` |
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod again;
mod ahead;
mod fetched;
mod messages;
mod trio;
mod views;
