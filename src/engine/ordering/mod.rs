//! Ordering in views: the parts of every protocol in which the leader of a view proposes and a
//! quorum of acceptors accepts.
//!
//! ```text
//!  batches ─> proposer ═Proposal, Renewal═> acceptor ─> votes
//!                ^                            ║  ^
//!             new_view                  Record║  ║Need, Supply
//!                └──────── recovery <═════════╝  ╚═> acceptor, recovery
//! ```
//!
//! A view is what others call a ballot: [`View::leader`](crate::model::types::View::leader) names
//! its owner. What a protocol adds is who asks for a view and when, to whom votes go, and who
//! counts them.
//!
//! What must hold, by the names that assertions and invariants use:
//! - **T1** In one view one value is proposed for a slot. So a slot and a view stand for a value,
//!   and what was accepted can be told in [`runs`] of slots, however long the past is.
//! - **T4** An acceptor that has answered for its slots in a view accepts in no earlier one. The
//!   view and what was accepted are therefore owned by one state, the [`acceptor`].
//! - **T5** No slot is proposed a window or more above the stable checkpoint.
//! - **TA-9** A view is led with the records of a quorum, once, and what the highest view accepted
//!   for a slot is proposed again before anything new.
//! - **TA-12** A restarted acceptor stands by all that it has sent, for it was on its disk first.

pub mod acceptor;
mod decided;
mod lacking;
pub mod messages;
pub mod proposer;
pub mod recovery;
pub mod runs;
