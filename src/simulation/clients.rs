//! Simulated clients: sessions that pipeline, resend to other replicas, give up, and remember all they saw.

use std::collections::BTreeMap;

use super::linearizability::{Action, Operation, Reply as Seen, Text, Value};
use super::random::Random;
use crate::batch::Answer;
use crate::resp::{Limits, Parsed, Reply, write_command};
use crate::types::{ClientId, ReplicaId};

use super::faults::{Micros, Settings};

/// A request on its way to a replica.
#[derive(Clone, Debug, Hash)]
pub(super) struct Ask {
    pub client: ClientId,
    pub number: u64,
    pub acknowledged: u64,
    pub command: Vec<u8>,
}

/// One client.
pub(super) struct Client {
    index: usize,
    /// The session, and before it is open the number by which its answer is known.
    session: Result<ClientId, u64>,
    next: u64,
    /// All up to here are answered.
    acknowledged: u64,
    open: BTreeMap<u64, Open>,
    left: u64,
    pub target: ReplicaId,
    /// Only the timer with this number still counts.
    pub timer: u64,
    asked_at: Micros,
}

struct Open {
    operation: usize,
    command: Vec<u8>,
    sent_at: Micros,
    tries: u32,
}

/// How long a client waits for an answer.
const PATIENCE_US: Micros = 200_000;
/// After how many tries one that gives up does so.
const TRIES: u32 = 8;

/// All clients and what they saw.
pub(super) struct Clients {
    pub clients: Vec<Client>,
    pub history: Vec<Operation>,
    pub unknown: u64,
    keys: u64,
    pipeline: usize,
    give_up: bool,
    n: u64,
    nonces: u64,
    values: u64,
    /// Whether what is asked now is the last reading of all keys.
    reading: bool,
    /// The first answer to each request: every later one must be the same.
    answers: BTreeMap<(ClientId, u64), Vec<u8>>,
}

impl Clients {
    pub fn new(settings: &Settings) -> Self {
        let each = settings.operations / settings.clients as u64;
        let n = settings.config.n as u64;
        let client = |index: usize| Client {
            index,
            session: Err(index as u64),
            next: 1,
            acknowledged: 0,
            open: BTreeMap::new(),
            left: each,
            target: ReplicaId((index as u64 % n) as u16),
            timer: 0,
            asked_at: 0,
        };
        Self {
            clients: (0..settings.clients).map(client).collect(),
            history: Vec::new(),
            unknown: 0,
            keys: settings.keys,
            pipeline: settings.pipeline,
            give_up: settings.give_up,
            n,
            nonces: settings.clients as u64,
            values: 0,
            reading: false,
            answers: BTreeMap::new(),
        }
    }

    /// Whether every operation has been answered or given up.
    pub fn are_done(&self) -> bool {
        self.clients.iter().all(|client| client.left == 0 && client.open.is_empty())
    }

    /// Has the first client read every key once more, so that nothing lost goes unseen; says whether
    /// that is done.
    pub fn read_all(&mut self) -> bool {
        if !std::mem::replace(&mut self.reading, true) {
            self.clients[0].left = self.keys;
        }
        self.are_done()
    }

    /// What client `index` sends now, and where to.
    pub fn wake(
        &mut self,
        index: usize,
        now: Micros,
        moment: u64,
        random: &mut Random,
    ) -> Vec<(ReplicaId, Ask)> {
        self.give_up(index, now);
        let client = &mut self.clients[index];
        if client.left == 0 && client.open.is_empty() {
            return Vec::new();
        }
        let Ok(session) = client.session else { return self.open_session(index, now, random) };
        let mut asks = Vec::new();
        let overdue = |open: &Open| now >= open.sent_at + PATIENCE_US;
        if client.open.values().any(overdue) {
            client.target = ReplicaId(random.below(self.n) as u16);
        }
        let client = &mut self.clients[index];
        for (&number, open) in client.open.iter_mut().filter(|(_, open)| overdue(open)) {
            open.sent_at = now;
            open.tries += 1;
            let (acknowledged, command) = (client.acknowledged, open.command.clone());
            asks.push((client.target, Ask { client: session, number, acknowledged, command }));
        }
        while self.clients[index].open.len() < self.pipeline && self.clients[index].left > 0 {
            asks.push(self.ask_new(index, session, now, moment, random));
        }
        asks
    }

    fn open_session(
        &mut self,
        index: usize,
        now: Micros,
        random: &mut Random,
    ) -> Vec<(ReplicaId, Ask)> {
        let client = &mut self.clients[index];
        if now < client.asked_at + PATIENCE_US && client.asked_at > 0 {
            return Vec::new();
        }
        if client.asked_at > 0 {
            client.target = ReplicaId(random.below(self.n) as u16);
        }
        client.asked_at = now;
        let nonce = client.session.err().unwrap_or_default();
        let ask = Ask { client: ClientId(nonce), number: 0, acknowledged: 0, command: Vec::new() };
        vec![(client.target, ask)]
    }

