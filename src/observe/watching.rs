//! An observer as the watcher of a node.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::worker::Worker;

use super::frame::Frame;
use super::monitor::Monitor;
use super::past::Past;
use super::status::ReplicaStatus;
use crate::engine::activity::Activity;
use crate::engine::node::Node;
use crate::engine::protocol::Step;
use crate::engine::watcher::Watcher;
use crate::model::events::Event;
use crate::model::types::{ReplicaId, To};

/// The host's end of an observer that watches a node.
#[derive(Clone)]
pub struct Observation(Rc<RefCell<Monitor>>);

/// The node's end of it.
struct Hooks<M> {
    observer: Rc<RefCell<Monitor>>,
    step: fn(&M) -> Option<Step>,
    activity: Activity,
    /// Whose messages come, and when they did, once that is wanted.
    from: ReplicaId,
    received_at: Option<u64>,
}

impl Monitor {
    /// Watches `node` from now on, which has been started on the worker that was prepared for it.
    /// `step` is the [protocol's](crate::engine::protocol::Protocol).
    pub fn watch<M, R>(self, node: &mut Node<M, R>, step: fn(&M) -> Option<Step>) -> Observation
    where
        M: Clone + 'static,
        R: Clone + Serialize + DeserializeOwned + 'static,
    {
        let observer = Rc::new(RefCell::new(self));
        let (activity, from) = (Activity::of(Vec::new()), ReplicaId(0));
        let observed = Rc::clone(&observer);
        node.watch(Box::new(Hooks { observer, step, activity, from, received_at: None }));
        Observation(observed)
    }
}

impl Observation {
    /// A frame of `node`, which stands like this, as it was after its last turn.
    pub fn frame<M, R>(&self, node: &mut Node<M, R>, status: ReplicaStatus) -> Frame
    where
        M: Clone + 'static,
        R: Clone + Serialize + DeserializeOwned + 'static,
    {
        self.0.borrow_mut().end_epoch(status.starts);
        node.settle();
        self.0.borrow_mut().frame(status)
    }

    /// What has been seen, for other threads.
    #[must_use]
    pub fn past(&self) -> Past {
        self.0.borrow().past().clone()
    }

    /// What the node's thread is activity, for other threads.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.0.borrow().activity().clone()
    }
}

impl<M> Watcher<M> for Hooks<M> {
    fn on_built(&mut self, worker: &Worker, incarnation: u64) {
        let mut observer = self.observer.borrow_mut();
        observer.on_built(worker, incarnation);
        self.activity = observer.activity().clone();
    }

    fn on_turn(&mut self) {
        self.observer.borrow_mut().on_turn();
    }

    fn on_delivery(&mut self, from: ReplicaId) {
        (self.from, self.received_at) = (from, None);
    }

    fn on_received(&mut self, message: &M) {
        if let Some(step) = (self.step)(message) {
            let observer = self.observer.borrow();
            let at = *self.received_at.get_or_insert_with(|| observer.now());
            observer.on_step(self.from, step, at);
        }
    }

    fn on_submit(&mut self) {
        self.observer.borrow_mut().on_submit();
    }

    fn on_worked(&mut self) {
        self.observer.borrow_mut().on_worked();
    }

    fn on_event(&mut self, event: &Event) {
        self.observer.borrow_mut().on_event(event);
    }

    fn on_sent(&mut self, messages: &[(To, M)]) {
        let steps = messages.iter().filter_map(|(_, message)| (self.step)(message));
        self.observer.borrow().on_own_steps(steps);
    }

    fn on_disk_phase(&mut self) {
        self.activity.begin_disk_phase();
    }

    fn on_disk(&mut self) {
        self.activity.begin_disk();
    }

    fn on_turn_ended(&mut self) {
        self.activity.end();
    }
}
