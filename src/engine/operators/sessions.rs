//! Sessions: a request takes effect once, however often it is sent and wherever it arrives.
//!
//! The table is part of the replicated state. It changes only by executing the log, is in every
//! checkpoint, and knows each request of the window by its number: a filter that kept only the
//! highest number would drop an older request of a pipelining client that has yet to be executed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::model::app::Damaged;
use crate::model::batch::{Answer, Request};
use crate::model::parts::PartSet;
use crate::model::types::{ClientId, Slot};

/// All open sessions, in parts that a frozen copy shares until they change.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// The name of the next one.
    next: ClientId,
    open: Vec<Arc<SessionPart>>,
    /// The parts that may have changed since that was last asked.
    changed: PartSet,
    /// How many are open, and bytes of the results of all of them, which follow from them.
    count: usize,
    bytes: usize,
}

/// The sessions of a part, by their names.
pub type SessionPart = BTreeMap<ClientId, OpenSession>;

impl Default for Sessions {
    fn default() -> Self {
        let (open, changed) = (vec![Arc::default(); Self::PARTS], PartSet::none(Self::PARTS));
        Self { next: ClientId::default(), open, changed, count: 0, bytes: 0 }
    }
}

/// What is remembered of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// The slot of its last request, by which the one silent longest is found.
    used: Slot,
    /// Up to here the client holds its replies.
    low: u64,
    /// What came of request `low + 1` and those after it, where they have been executed.
    results: VecDeque<Option<ByteBuf>>,
}

/// How many sessions there are, and how much each may have open.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Requests a client may have open at a time.
    pub window: u64,
    /// Sessions kept.
    pub sessions: usize,
    /// Bytes of results kept. When there are more, the sessions close that hold more than their
    /// share, first the one silent longest.
    pub bytes: usize,
}

/// An answer, and whether it was given before.
#[derive(Debug, PartialEq, Eq)]
pub struct SessionAnswer<'a> {
    /// What to answer the client.
    pub answer: Answer<'a>,
    /// Whether the request had been executed before.
    pub duplicate: bool,
}

impl Sessions {
    /// How many parts they are kept in.
    pub const PARTS: usize = 64;