    fn ask_new(
        &mut self,
        index: usize,
        session: ClientId,
        now: Micros,
        moment: u64,
        random: &mut Random,
    ) -> (ReplicaId, Ask) {
        self.values += 1;
        let (key, (action, command)) = if self.reading {
            let key = self.clients[index].left - 1;
            (key, read(key))
        } else {
            let key = random.below(self.keys);
            (key, operation(key, self.values, random))
        };
        let operation = self.history.len();
        self.history.push(Operation { key, call: moment, action, answer: None });
        let client = &mut self.clients[index];
        client.left -= 1;
        let number = client.next;
        client.next += 1;
        let open = Open { operation, command: command.clone(), sent_at: now, tries: 0 };
        client.open.insert(number, open);
        let acknowledged = client.acknowledged;
        (client.target, Ask { client: session, number, acknowledged, command })
    }

    /// Leaves operations unknown that have gone unanswered for too long, and starts a new session:
    /// in the old one they would take up the window for ever.
    fn give_up(&mut self, index: usize, now: Micros) {
        let client = &self.clients[index];
        let hopeless = |open: &Open| open.tries >= TRIES && now >= open.sent_at + PATIENCE_US;
        if self.give_up && client.open.values().any(hopeless) {
            self.leave_session(index);
        }
    }

    fn leave_session(&mut self, index: usize) {
        self.nonces += 1;
        let client = &mut self.clients[index];
        self.unknown += client.open.len() as u64;
        client.open.clear();
        client.session = Err(self.nonces);
        client.next = 1;
        client.acknowledged = 0;
        client.asked_at = 0;
    }

    /// The client an answer is for, if it still waits for one.
    pub fn who(&self, client: ClientId, number: u64) -> Option<usize> {
        let waits = |c: &&Client| match c.session {
            Err(nonce) => number == 0 && nonce == client.0,
            Ok(session) => number > 0 && session == client,
        };
        self.clients.iter().find(waits).map(|client| client.index)
    }

    /// Takes an answer; an error is a violation.
    pub fn on_answer(
        &mut self,
        index: usize,
        number: u64,
        answer: &Answer<'_>,
        moment: u64,
    ) -> Result<(), String> {
        let client = &mut self.clients[index];
        let (Ok(session), Answer::Done(result)) = (client.session, answer) else {
            match (client.session, answer) {
                (Err(_), Answer::Opened(session)) => client.session = Ok(*session),
                (Ok(_), Answer::NoSession) => self.leave_session(index),
                // Refused because it overtook others: it is sent again.
                _ => {}
            }
            return Ok(());
        };
        let first = self.answers.entry((session, number)).or_insert_with(|| result.to_vec());
        if first != result {
            return Err(format!(
                "G3: request {number} of client {session} was answered {:?} and then {:?}",
                String::from_utf8_lossy(first),
                String::from_utf8_lossy(result)
            ));
        }
        let Some(open) = client.open.remove(&number) else { return Ok(()) };
        client.acknowledged = client.open.keys().next().map_or(client.next - 1, |low| low - 1);
        let operation = &mut self.history[open.operation];
        let seen = seen(operation.action, result)
            .ok_or_else(|| format!("{:?} was answered {result:?}", operation.action))?;
        operation.answer = Some((moment, seen));
        Ok(())
    }
}

/// Reads a key.
fn read(key: u64) -> (Action, Vec<u8>) {
    let mut command = Vec::new();
    let words = ["GET".to_owned(), format!("key:{key}")];
    write_command(words.iter().map(|word| word.as_bytes()), &mut command);
    (Action::Get, command)
}

/// A random operation on a key, for the checker and as a command.
fn operation(key: u64, unique: u64, random: &mut Random) -> (Action, Vec<u8>) {
    // Numbers and texts live under different keys, so that most operations fit what they meet.
    let name = format!("key:{key}");
    let unique = format!("v{unique};");
    let (action, words): (Action, Vec<&str>) = match (key % 2, random.below(8)) {
        (_, 0..=2) => (Action::Get, vec!["GET", &name]),
        (_, 3) => (Action::Del, vec!["DEL", &name]),
        (0, _) => (Action::Incr(1), vec!["INCR", &name]),
        (_, 4) => (Action::Append(Text::of(unique.as_bytes())), vec!["APPEND", &name, &unique]),
        (_, 5) => {
            (Action::SetIfAbsent(Value::of(unique.as_bytes())), vec!["SETNX", &name, &unique])
        }
        _ => (Action::Set(Value::of(unique.as_bytes())), vec!["SET", &name, &unique]),
    };
    let mut command = Vec::new();
    write_command(words.iter().map(|word| word.as_bytes()), &mut command);
    (action, command)
}

/// What an answer means to the checker; none if it makes no sense.
fn seen(action: Action, result: &[u8]) -> Option<Seen> {
    let Ok(Parsed::Complete { value: reply, .. }) = Reply::parse(result, &Limits::default()) else {
        return None;
    };
    Some(match (action, reply) {
        (Action::Set(_), Reply::Simple(_)) => Seen::Done,
        (Action::Get, Reply::Bulk(value)) => Seen::Value(value.map(|value| Value::of(&value))),
        (Action::Incr(_), Reply::Integer(sum)) => Seen::Number(sum),
        (Action::Append(_), Reply::Integer(length)) => Seen::Length(u32::try_from(length).ok()?),
        (Action::Del | Action::SetIfAbsent(_), Reply::Integer(flag)) => Seen::Flag(flag == 1),
        (_, Reply::Error(_)) => Seen::Refused,
        _ => return None,
    })
}
