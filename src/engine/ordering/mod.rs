//! Ordering: the parts of every protocol in which somebody proposes and a quorum of acceptors
//! accepts.
//!
//! In views, where the leader of a view proposes for all slots:
//!
//! ```text
//!  batches ─> proposer ═Proposal, Renewal═> acceptor ─> votes
//!                ^                            ║  ^
//!             new_view                  Record║  ║Need, Supply
//!                └──────── recovery <═════════╝  ╚═> acceptor, recovery
//! ```
//!
//! A view is what others call a ballot: [`View::leader`](crate::model::types::View::leader) names
//! its owner. What a protocol adds is who asks for a view and when, and to whom votes go.
//!
//! In views or without them: the [`learner`] counts votes, the [`window`] bounds how far ahead slots
//! are proposed, and [`decided`] keeps account of what a journal knows to be decided.
//!
//! What must hold, by the names that assertions and invariants use:
//! - **T1** In one view one value is proposed for a slot. So a slot and a view stand for a value,
//!   and what was accepted can be told in [`runs`] of slots, however long the past is.
//! - **T3** A slot is decided once, with the votes of a quorum in one view.
//! - **T4** An acceptor that has answered for its slots in a view accepts in no earlier one. The
//!   view and what was accepted are therefore owned by one state, the [`acceptor`].
//! - **T5** No slot is proposed a window or more above the stable checkpoint.
//! - **TA-9** A view is led with the records of a quorum, once, and what the highest view accepted
//!   for a slot is proposed again before anything new.
//! - **TA-12** A restarted acceptor stands by all that it has sent, for it was on its disk first.

pub mod acceptor;
pub mod decided;
pub mod horizon;
pub mod invariants;
mod lacking;
pub mod learner;
pub mod messages;
pub mod proposer;
pub mod recovery;
pub mod runs;
mod standing;
pub mod turnover;
pub mod window;
