//! What a replica shows of itself: four frames a second for this process, one for the others.
//!
//! Nobody who looks is waited for. A frame is taken after the turn's messages and replies have left, and
//! one for another replica is left out when its link is not empty.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::node::Node;
use crate::observe::board::Board;
use crate::observe::frame::Frame;
use crate::observe::health::Limits;
use crate::observe::status::{Bounds, ReplicaStatus};
use crate::server::peers::Peers;
use crate::server::report::Report;
use crate::types::ReplicaId;

/// Bytes of a frame that may cross a link. One is a few ten thousand.
pub const FRAME_BYTES_MAX: usize = 512 << 10;

/// Owns the boards of a process: its own replica's, and one for the frames of each other.
pub struct Showing {
    boards: Vec<Board>,
    me: ReplicaId,
    bounds: Bounds,
    limits: Limits,
    next: Duration,
    frames: u64,
    /// Whether the roles have been asked what they hold.
    due: bool,
}

impl Showing {
    const EVERY: Duration = Duration::from_millis(250);
    /// One frame in so many is for the other replicas, too.
    const FOR_OTHERS: u64 = 4;

    /// Shows replica `me` on its board.
    pub fn new(boards: Vec<Board>, me: ReplicaId, bounds: Bounds, limits: Limits) -> Self {
        Self { boards, me, bounds, limits, next: Duration::ZERO, frames: 0, due: false }
    }

    fn own(&self) -> &Board {
        &self.boards[self.me.0 as usize]
    }

    /// Puts up how the replica stands.
    pub fn report(&self, report: Report) {
        self.own().set(report);
    }

    /// Puts up a frame of another replica.
    pub fn hear(&self, from: ReplicaId, bytes: Vec<u8>) {
        if let Some(board) = self.boards.get(from.0 as usize).filter(|_| from != self.me) {
            board.set_bytes(bytes);
        }
    }

    /// Asks the roles what they hold, if a frame is due: the next turn answers.
    pub fn on_tick<M, R>(&mut self, node: &Node<M, R>, elapsed: Duration)
    where
        M: Clone + 'static,
        R: Clone + Serialize + DeserializeOwned + 'static,
    {
        if elapsed >= self.next {
            self.next = elapsed + Self::EVERY;
            self.due = true;
            node.look();
        }
    }

    /// Takes the frame that is due, if one is.
    pub fn take<M, R>(&mut self, node: &mut Node<M, R>, peers: &mut Peers)
    where
        M: Clone + 'static,
        R: Clone + Serialize + DeserializeOwned + 'static,
    {
        if !std::mem::take(&mut self.due) {
            return;
        }
        let (Some(observed), Some(report)) = (node.observe(), self.own().get()) else { return };
        if self.frames == 0
            && let Some(past) = node.past()
        {
            self.own().set_past(past.clone());
        }
        let reasons = self.limits.reasons(Some(&report), report.at);
        let frame = Frame::new(ReplicaStatus::new(&report, &self.bounds, reasons), observed);
        if self.frames.is_multiple_of(Self::FOR_OTHERS) {
            peers.show(&frame);
        }
        self.frames += 1;
        self.own().set_frame(frame);
    }
}
