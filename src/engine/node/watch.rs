//! The hooks of a node for whoever observes it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Node;
use crate::engine::doing::Doing;
use crate::engine::protocol::Step;
use crate::model::events::Event;
use crate::observe::frame::Frame;
use crate::observe::observer::Observer;
use crate::observe::past::Past;
use crate::observe::status::ReplicaStatus;

/// An observer, and what it must know of the protocol.
pub(super) struct Watch<M> {
    pub(super) observer: Observer,
    pub(super) step: fn(&M) -> Option<Step>,
}

impl<M: Clone + 'static, R: Clone + Serialize + DeserializeOwned + 'static> Node<M, R> {
    /// Lets `observer` watch from now on, which prepared this replica's worker. `step` is the
    /// [protocol's](crate::engine::protocol::Protocol).
    pub fn watch(&mut self, mut observer: Observer, step: fn(&M) -> Option<Step>) {
        observer.on_built(self.replica.worker(), self.incarnation);
        self.watch = Some(Box::new(Watch { observer, step }));
    }

    /// Asks the roles what they hold, for the next [frame](Node::observe).
    pub fn look(&self) {
        if self.watch.is_some() {
            self.replica.look();
        }
    }

    /// What the observer has seen up to the last turn, of a replica that stands like this; nothing if
    /// there is no observer.
    pub fn observe(&mut self, status: ReplicaStatus) -> Option<Frame> {
        let watch = self.watch.as_mut()?;
        watch.observer.end_epoch(status.starts);
        self.replica.settle();
        let frame = watch.observer.frame(status);
        self.end_turn();
        Some(frame)
    }

    /// What the observer remembers.
    #[must_use]
    pub fn past(&self) -> Option<&Past> {
        self.watch.as_ref().map(|watch| watch.observer.past())
    }

    /// What the replica's thread is doing, if somebody watches.
    #[must_use]
    pub fn doing(&self) -> Option<&Doing> {
        self.watch.as_ref().map(|watch| watch.observer.doing())
    }

    pub(super) fn begin_turn(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.observer.on_turn();
        }
    }

    /// The replica has worked, and what it leaves goes to the disk.
    pub(super) fn begin_disk_phase(&self) {
        if let Some(doing) = self.doing() {
            doing.begin_disk_phase();
        }
    }

    /// The disk is worked on between turns.
    pub(super) fn begin_disk(&self) {
        if let Some(doing) = self.doing() {
            doing.begin_disk();
        }
    }

    /// The disk has done what it was asked between turns.
    pub(super) fn end_disk(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.observer.on_worked();
        }
        self.end_turn();
    }

    /// The thread goes on to other things.
    pub(super) fn end_turn(&self) {
        if let Some(doing) = self.doing() {
            doing.end();
        }
    }

    /// Tells the observer what has happened in the turn. What roles hold is for nobody else.
    pub(super) fn note_events(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.observer.on_worked();
            self.events[self.told..].iter().for_each(|event| watch.observer.on_event(event));
            self.events.retain(|event| !matches!(event, Event::Holds(_)));
            self.told = self.events.len();
        }
    }

    /// Tells the observer what is about to leave.
    pub(super) fn note_ready(&mut self) {
        if let Some(watch) = &mut self.watch
            && !self.ready.messages.is_empty()
        {
            let steps = self.ready.messages.iter().filter_map(|(_, message)| (watch.step)(message));
            watch.observer.on_own_steps(steps);
        }
    }
}
