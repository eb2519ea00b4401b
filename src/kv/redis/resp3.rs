//! RESP3 out of RESP2: the service answers in RESP2, and what a reply means is known by its
//! command.

use crate::kv::resp::{integer, write_header};
use crate::kv::service::Shape;

/// Appends a reply in RESP3.
///
/// A reply that is no whole RESP2 value is passed on as it came; the service never gives one.
pub(super) fn convert(reply: &[u8], shape: Shape, out: &mut Vec<u8>) {
    pass_on(reply, out, |out| value(reply, Some(shape), out));
}

/// Appends the array of replies that a transaction gave, each in its own shape.
pub(super) fn convert_each(reply: &[u8], shapes: &[Shape], out: &mut Vec<u8>) {
    pass_on(reply, out, |out| each(reply, shapes, out));
}

/// Appends a reply as `convert` does, or as it came if that leaves part of it.
fn pass_on<'a>(
    reply: &[u8],
    out: &mut Vec<u8>,
    convert: impl FnOnce(&mut Vec<u8>) -> Option<&'a [u8]>,
) {
    let start = out.len();
    if convert(out) != Some(&[]) {
        out.truncate(start);
        out.extend_from_slice(reply);
    }
}

/// The replies that a transaction gave, to be taken one by one.
pub(super) struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// Those in `reply`, unless it is no array.
    pub(super) fn of(reply: &'a [u8]) -> Option<Self> {
        let (header, rest) = line(reply)?;
        length(header)?.filter(|_| header.starts_with(b"*")).map(|_| Self(rest))
    }

    /// A reply by itself.
    pub(super) fn only(reply: &'a [u8]) -> Self {
        Self(reply)
    }

    /// Appends the next one, in RESP3 if it is given its shape.
    pub(super) fn take(&mut self, shape: Option<Shape>, out: &mut Vec<u8>) {
        let start = out.len();
        match value(self.0, shape, out) {
            Some(rest) => self.0 = rest,
            None => out.truncate(start),
        }
    }
}

fn each<'a>(from: &'a [u8], shapes: &[Shape], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let Some(Elements(mut rest)) = Elements::of(from) else {
        return value(from, Some(Shape::Plain), out);
    };
    let (header, _) = line(from)?;
    if length(header)? != Some(shapes.len()) {
        return None;
    }
    write_line(header, out);
    for shape in shapes {
        rest = value(rest, Some(*shape), out)?;
    }
    Some(rest)
}

/// Appends the value that `from` begins with, in RESP3 if it has a shape; returns what is behind
/// it.
fn value<'a>(from: &'a [u8], shape: Option<Shape>, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (header, rest) = line(from)?;
    let kind = *header.first()?;
    if !matches!(kind, b'$' | b'*') {
        write_line(header, out);
        return Some(rest);
    }
    let Some(count) = length(header)? else {
        write_line(if shape.is_some() { b"_" } else { header }, out);
        return Some(rest);
    };
    if kind == b'*' {
        return array(count, rest, shape, out);
    }
    let (bytes, rest) = rest.split_at_checked(count.checked_add(2)?)?;
    if shape == Some(Shape::Double) {
        out.push(b',');
    } else {
        write_line(header, out);
    }
    out.extend_from_slice(bytes);
    Some(rest)
}

fn array<'a>(
    count: usize,
    mut rest: &'a [u8],
    shape: Option<Shape>,
    out: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    let (kind, announced) = match shape {
        Some(Shape::Map) => (b'%', count / 2),
        Some(Shape::Set) => (b'~', count),
        Some(Shape::Scored) => (b'*', count / 2),
        None | Some(Shape::Plain | Shape::Double | Shape::ScoredOne) => (b'*', count),
    };
    write_header(kind, announced as i64, out);
    for index in 0..count {
        let inner = shape.map(|shape| match shape {
            Shape::Scored | Shape::ScoredOne if index % 2 == 1 => Shape::Double,
            Shape::Double => Shape::Double,
            _ => Shape::Plain,
        });
        if shape == Some(Shape::Scored) && index % 2 == 0 {
            write_header(b'*', 2, out);
        }
        rest = value(rest, inner, out)?;
    }
    Some(rest)
}

/// Takes the line that `from` begins with, without its end.
fn line(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = from.windows(2).position(|two| two == b"\r\n")?;
    Some((&from[..end], &from[end + 2..]))
}

/// The length in a header, `None` within if the value is none.
fn length(header: &[u8]) -> Option<Option<usize>> {
    match integer(header.get(1..)?)? {
        -1 => Some(None),
        number => usize::try_from(number).ok().map(Some),
    }
}

fn write_line(line: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(reply: &str, shape: Shape) -> String {
        let mut out = b"before".to_vec();
        convert(reply.as_bytes(), shape, &mut out);
        String::from_utf8(out).unwrap().split_off(6)
    }

    #[test]
    fn a_missing_value_is_null_wherever_it_stands() {
        assert_eq!(converted("$-1\r\n", Shape::Plain), "_\r\n");
        assert_eq!(converted("*-1\r\n", Shape::Plain), "_\r\n");
        assert_eq!(converted("*2\r\n$1\r\na\r\n$-1\r\n", Shape::Plain), "*2\r\n$1\r\na\r\n_\r\n");
        assert_eq!(converted("$-1\r\n", Shape::Double), "_\r\n");
    }

    #[test]
    fn arrays_become_what_they_mean() {
        let two = "*2\r\n$1\r\na\r\n$3\r\n1.5\r\n";

        for (shape, expected) in [
            (Shape::Plain, two),
            (Shape::Map, "%1\r\n$1\r\na\r\n$3\r\n1.5\r\n"),
            (Shape::Set, "~2\r\n$1\r\na\r\n$3\r\n1.5\r\n"),
            (Shape::Scored, "*1\r\n*2\r\n$1\r\na\r\n,1.5\r\n"),
            (Shape::ScoredOne, "*2\r\n$1\r\na\r\n,1.5\r\n"),
            (Shape::Double, "*2\r\n,a\r\n,1.5\r\n"),
        ] {
            assert_eq!(converted(two, shape), expected);
        }
        assert_eq!(converted("*0\r\n", Shape::Map), "%0\r\n");
    }

    #[test]
    fn what_is_no_collection_stays_whatever_the_shape() {
        for reply in ["+OK\r\n", ":1\r\n", "-ERR $-1\r\n", "$3\r\n\r\n1\r\n"] {
            assert_eq!(converted(reply, Shape::Map), reply);
        }
    }

    #[test]
    fn a_transaction_has_a_shape_for_each_command() {
        let mut out = Vec::new();

        convert_each(b"*2\r\n$1\r\n1\r\n*0\r\n", &[Shape::Double, Shape::Set], &mut out);
        convert_each(b"*-1\r\n", &[Shape::Double], &mut out);
        convert_each(b"-ERR no\r\n", &[Shape::Double], &mut out);

        assert_eq!(out, b"*2\r\n,1\r\n~0\r\n_\r\n-ERR no\r\n");
    }

    #[test]
    fn bytes_that_are_no_reply_are_passed_on() {
        for reply in ["", "$5\r\nabc\r\n", "*2\r\n:1\r\n", ":1", "*9999999999999\r\n", "$x\r\n"] {
            assert_eq!(converted(reply, Shape::Map), reply);
        }
    }
}