    /// Executes a request, by `apply` if it is new.
    pub fn execute(
        &mut self,
        slot: Slot,
        request: Request<'_>,
        limits: SessionLimits,
        apply: impl FnOnce(&mut Vec<u8>),
    ) -> SessionAnswer<'_> {
        if request.number == 0 {
            let client = self.open_session(slot, limits);
            return SessionAnswer { answer: Answer::Opened(client), duplicate: false };
        }
        if let Some(session) = session_mut(&mut self.open, &mut self.changed, request.client) {
            session.used = slot;
        }
        self.make_room(limits);
        let Some(session) = session_mut(&mut self.open, &mut self.changed, request.client) else {
            return SessionAnswer { answer: Answer::NoSession, duplicate: false };
        };
        self.bytes -= session.acknowledge(request.acknowledged.min(request.number - 1));
        let bytes = &mut self.bytes;
        session.execute(request.number, limits.window, |reply| {
            apply(reply);
            *bytes += reply.len();
        })
    }

    /// The name that the next session will get.
    pub fn next(&self) -> ClientId {
        self.next
    }

    /// Bytes of the results that all of them keep.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The sessions of each part, as they are now.
    pub fn freeze(&self) -> Vec<Arc<SessionPart>> {
        self.open.clone()
    }

    /// The parts that may have changed since this was last asked.
    pub fn take_changed(&mut self) -> PartSet {
        std::mem::replace(&mut self.changed, PartSet::none(Self::PARTS))
    }

    /// All sessions, from those of each part; `next` is the name of the next one.
    ///
    /// # Errors
    /// Where one is not in its part, or has a name that has yet to be given.
    pub fn restored(next: ClientId, parts: Vec<SessionPart>) -> Result<Self, Damaged> {
        assert_eq!(parts.len(), Self::PARTS, "each part of the sessions is restored");
        let mut all = Self { next, ..Self::default() };
        for (part, sessions) in parts.into_iter().enumerate() {
            let fits = |client: &ClientId| part_of(*client) == part && *client < next;
            if !sessions.keys().all(fits) {
                return Err(Damaged { offset: 0, expected: "sessions of this part" });
            }
            all.count += sessions.len();
            all.bytes += sessions.values().map(OpenSession::bytes).sum::<usize>();
            all.open[part] = Arc::new(sessions);
        }
        Ok(all)
    }

    fn iter(&self) -> impl Iterator<Item = (&ClientId, &OpenSession)> {
        self.open.iter().flat_map(|part| part.iter())
    }

    fn make_room(&mut self, limits: SessionLimits) {
        let share = limits.bytes / limits.sessions;
        while self.bytes > limits.bytes {
            let heavy = self.iter().filter(|(_, session)| session.bytes() > share);
            let silent = heavy.min_by_key(|(client, session)| (session.used, **client));
            let Some((&client, _)) = silent else { break };
            self.close(client);
        }
    }

    fn close(&mut self, client: ClientId) {
        let part = part_of(client);
        self.changed.insert(part);
        if let Some(closed) = Arc::make_mut(&mut self.open[part]).remove(&client) {
            self.bytes -= closed.bytes();
            self.count -= 1;
        }
    }

    fn open_session(&mut self, slot: Slot, limits: SessionLimits) -> ClientId {
        while self.count >= limits.sessions {
            let silent = self.iter().min_by_key(|(client, session)| (session.used, **client));
            let Some((&client, _)) = silent else { break };
            self.close(client);
        }
        let client = self.next;
        self.next = client.next();
        let part = part_of(client);
        self.changed.insert(part);
        let session = OpenSession { used: slot, ..OpenSession::default() };
        let before = Arc::make_mut(&mut self.open[part]).insert(client, session);
        assert!(before.is_none(), "a session's name is given once");
        self.count += 1;
        assert!(self.count <= limits.sessions, "{} sessions are open", self.count);
        client
    }
}

/// The part that a session is in.
pub fn part_of(client: ClientId) -> usize {
    (client.0 % Sessions::PARTS as u64) as usize
}

/// A session to be changed, if it is open.
fn session_mut<'s>(
    open: &'s mut [Arc<SessionPart>],
    changed: &mut PartSet,
    client: ClientId,
) -> Option<&'s mut OpenSession> {
    let part = part_of(client);
    if !open[part].contains_key(&client) {
        return None;
    }
    changed.insert(part);
    Arc::make_mut(&mut open[part]).get_mut(&client)
}

impl OpenSession {
    fn bytes(&self) -> usize {
        self.results.iter().flatten().map(|result| result.len()).sum()
    }

    /// Forgets results that the client holds; returns how many bytes they had.
    fn acknowledge(&mut self, upto: u64) -> usize {
        if upto <= self.low {
            return 0;
        }
        let known = (upto - self.low).min(self.results.len() as u64) as usize;
        self.low = upto;
        self.results.drain(..known).flatten().map(|result| result.len()).sum()
    }

