//! The reference: the result of the agreed order, worked out a second time.
//!
//! Replicas that break one rule alike agree with each other, and no comparison of them shows it. So
//! what clients are promised of order, of numbers and of sessions is worked out here from the slots
//! alone, once, and what replicas do and say is held against it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::batch::{Answer, Batch, BatchId, Replies, Request, Value};
use crate::model::types::{ClientId, ReplicaId, Slot};

/// What follows from the slots executed so far.
#[derive(Debug, Default)]
pub(super) struct Reference {
    sessions_max: usize,
    /// The last batch of each source that has been applied.
    sources: BTreeMap<ReplicaId, BatchId>,
    /// What each name of a batch has stood for.
    batches: BTreeMap<BatchId, Batch>,
    /// How many requests of each line have taken effect, and how many have been answered.
    effects: BTreeMap<ClientId, u64>,
    /// Replicas that have taken over a checkpoint in their present life.
    jumped: BTreeSet<ReplicaId>,
    answered: BTreeMap<ClientId, u64>,
    /// The open sessions, each with the slot that used it last.
    open: BTreeMap<ClientId, Slot>,
    /// For whom each session has been opened, by the number the client made up.
    opened: BTreeMap<ClientId, ClientId>,
    /// Requests of sessions that were not open.
    without_session: BTreeSet<(ClientId, u64)>,
}

impl Reference {
    /// Nothing is executed; so many sessions are kept.
    pub fn new(sessions_max: usize) -> Self {
        Self { sessions_max, ..Self::default() }
    }

    /// A slot is executed, for the first time anywhere, and its requests were `applied` or passed
    /// over.
    ///
    /// # Errors
    /// G4, G5: what was promised of the order of requests, and of the names of batches.
    pub fn on_slot(&mut self, slot: Slot, value: &Value, applied: bool) -> Result<(), String> {
        let Some(batch) = value else { return Ok(()) };
        self.check_name(batch)?;
        let last = self.sources.get(&batch.id.source).copied().unwrap_or_default();
        let id = batch.id;
        let next = (id.incarnation, id.number) == (last.incarnation, last.number + 1);
        let is_due = next || id.incarnation > last.incarnation && id.number == 1;
        if applied != is_due {
            let did = if applied { "applies" } else { "passes over" };
            return Err(format!("G4: slot {slot} {did} {id:?}, and {last:?} was before it"));
        }
        if !applied {
            return Ok(());
        }
        self.sources.insert(id.source, id);
        batch.requests.iter().try_for_each(|request| self.on_request(slot, &request))
    }

    /// A batch has left its source, or has been executed.
    ///
    /// # Errors
    /// G5: another had its name.
    pub fn check_name(&mut self, batch: &Batch) -> Result<(), String> {
        let first = self.batches.entry(batch.id).or_insert_with(|| batch.clone());
        if first == batch {
            return Ok(());
        }
        Err(format!("G5: {:?} is {:?}, and was {:?}", batch.id, batch.requests, first.requests))
    }

    fn on_request(&mut self, slot: Slot, request: &Request<'_>) -> Result<(), String> {
        let Request { client, number, .. } = *request;
        if client.line().is_some() {
            let before = self.effects.insert(client, number).unwrap_or_default();
            if number != before + 1 {
                return Err(format!("G4: request {number} of line {client} follows {before}"));
            }
        } else if number == 0 {
            self.open_session(slot, client);
        } else if let Some(used) = self.open.get_mut(&client) {
            *used = slot;
        } else {
            self.without_session.insert((client, number));
        }
        Ok(())
    }

    /// One more closes the one that has been silent longest.
    fn open_session(&mut self, slot: Slot, wanted_by: ClientId) {
        while self.open.len() >= self.sessions_max {
            let silent = self.open.iter().min_by_key(|(client, used)| (**used, **client));
            let Some((&silent, _)) = silent else { break };
            self.open.remove(&silent);
        }
        let session = ClientId(self.opened.len() as u64);
        self.opened.insert(session, wanted_by);
        self.open.insert(session, slot);
    }

    /// A replica starts.
    pub fn on_start(&mut self, me: ReplicaId) {
        self.jumped.remove(&me);
    }

    /// A replica takes over a checkpoint: what it had not executed before, it will not answer.
    pub fn on_installed(&mut self, me: ReplicaId) {
        self.jumped.insert(me);
    }

