//! Amounts that grow with load or with the past, at half their bound, at it, and at four times of
//! it: nothing stops there. These are the rows of "Amounts and bounds" in `ARCHITECTURE.md`, and
//! where each is tried:
//!
//! | what grows | where |
//! |--|--|
//! | a message | `messages.rs`, `src/hosts/server/peers/tests.rs` |
//! | what waits for a link | `src/hosts/server/peers/tests.rs` |
//! | what clients ask and are answered | `src/hosts/edge/gather.rs`, `src/kv/redis/connection/tests/bounds.rs`, `src/client/session/tests.rs` |
//! | proposals sent again | `resending.rs` |
//! | batches of a source sent again | `resending.rs` |
//! | an account (Record) | `view_changes.rs`, `messages.rs` |
//! | values for a new leader, or a committer that lacks them | `view_changes.rs` |
//! | decided slots and checkpoints fetched | `catch_up.rs` |
//! | slots and bytes ahead of the stable checkpoint | `window.rs` |
//! | journal at a start | `window.rs` |

mod catch_up;
mod messages;
mod resending;
mod trio;
mod view_changes;
mod window;
