//! Lines: connections without a session, as Redis clients have them.
//!
//! What is sent on a line arrives in order or not at all, and is sent once: a request that is lost
//! with its replica stays unknown, and so do those after it. So what is promised of order can be
//! seen here: the requests of a line take effect in the order sent, and only the last of them may
//! be missing.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

use super::clients::Ask;
use super::events::SimEvent;
use super::faults::Micros;
use super::world::World;
use crate::engine::protocol::JournalRecord;
use crate::model::batch::{Packer, Replies, Request};
use crate::model::config::Config;
use crate::model::types::{ClientId, ReplicaId};

/// What a replica's process knows of its lines.
#[derive(Default)]
pub(super) struct Lines {
    /// The number of the next request of each.
    due: BTreeMap<ClientId, u64>,
    /// Requests for which the next batch has no room.
    waiting: VecDeque<Ask>,
}

impl Lines {
    /// A request arrives; one that does not follow the one before is of a line that has been cut.
    pub fn take(&mut self, ask: &Ask) {
        let due = self.due.entry(ask.client).or_insert(1);
        if ask.number == *due {
            *due += 1;
            self.waiting.push_back(ask.clone());
        }
    }

    /// Puts into a batch what there is room for.
    pub fn fill(&mut self, edge: &mut Packer, config: &Config) {
        while let Some(ask) = self.waiting.pop_front_if(|ask| ask.fits(edge, config)) {
            edge.push(ask.request());
        }
    }
}

impl Ask {
    /// Whether a batch has room for it: one request it always has.
    pub fn fits(&self, edge: &Packer, config: &Config) -> bool {
        let fits = edge.len() < config.batch_requests_max
            && edge.bytes() + self.command.len() <= config.batch_bytes_max;
        fits || edge.is_empty()
    }

    pub fn request(&self) -> Request<'_> {
        let Self { client, number, acknowledged, ref command } = *self;
        Request { client, number, acknowledged, command }
    }
}

/// The replies among these that go to lines.
fn of_lines(replies: &Replies) -> Replies {
    let mut own = Replies::default();
    replies.iter().filter(|reply| reply.client.line().is_some()).for_each(|reply| own.push(reply));
    own
}

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: JournalRecord,
{
    /// How long something takes on a line: what is lost under way is sent again below it.
    fn delay_on_line(&mut self) -> Micros {
        let again = if self.is_lost() { self.random.below(200_000) } else { 0 };
        self.delay() + again
    }

    /// Client `index` sends a request on its line.
    pub(super) fn ask_on_line(&mut self, index: usize, to: ReplicaId, ask: Ask) {
        let when = self.now + self.delay_on_line();
        let when = self.clients.in_order(index, when);
        self.queue.at(when, SimEvent::Ask { to, ask });
    }

    /// Answers have been lost, but for those on lines.
    pub(super) fn answer_lines(&mut self, from: ReplicaId, replies: &Replies) {
        let replies = of_lines(replies);
        if !replies.is_empty() {
            let when = self.now + self.delay_on_line();
            self.queue.at(when, SimEvent::Answer { from, replies });
        }
    }
}