    /// A replica has something for its clients.
    ///
    /// # Errors
    /// G3, G4: a line is answered out of its order, or a session is what it cannot be.
    pub fn on_replies(&mut self, from: ReplicaId, replies: &Replies) -> Result<(), String> {
        for reply in replies.iter() {
            let (client, number) = (reply.client, reply.number);
            if client.line().is_some() {
                let before = self.answered.insert(client, number).unwrap_or_default();
                let may_jump = self.jumped.contains(&from) && number > before;
                if number != before + 1 && !may_jump {
                    return Err(format!(
                        "G4: {from} answers {number} of line {client} after {before}"
                    ));
                }
                continue;
            }
            let fits = match reply.answer {
                Answer::Opened(session) => self.opened.get(&session) == Some(&client),
                Answer::NoSession => self.without_session.contains(&(client, number)),
                Answer::Done(_) | Answer::Forgotten | Answer::OutsideWindow => true,
            };
            if !fits {
                let answer = reply.answer;
                return Err(format!(
                    "G3: {from} answers {number} of client {client} with {answer:?}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::batch::{Packer, Reply};

    fn batch(incarnation: u64, number: u64, requests: &[(ClientId, u64)]) -> Value {
        let mut packer = Packer::default();
        for &(client, number) in requests {
            packer.push(Request { client, number, acknowledged: 0, command: b"" });
        }
        let id = BatchId { source: ReplicaId(1), incarnation, number };
        Some(Batch { id, time_ms: 0, requests: packer.finish() })
    }

    fn rule_of(outcome: Result<(), String>) -> String {
        outcome.err().map_or_else(String::new, |why| why[..2].to_owned())
    }

    #[test]
    fn batches_of_a_source_are_applied_in_order_and_each_life_from_its_first() {
        let mut reference = Reference::new(4);
        let mut slot =
            |at, batch: Value, applied| rule_of(reference.on_slot(Slot(at), &batch, applied));
        assert_eq!(slot(0, batch(1, 1, &[]), true), "");
        assert_eq!(slot(1, batch(1, 3, &[]), true), "G4", "the second is missing");
        assert_eq!(slot(2, batch(1, 3, &[]), false), "");
        assert_eq!(slot(3, batch(1, 2, &[]), false), "G4", "its turn has come");
        assert_eq!(slot(4, batch(2, 2, &[]), true), "G4", "a life begins with 1");
        assert_eq!(slot(5, batch(2, 1, &[]), true), "");
        assert_eq!(slot(6, batch(1, 2, &[]), false), "", "its life is over");
    }

    #[test]
    fn a_name_stands_for_one_batch() {
        let mut reference = Reference::new(4);
        reference.on_slot(Slot(0), &batch(1, 1, &[(ClientId(5), 0)]), true).unwrap();
        assert_eq!(rule_of(reference.on_slot(Slot(1), &batch(1, 1, &[]), false)), "G5");
    }

    #[test]
    fn a_line_has_its_requests_executed_and_answered_in_order_without_a_gap() {
        let mut reference = Reference::new(4);
        let line = ClientId::of_line(3);
        let mut say = |number| {
            let mut replies = Replies::default();
            replies.push(Reply { client: line, number, answer: Answer::Done(b"") });
            rule_of(reference.on_replies(ReplicaId(1), &replies))
        };
        assert_eq!(say(1), "");
        assert_eq!(say(3), "G4");
        reference.on_slot(Slot(0), &batch(1, 1, &[(line, 1), (line, 2)]), true).unwrap();
        assert_eq!(rule_of(reference.on_slot(Slot(1), &batch(1, 2, &[(line, 4)]), true)), "G4");
    }

    #[test]
    fn of_sessions_the_one_silent_longest_closes_and_names_are_new() {
        let mut reference = Reference::new(2);
        let open = |number| (ClientId(number), 0);
        let requests = [open(70), open(71), (ClientId(0), 1)];
        reference.on_slot(Slot(0), &batch(1, 1, &requests[..2]), true).unwrap();
        reference.on_slot(Slot(1), &batch(1, 2, &requests[2..]), true).unwrap();
        reference.on_slot(Slot(2), &batch(1, 3, &[open(72)]), true).unwrap();
        let late = [(ClientId(0), 2), (ClientId(1), 1)];
        reference.on_slot(Slot(3), &batch(1, 4, &late), true).unwrap();
        let mut say = |client, number, answer| {
            let mut replies = Replies::default();
            replies.push(Reply { client: ClientId(client), number, answer });
            rule_of(reference.on_replies(ReplicaId(1), &replies))
        };
        assert_eq!(say(1, 1, Answer::NoSession), "", "it was silent for longer");
        assert_eq!(say(0, 2, Answer::NoSession), "G3");
        assert_eq!(say(72, 0, Answer::Opened(ClientId(2))), "");
        assert_eq!(say(72, 0, Answer::Opened(ClientId(0))), "G3", "it is another's");
    }
}
