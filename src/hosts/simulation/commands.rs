//! Commands of simulated clients, and the meaning of the answers.

use super::linearizability::{Action, RegisterReply as Seen, RegisterValue, Text};
use super::random::Random;
use crate::kv::resp::{Parsed, RespLimits, RespReply, write_command};
use crate::model::types::ClientId;

/// How large keys and values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of a key; at least as many as its name has.
    pub key_bytes: usize,
    /// Bytes of the largest values; one in four is as large, and one in four of any size up to
    /// that.
    pub value_bytes: usize,
}

impl Sizes {
    fn key(self, key: u64) -> String {
        let name = format!("key:{key}");
        let room = self.key_bytes.saturating_sub(name.len());
        name + &":".repeat(room)
    }

    fn value(self, unique: &str, random: &mut Random) -> String {
        let bytes = match random.below(4) {
            _ if self.value_bytes == 0 => 0,
            0 => self.value_bytes,
            1 => random.below(self.value_bytes as u64) as usize,
            _ => 0,
        };
        unique.to_owned() + &"x".repeat(bytes.saturating_sub(unique.len()))
    }

    /// Reads a key.
    pub fn read(self, key: u64) -> (Action, Vec<u8>) {
        (Action::Get, command(&["GET", &self.key(key)]))
    }

    /// A random operation on a key, for the checker and as a command.
    pub fn operation(self, key: u64, unique: u64, random: &mut Random) -> (Action, Vec<u8>) {
        // Numbers and texts live under different keys, so that most operations fit what they meet.
        let name = self.key(key);
        let unique = format!("v{unique};");
        let drawn = random.below(8);
        let (action, words): (Action, Vec<&str>) = match (key % 2, drawn) {
            (_, 0..=2) => (Action::Get, vec!["GET", &name]),
            (_, 3) => (Action::Del, vec!["DEL", &name]),
            (0, _) => (Action::Incr(1), vec!["INCR", &name]),
            (_, 4) => (Action::Append(Text::of(unique.as_bytes())), vec!["APPEND", &name, &unique]),
            _ => {
                let value = self.value(&unique, random);
                let stored = RegisterValue::of(value.as_bytes());
                let (action, word) = match drawn {
                    5 => (Action::SetIfAbsent(stored), "SETNX"),
                    _ => (Action::Set(stored), "SET"),
                };
                return (action, command(&[word, &name, &value]));
            }
        };
        (action, command(&words))
    }
}

/// Adds one to a sum that only this line changes.
pub(super) fn sum(line: ClientId) -> Vec<u8> {
    command(&["INCR", &format!("sum:{}", line.line().unwrap_or_default())])
}

/// Whether an answer says that a sum has come to `sum`.
pub(super) fn is_sum(sum: i64, result: &[u8]) -> bool {
    result == format!(":{sum}\r\n").as_bytes()
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut command = Vec::new();
    write_command(words.iter().map(|word| word.as_bytes()), &mut command);
    command
}

/// What an answer means to the checker; none if it makes no sense.
pub(super) fn seen(action: Action, result: &[u8]) -> Option<Seen> {
    let Ok(Parsed::Complete { value: reply, .. }) =
        RespReply::parse(result, &RespLimits::default())
    else {
        return None;
    };
    Some(match (action, reply) {
        (Action::Set(_), RespReply::Simple(_)) => Seen::Done,
        (Action::Get, RespReply::Bulk(value)) => {
            Seen::Value(value.map(|value| RegisterValue::of(&value)))
        }
        (Action::Incr(_), RespReply::Integer(sum)) => Seen::Number(sum),
        (Action::Append(_), RespReply::Integer(length)) => {
            Seen::Length(u32::try_from(length).ok()?)
        }
        (Action::Del | Action::SetIfAbsent(_), RespReply::Integer(flag)) => Seen::Flag(flag == 1),
        (_, RespReply::Error(_)) => Seen::Refused,
        _ => return None,
    })
}
