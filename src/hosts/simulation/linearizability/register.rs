//! One key of the key-value store: what it holds, what it is asked, what it answers.

use super::plan::{Facts, Makes, Model};

/// A text, known by its length and a hash that can be joined like the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    len: u32,
    hash: u64,
}

impl Text {
    const MODULUS: u64 = (1 << 61) - 1;
    const BASE: u64 = 0x0f3a_95c1_7be2_46d9;

    /// The text `bytes`.
    pub fn of(bytes: &[u8]) -> Text {
        let digit = |hash, &byte: &u8| {
            (Self::times(hash, Self::BASE) + u64::from(byte) + 1) % Self::MODULUS
        };
        Text { len: bytes.len() as u32, hash: bytes.iter().fold(0, digit) }
    }

    /// This text and then `other`.
    pub fn join(self, other: Text) -> Text {
        let (mut shift, mut power, mut len) = (1, Self::BASE, other.len);
        while len > 0 {
            if len % 2 == 1 {
                shift = Self::times(shift, power);
            }
            power = Self::times(power, power);
            len /= 2;
        }
        let hash = (Self::times(self.hash, shift) + other.hash) % Self::MODULUS;
        Text { len: self.len.saturating_add(other.len), hash }
    }

    fn times(a: u64, b: u64) -> u64 {
        (u128::from(a) * u128::from(b) % u128::from(Self::MODULUS)) as u64
    }
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterValue {
    /// Bytes that read as an integer written the shortest way.
    Number(i64),
    /// All other bytes.
    Text(Text),
}

impl RegisterValue {
    /// The value a client sent or saw as `bytes`.
    pub fn of(bytes: &[u8]) -> RegisterValue {
        let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<i64>().ok());
        match number {
            Some(number) if number.to_string().as_bytes() == bytes => RegisterValue::Number(number),
            _ => RegisterValue::Text(Text::of(bytes)),
        }
    }

    /// The same value as text.
    fn text(self) -> Text {
        match self {
            RegisterValue::Number(number) => Text::of(number.to_string().as_bytes()),
            RegisterValue::Text(text) => text,
        }
    }
}

/// What a client asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store this value; [`RegisterReply::Done`].
    Set(RegisterValue),
    /// Tell the value; [`RegisterReply::Value`].
    Get,
    /// Add to the number, an absent one being 0; [`RegisterReply::Number`], the sum, or
    /// [`RegisterReply::Refused`] if there is a text or the sum is out of range.
    Incr(i64),
    /// Add this token at the end, an absent value being empty; [`RegisterReply::Length`], the
    /// length after. A token has to hold a byte that is neither a digit nor a minus: a value put
    /// together from digits would be a number again, which a hash cannot tell.
    Append(Text),
    /// Make the key absent; [`RegisterReply::Flag`], whether it was there.
    Del,
    /// Store this value if the key is absent; [`RegisterReply::Flag`], whether it was.
    SetIfAbsent(RegisterValue),
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterReply {
    /// It is done.
    Done,
    /// The value, if there is one.
    Value(Option<RegisterValue>),
    /// The number after an increment.
    Number(i64),
    /// The length after an append.
    Length(u32),
    /// Yes or no, as [`Action::Del`] and [`Action::SetIfAbsent`] mean it.
    Flag(bool),
    /// The value does not allow it; nothing has changed. A request refused for any other reason
    /// does not belong in a history, or, if it might still be executed, is unanswered.
    Refused,
}

/// An action and what its client was told, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What was asked.
    pub action: Action,
    /// What was answered.
    pub reply: Option<RegisterReply>,
}

/// One key of the key-value store.
#[derive(Clone, Copy, Debug)]
pub struct Register;

impl Model for Register {
    type State = Option<RegisterValue>;
    type Op = Asked;

    fn step(state: &Option<RegisterValue>, asked: &Asked) -> Option<Option<RegisterValue>> {
        let (after, reply) = execute(*state, asked.action);
        asked.reply.is_none_or(|seen| seen == reply).then_some(after)
    }

    fn marks(state: &Option<RegisterValue>) -> [u64; 2] {
        match state {
            None | Some(RegisterValue::Number(_)) => [NO_TEXT; 2],
            Some(RegisterValue::Text(text)) => [ANY_TEXT, u64::from(text.len)],
        }
    }

    fn facts(asked: &Asked) -> Facts<Option<RegisterValue>> {
        let write = |needs, makes| Facts { needs, makes, ..Facts::default() };
        let blind = |makes| Facts { blind: true, makes: Makes::One(makes), ..Facts::default() };
        let read = |needs| Facts { reads: true, needs, ..Facts::default() };
        match (asked.action, asked.reply) {
            (_, Some(RegisterReply::Refused)) => read(None),
            (Action::Set(value), _) => blind(Some(value)),
            (Action::Get, Some(RegisterReply::Value(value))) => read(Some(value)),
            (Action::Get, _) => read(None),
            (Action::Incr(by), Some(RegisterReply::Number(sum))) => {
                // A sum equal to the increment may have found 0 or nothing.
                let before =
                    sum.checked_sub(by).filter(|before| *before != 0).map(RegisterValue::Number);
                write(before.map(Some), Makes::One(Some(RegisterValue::Number(sum))))
            }
            (Action::Incr(_), _) => write(None, Makes::Marked(NO_TEXT)),
            (Action::Append(_), Some(RegisterReply::Length(len))) => {
                write(None, Makes::Marked(u64::from(len)))
            }
            (Action::Append(_), _) => write(None, Makes::Marked(ANY_TEXT)),
            (Action::Del, None) => blind(None),
            (Action::Del, Some(RegisterReply::Flag(false))) => read(Some(None)),
            (Action::Del, Some(_)) => write(None, Makes::One(None)),
            (Action::SetIfAbsent(_), Some(RegisterReply::Flag(false))) => read(None),
            (Action::SetIfAbsent(value), reply) => {
                write(reply.map(|_| None), Makes::One(Some(value)))
            }
        }
    }
}

/// Marks of values; a text also has its length.
const NO_TEXT: u64 = u64::MAX;
const ANY_TEXT: u64 = u64::MAX - 1;

/// What one copy does and answers.
pub(super) fn execute(
    state: Option<RegisterValue>,
    action: Action,
) -> (Option<RegisterValue>, RegisterReply) {
    match (action, state) {
        (Action::Set(value), _) => (Some(value), RegisterReply::Done),
        (Action::Get, _) => (state, RegisterReply::Value(state)),
        (Action::Incr(_), Some(RegisterValue::Text(_))) => (state, RegisterReply::Refused),
        (Action::Incr(by), Some(RegisterValue::Number(number))) => match number.checked_add(by) {
            Some(sum) => (Some(RegisterValue::Number(sum)), RegisterReply::Number(sum)),
            None => (state, RegisterReply::Refused),
        },
        (Action::Incr(by), None) => (Some(RegisterValue::Number(by)), RegisterReply::Number(by)),
        (Action::Append(token), _) => {
            let text = state.map_or(token, |value| value.text().join(token));
            (Some(RegisterValue::Text(text)), RegisterReply::Length(text.len))
        }
        (Action::Del, _) => (None, RegisterReply::Flag(state.is_some())),
        (Action::SetIfAbsent(value), None) => (Some(value), RegisterReply::Flag(true)),
        (Action::SetIfAbsent(_), Some(_)) => (state, RegisterReply::Flag(false)),
    }
}
