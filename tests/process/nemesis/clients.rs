//! Clients that remember all they saw.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use taraflow::hosts::simulation::Random;
use taraflow::hosts::simulation::linearizability::{
    Action, Operation, RegisterReply as Seen, RegisterValue, Text,
};
use taraflow::kv::resp::RespReply;

use crate::support::redis::RedisConnection;

/// Keys that hold texts, counters after them, and one that is only appended to.
const TEXTS: u64 = 3;
const COUNTERS: u64 = 2;
pub const APPENDED: u64 = TEXTS + COUNTERS;
pub const KEYS: u64 = APPENDED + 1;

/// The name of a key.
pub fn name(key: u64) -> String {
    format!("key:{key}")
}

/// Whether a key is a counter.
pub fn is_counter(key: u64) -> bool {
    (TEXTS..APPENDED).contains(&key)
}

/// One client, which asks one thing at a time, of one replica after the other.
pub struct Client<'a> {
    pub number: u64,
    pub random: Random,
    /// The Redis ports of all replicas.
    pub replicas: Vec<SocketAddr>,
    /// When the run began.
    pub began: Instant,
    pub enough: &'a AtomicBool,
}

impl Client<'_> {
    /// How long a client thinks between two requests: what is asked has to be checked afterwards.
    const THOUGHT: Duration = Duration::from_millis(2);

    /// Asks until it is enough; all it asked, and saw.
    pub fn run(mut self) -> Vec<Operation> {
        let mut redis = RedisConnection::to(*self.random.pick(&self.replicas));
        let mut history = Vec::new();
        while !self.enough.load(Ordering::Relaxed) {
            thread::sleep(Self::THOUGHT);
            if self.random.chance(20_000) || !redis.is_connected() {
                redis = RedisConnection::to(*self.random.pick(&self.replicas));
                continue;
            }
            let key = self.random.below(KEYS);
            let token = format!("v{}.{};", self.number, history.len());
            let (action, words) = draw(key, &token, &mut self.random);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let call = self.now();
            let reply = redis.ask(&words);
            let answer = reply.map(|reply| (self.now(), seen(action, reply)));
            if answer.is_none() {
                redis = RedisConnection::to(*self.random.pick(&self.replicas));
            }
            history.push(Operation { key, call, action, answer });
        }
        history
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }
}

/// Something to ask of a key, for the checker and as a command.
fn draw(key: u64, token: &str, random: &mut Random) -> (Action, Vec<String>) {
    let value = RegisterValue::of(token.as_bytes());
    let (action, verb) = match random.below(4) {
        0 => (Action::Get, "GET"),
        _ if is_counter(key) => (Action::Incr(1), "INCR"),
        _ if key == APPENDED => (Action::Append(Text::of(token.as_bytes())), "APPEND"),
        1 => (Action::Del, "DEL"),
        2 => (Action::SetIfAbsent(value), "SETNX"),
        _ => (Action::Set(value), "SET"),
    };
    let mut words = vec![verb.to_owned(), name(key)];
    if matches!(action, Action::Append(_) | Action::SetIfAbsent(_) | Action::Set(_)) {
        words.push(token.to_owned());
    }
    (action, words)
}

/// Settles what became of appends without an answer, for which the checker would have to try all
/// ways. The key is only ever appended to, and no two tokens are the same, so what it holds in the
/// end, before `now`, tells of each whether it took effect, and what its client would have been
/// told.
pub fn settle_appends(history: &mut Vec<Operation>, held: &str, now: u64) {
    let mut length = 0;
    let mut effects = Vec::new();
    for token in held.split_inclusive(';') {
        length += token.len() as u32;
        effects.push((Action::Append(Text::of(token.as_bytes())), Seen::Length(length)));
    }
    history.retain_mut(|operation| {
        if operation.answer.is_some() || !matches!(operation.action, Action::Append(_)) {
            return true;
        }
        let effect = effects.iter().find(|(action, _)| *action == operation.action);
        operation.answer = effect.map(|(_, seen)| (now, *seen));
        effect.is_some()
    });
}

/// What a reply means to the checker.
pub fn seen(action: Action, reply: RespReply) -> Seen {
    match (action, reply) {
        (Action::Set(_), RespReply::Simple(_)) => Seen::Done,
        (Action::Get, RespReply::Bulk(value)) => {
            Seen::Value(value.map(|value| RegisterValue::of(&value)))
        }
        (Action::Incr(_), RespReply::Integer(sum)) => Seen::Number(sum),
        (Action::Append(_), RespReply::Integer(length)) => Seen::Length(length as u32),
        (Action::Del | Action::SetIfAbsent(_), RespReply::Integer(flag)) => Seen::Flag(flag == 1),
        (action, reply) => panic!("{action:?} was answered {reply:?}"),
    }
}
