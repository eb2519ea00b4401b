//! Simulated clients: sessions that pipeline, resend to other replicas and give up, and lines that
//! pipeline and send once. All remember what they saw.

use std::collections::BTreeMap;

use super::commands::{self, Sizes};
use super::linearizability::Operation;
use super::random::Random;
use crate::model::batch::Answer;
use crate::model::types::{ClientId, ReplicaId};

use super::faults::{Micros, WorldSettings};

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
    /// Whether it has a line instead of a session.
    has_line: bool,
    /// When what it sent last on its line arrives.
    arrives_at: Micros,
    /// How often it has asked on this line for a sum that nobody else changes.
    sums: i64,
    /// The session or the line; before a session is open, the number by which its answer is known.
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
    asked: Asked,
    command: Vec<u8>,
    sent_at: Micros,
    tries: u32,
}

enum Asked {
    /// An operation of the history.
    Operation(usize),
    /// One more to the line's own sum, which must come to this.
    Sum(i64),
}

/// How long a client waits for an answer.
const PATIENCE_US: Micros = 200_000;
/// After how many tries one that gives up does so.
const TRIES: u32 = 8;
/// How long a line may be silent before it is given up.
const LINE_PATIENCE_US: Micros = 1_500_000;

/// All clients and what they saw.
pub(super) struct Clients {
    pub clients: Vec<Client>,
    pub history: Vec<Operation>,
    pub unknown: u64,
    keys: u64,
    sizes: Sizes,
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
    pub fn new(settings: &WorldSettings) -> Self {
        let each = settings.operations / settings.clients as u64;
        let n = settings.config.n as u64;
        let client = |index: usize| Client {
            index,
            has_line: index >= settings.clients - settings.lines,
            arrives_at: 0,
            sums: 0,
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
            sizes: settings.sizes,
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

    /// Has the first client read every key once more, so that nothing lost goes unseen; says
    /// whether that is done.
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
        let session = match client.session {
            Ok(session) => session,
            Err(number) if client.has_line => ClientId::of_line(number),
            Err(_) => return self.open_session(index, now, random),
        };
        client.session = Ok(session);
        let mut asks = Vec::new();
        // What is sent on a line is sent once.
        let overdue = |open: &Open| !client.has_line && now >= open.sent_at + PATIENCE_US;
        if client.open.values().any(overdue) {
            client.target = ReplicaId(random.below(self.n) as u16);
        }
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

    /// When something sent now arrives on the line of client `index`, which keeps its order.
    pub fn in_order(&mut self, index: usize, when: Micros) -> Micros {
        let client = &mut self.clients[index];
        client.arrives_at = when.max(client.arrives_at + 1);
        client.arrives_at
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
        let (asked, command) = self.draw(index, session, moment, random);
        let client = &mut self.clients[index];
        client.left -= 1;
        let number = client.next;
        client.next += 1;
        let open = Open { asked, command: command.clone(), sent_at: now, tries: 0 };
        client.open.insert(number, open);
        let acknowledged = client.acknowledged;
        (client.target, Ask { client: session, number, acknowledged, command })
    }

    /// What client `index` asks next.
    fn draw(
        &mut self,
        index: usize,
        session: ClientId,
        moment: u64,
        random: &mut Random,
    ) -> (Asked, Vec<u8>) {
        let client = &mut self.clients[index];
        if client.has_line && random.chance(500_000) {
            client.sums += 1;
            return (Asked::Sum(client.sums), commands::sum(session));
        }
        self.values += 1;
        let (key, (action, command)) = if self.reading {
            let key = client.left - 1;
            (key, self.sizes.read(key))
        } else {
            let key = random.below(self.keys);
            (key, self.sizes.operation(key, self.values, random))
        };
        self.history.push(Operation { key, call: moment, action, answer: None });
        (Asked::Operation(self.history.len() - 1), command)
    }

    /// Leaves operations unknown that have gone unanswered for too long, and starts a new session:
    /// in the old one they would take up the window for ever.
    fn give_up(&mut self, index: usize, now: Micros) {
        let client = &self.clients[index];
        let hopeless = |open: &Open| open.tries >= TRIES && now >= open.sent_at + PATIENCE_US;
        let silent = |open: &Open| now >= open.sent_at + LINE_PATIENCE_US;
        let gives_up = match client.has_line {
            true => client.open.values().any(silent),
            false => self.give_up && client.open.values().any(hopeless),
        };
        if gives_up {
            self.clients[index].target = ReplicaId((self.nonces % self.n) as u16);
            self.leave_session(index);
        }
    }

    fn leave_session(&mut self, index: usize) {
        self.nonces += 1;
        let client = &mut self.clients[index];
        self.unknown += client.open.len() as u64;
        client.open.clear();
        client.sums = 0;
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
        match open.asked {
            Asked::Operation(at) => {
                let operation = &mut self.history[at];
                let seen = commands::seen(operation.action, result).ok_or_else(|| {
                    let answer = String::from_utf8_lossy(result);
                    format!("G6: {:?} was answered {answer:?}", operation.action)
                })?;
                operation.answer = Some((moment, seen));
                Ok(())
            }
            Asked::Sum(sum) if commands::is_sum(sum, result) => Ok(()),
            Asked::Sum(sum) => Err(format!(
                "G4: request {number} of line {session} was the {sum}th of its kind, and answered {:?}",
                String::from_utf8_lossy(result)
            )),
        }
    }
}
