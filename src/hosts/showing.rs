//! Publication of frames: four times a second, after what the turn has said has left.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::node::Node;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::observe::board::Board;
use crate::observe::frame::Frame;
use crate::observe::health::HealthLimits;
use crate::observe::report::HostReport;
use crate::observe::status::{Bounds, ReplicaStatus};
use crate::observe::syncs::Syncs;
use crate::observe::watching::Observation;

/// Owns a replica's place on its board.
pub struct Showing {
    board: Board,
    bounds: Bounds,
    limits: HealthLimits,
    clock: Clock,
    observation: Option<Observation>,
    syncs: Syncs,
    next: Duration,
    /// How many frames have been taken of a replica that is not watched.
    unwatched: u64,
    /// Whether the roles have been asked what they hold.
    due: bool,
}

impl Showing {
    const EVERY: Duration = Duration::from_millis(250);

    /// Shows a replica with these settings on `board`, and what is seen of it if it is observed.
    #[must_use]
    pub fn new(
        board: Board,
        bounds: Bounds,
        config: &Config,
        clock: Clock,
        observation: Option<Observation>,
    ) -> Self {
        let (limits, next) = (HealthLimits::of(config), Duration::ZERO);
        Self {
            board,
            bounds,
            limits,
            clock,
            observation,
            syncs: Syncs::default(),
            next,
            unwatched: 0,
            due: false,
        }
    }

    /// Puts up how the replica stands.
    pub fn report(&mut self, mut report: HostReport) {
        if let Some((_, times)) = &report.syncs {
            report.recent_syncs = self.syncs.on_reading(report.up_for, times);
        }
        self.board.set(report);
    }

    /// Asks the roles what they hold, if a frame is due: the next turn answers.
    pub fn on_tick<M, R>(&mut self, node: &Node<M, R>)
    where
        M: Clone + 'static,
        R: Clone + Serialize + DeserializeOwned + 'static,
    {
        let elapsed = self.clock.elapsed();
        if elapsed >= self.next {
            self.next = elapsed + Self::EVERY;
            self.hurry(node);
        }
    }

    /// Takes a frame after the next turn, due or not.
    pub fn hurry<M, R>(&mut self, node: &Node<M, R>)
    where
        M: Clone + 'static,
        R: Clone + Serialize + DeserializeOwned + 'static,
    {
        self.due = true;
        node.look();
    }

    /// Whether a frame is to be taken now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// Takes and shows the frame that is due.
    pub fn take<M, R>(&mut self, node: &mut Node<M, R>) -> Option<Arc<Frame>>
    where
        M: Clone + 'static,
        R: Clone + Serialize + DeserializeOwned + 'static,
    {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        let report = self.board.get()?;
        let reasons = self.limits.reasons(Some(&report), report.at);
        let status = ReplicaStatus::new(&report, &self.bounds, reasons);
        let frame = match &self.observation {
            Some(observation) => observation.frame(node, status),
            None => {
                self.unwatched += 1;
                Frame::unwatched(status, self.unwatched, self.clock.now_us())
            }
        };
        let frame = Arc::new(frame);
        if frame.number == 1
            && let Some(observation) = &self.observation
        {
            self.board.set_watched(observation.past(), observation.activity());
        }
        self.board.set_frame(Arc::clone(&frame));
        Some(frame)
    }
}
