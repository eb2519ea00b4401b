//! Publication of frames: four times a second, after the messages of the turn have left.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::node::Node;
use crate::engine::protocol::JournalRecord;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::observe::board::Board;
use crate::observe::frame::Frame;
use crate::observe::health::HealthLimits;
use crate::observe::monitor::Observation;

/// Publishes frames of a replica on its board.
pub(super) struct Publisher {
    board: Board,
    limits: HealthLimits,
    clock: Clock,
    observation: Option<Observation>,
    next: Duration,
    /// How many frames have been taken.
    frames: u64,
    /// Whether the roles have been asked what they hold.
    due: bool,
}

impl Publisher {
    const EVERY: Duration = Duration::from_millis(250);

    /// Publishes on `board` how a replica with these settings stands, and what is seen of it if it
    /// is observed.
    pub fn new(
        board: Board,
        config: &Config,
        clock: Clock,
        observation: Option<Observation>,
    ) -> Self {
        let (limits, next) = (HealthLimits::of(config), Duration::ZERO);
        Self { board, limits, clock, observation, next, frames: 0, due: false }
    }

    /// Asks the roles what they hold, if a frame is due: the next turn answers.
    pub fn on_tick<M, R>(&mut self, node: &Node<M, R>)
    where
        M: Clone + 'static,
        R: JournalRecord,
    {
        let elapsed = self.clock.elapsed();
        if elapsed >= self.next {
            self.next = elapsed + Self::EVERY;
            self.publish_soon(node);
        }
    }

    /// Has a frame published after the next turn, whenever the last one was.
    pub fn publish_soon<M, R>(&mut self, node: &Node<M, R>)
    where
        M: Clone + 'static,
        R: JournalRecord,
    {
        self.due = true;
        node.look();
    }

    /// Whether a frame is to be published now.
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// Publishes the frame that is due: how the replica stood when that was last put on the board,
    /// and what has been observed.
    pub fn publish<M, R>(&mut self, node: &mut Node<M, R>) -> Option<Arc<Frame>>
    where
        M: Clone + 'static,
        R: JournalRecord,
    {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        let (mut status, _) = self.board.status()?;
        status.not_ready = self.limits.reasons(&status, Duration::ZERO);
        self.frames += 1;
        let frame = match &self.observation {
            Some(observation) => observation.frame(node, status),
            None => Frame::unwatched(status, self.frames, self.clock.now_us()),
        };
        let frame = Arc::new(frame);
        if self.frames == 1
            && let Some(observation) = &self.observation
        {
            self.board.set_watched(observation.past(), observation.activity());
        }
        self.board.set_frame(Arc::clone(&frame));
        Some(frame)
    }
}
