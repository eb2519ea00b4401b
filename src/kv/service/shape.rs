//! The meaning of a reply, for those who show it in RESP3. The service itself always answers in
//! RESP2, where a map, a set and a list are all arrays, and a score is a string.

use crate::kv::resp::Command;

/// The meaning of the values of a RESP2 reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// No more than they say.
    Plain,
    /// Keys, each followed by its value.
    Map,
    /// Members of a set, in no order that matters.
    Set,
    /// A number with a fraction, or several.
    Double,
    /// Members, each followed by its score; in RESP3 an array of pairs.
    Scored,
    /// One member and its score, or nothing.
    ScoredOne,
}

/// The shape of the reply to a command, which may depend on its options.
pub(super) type ShapeOf = fn(&Command<'_>) -> Shape;

pub(super) fn plain(_: &Command<'_>) -> Shape {
    Shape::Plain
}

pub(super) fn map(_: &Command<'_>) -> Shape {
    Shape::Map
}

pub(super) fn set(_: &Command<'_>) -> Shape {
    Shape::Set
}

pub(super) fn double(_: &Command<'_>) -> Shape {
    Shape::Double
}

/// SPOP: with a count a set, even of one.
pub(super) fn set_if_counted(command: &Command<'_>) -> Shape {
    if command.len() > 2 { Shape::Set } else { Shape::Plain }
}

/// ZPOPMIN and ZPOPMAX: with a count pairs, even one.
pub(super) fn scored_if_counted(command: &Command<'_>) -> Shape {
    if command.len() > 2 { Shape::Scored } else { Shape::ScoredOne }
}

/// ZRANGE and its relatives.
pub(super) fn scored_if_asked(command: &Command<'_>) -> Shape {
    if has_option(command, 4, b"withscores") { Shape::Scored } else { Shape::Plain }
}

/// ZADD, which answers with a score if it increments.
pub(super) fn double_if_increment(command: &Command<'_>) -> Shape {
    if has_option(command, 2, b"incr") { Shape::Double } else { Shape::Plain }
}

fn has_option(command: &Command<'_>, from: usize, option: &[u8]) -> bool {
    command.iter().skip(from).any(|word| word.eq_ignore_ascii_case(option))
}