    fn execute(
        &mut self,
        number: u64,
        window: u64,
        apply: impl FnOnce(&mut Vec<u8>),
    ) -> SessionAnswer<'_> {
        if number <= self.low {
            return SessionAnswer { answer: Answer::Forgotten, duplicate: true };
        }
        if number - self.low > window {
            return SessionAnswer { answer: Answer::OutsideWindow, duplicate: false };
        }
        let index = (number - self.low - 1) as usize;
        if self.results.len() <= index {
            self.results.resize(index + 1, None);
        }
        let duplicate = self.results[index].is_some();
        let result = self.results[index].get_or_insert_with(|| {
            let mut reply = Vec::new();
            apply(&mut reply);
            ByteBuf::from(reply)
        });
        SessionAnswer { answer: Answer::Done(result), duplicate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SessionLimits = SessionLimits { window: 4, sessions: 2, bytes: 100 };

    fn ask(sessions: &mut Sessions, number: u64, acknowledged: u64) -> (Option<Vec<u8>>, bool) {
        let request = Request { client: ClientId(0), number, acknowledged, command: b"" };
        let mut applied = false;
        let executed = sessions.execute(Slot(1), request, LIMITS, |reply| {
            applied = true;
            reply.push(number as u8);
        });
        let reply = match executed.answer {
            Answer::Done(reply) => Some(reply.to_vec()),
            _ => None,
        };
        (reply, applied)
    }

    fn opened() -> Sessions {
        let mut sessions = Sessions::default();
        sessions.open_session(Slot(0), LIMITS);
        sessions
    }

    #[test]
    fn a_request_sent_twice_takes_effect_once_and_is_answered_alike() {
        let mut sessions = opened();
        assert_eq!(ask(&mut sessions, 1, 0), (Some(vec![1]), true));
        assert_eq!(ask(&mut sessions, 1, 0), (Some(vec![1]), false));
    }

    #[test]
    fn an_older_request_of_a_pipeline_is_not_taken_for_a_duplicate() {
        let mut sessions = opened();
        assert_eq!(ask(&mut sessions, 3, 0), (Some(vec![3]), true));
        assert_eq!(ask(&mut sessions, 2, 0), (Some(vec![2]), true));
        assert_eq!(ask(&mut sessions, 3, 0), (Some(vec![3]), false));
    }

    #[test]
    fn an_acknowledged_request_is_not_applied_again_and_its_reply_is_gone() {
        let mut sessions = opened();
        ask(&mut sessions, 1, 0);
        ask(&mut sessions, 2, 1);
        assert_eq!(ask(&mut sessions, 1, 0), (None, false));
    }

    #[test]
    fn a_request_outside_the_window_is_refused_and_may_come_again() {
        let mut sessions = opened();
        assert_eq!(ask(&mut sessions, 5, 0), (None, false));
        assert_eq!(ask(&mut sessions, 5, 1), (Some(vec![5]), true));
    }

    #[test]
    fn the_session_silent_longest_is_closed_and_its_name_never_used_again() {
        let mut sessions = opened();
        sessions.open_session(Slot(2), LIMITS);
        ask(&mut sessions, 1, 0);
        assert_eq!(sessions.open_session(Slot(3), LIMITS), ClientId(2));
        assert_eq!(ask(&mut sessions, 2, 0), (None, false), "session 0 was used at slot 1");
    }

    #[test]
    fn sessions_that_hold_too_much_are_closed_and_the_others_stay() {
        let limits = SessionLimits { sessions: 10, ..LIMITS };
        let mut sessions = Sessions::default();
        for client in 0..5 {
            sessions.open_session(Slot(client), limits);
        }
        let mut ask = |slot, client, number, bytes: usize| {
            let request =
                Request { client: ClientId(client), number, acknowledged: 0, command: b"" };
            let executed = sessions.execute(Slot(slot), request, limits, |reply| {
                reply.resize(bytes, 7);
            });
            executed.answer == Answer::NoSession
        };
        assert!(!ask(5, 0, 1, 5));
        for client in 1..4 {
            assert!(!ask(5 + client, client, 1, 40));
        }
        assert!(!ask(9, 4, 1, 5));

        assert!(ask(10, 1, 2, 1), "it has held too much for the longest time");

        assert!((0..5).filter(|client| *client != 1).all(|client| !ask(11, client, 2, 1)));
        let parts = sessions.open.iter().map(|part| (**part).clone()).collect();
        let restored = Sessions::restored(sessions.next, parts).unwrap();
        assert_eq!((sessions.bytes, restored.bytes, restored.count), (94, 94, 4));
    }

    #[test]
    #[should_panic(expected = "a session's name is given once")]
    fn two_sessions_do_not_have_the_same_name() {
        let mut sessions = Sessions::default();
        sessions.open_session(Slot(1), LIMITS);
        sessions.next = ClientId(0);
        sessions.open_session(Slot(2), LIMITS);
    }

    #[test]
    #[should_panic(expected = "1 sessions are open")]
    fn no_more_sessions_are_open_than_there_may_be() {
        let limits = SessionLimits { sessions: 0, ..LIMITS };
        Sessions::default().open_session(Slot(1), limits);
    }
}
