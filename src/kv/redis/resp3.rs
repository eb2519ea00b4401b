//! RESP3 out of RESP2: the service answers in RESP2, and what a reply means is known by its
//! command.

use crate::kv::resp::integer;
use crate::kv::service::Shape;

/// Appends a reply in RESP3.
///
/// A reply that is no whole RESP2 value is passed on as it came; the service never gives one.
pub(super) fn convert(reply: &[u8], shape: Shape, out: &mut Vec<u8>) {
    let start = out.len();
    if value(reply, shape, out) != Some(&[]) {
        out.truncate(start);
        out.extend_from_slice(reply);
    }
}

/// Appends the array of replies that a transaction gave, each in its own shape.
pub(super) fn convert_each(reply: &[u8], shapes: &[Shape], out: &mut Vec<u8>) {
    let start = out.len();
    if each(reply, shapes, out) != Some(&[]) {
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
        length(header, b'*')?.map(|_| Self(rest))
    }

    /// A reply by itself.
    pub(super) fn only(reply: &'a [u8]) -> Self {
        Self(reply)
    }

    /// Appends the next one, in RESP3 if it is given its shape.
    pub(super) fn take(&mut self, shape: Option<Shape>, out: &mut Vec<u8>) {
        let Some(rest) = skip(self.0) else { return };
        let (reply, rest) = self.0.split_at(self.0.len() - rest.len());
        self.0 = rest;
        match shape {
            Some(shape) => convert(reply, shape, out),
            None => out.extend_from_slice(reply),
        }
    }
}

/// What is behind the value that `from` begins with.
fn skip(from: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = line(from)?;
    match header.first()? {
        b'$' => match length(header, b'$')? {
            Some(count) => rest.get(count.checked_add(2)?..),
            None => Some(rest),
        },
        b'*' => {
            for _ in 0..length(header, b'*')?.unwrap_or(0) {
                rest = skip(rest)?;
            }
            Some(rest)
        }
        _ => Some(rest),
    }
}

fn each<'a>(from: &'a [u8], shapes: &[Shape], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (header, mut rest) = line(from)?;
    let Some(Some(count)) = length(header, b'*') else { return value(from, Shape::Plain, out) };
    if count != shapes.len() {
        return None;
    }
    write_line(header, out);
    for shape in shapes {
        rest = value(rest, *shape, out)?;
    }
    Some(rest)
}

/// Appends the value that `from` begins with; returns what is behind it.
fn value<'a>(from: &'a [u8], shape: Shape, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (header, rest) = line(from)?;
    match header.first()? {
        b'$' => bulk(header, rest, shape, out),
        b'*' => match length(header, b'*')? {
            Some(count) => array(count, rest, shape, out),
            None => {
                out.extend_from_slice(b"_\r\n");
                Some(rest)
            }
        },
        _ => {
            write_line(header, out);
            Some(rest)
        }
    }
}

fn bulk<'a>(header: &[u8], rest: &'a [u8], shape: Shape, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let Some(count) = length(header, b'$')? else {
        out.extend_from_slice(b"_\r\n");
        return Some(rest);
    };
    let (bytes, rest) = rest.split_at_checked(count.checked_add(2)?)?;
    if shape == Shape::Double {
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
    shape: Shape,
    out: &mut Vec<u8>,
) -> Option<&'a [u8]> {
    let (kind, announced) = match shape {
        Shape::Map => (b'%', count / 2),
        Shape::Set => (b'~', count),
        Shape::Scored => (b'*', count / 2),
        Shape::Plain | Shape::Double | Shape::ScoredOne => (b'*', count),
    };
    write_header(kind, announced, out);
    for index in 0..count {
        let is_score = matches!(shape, Shape::Scored | Shape::ScoredOne) && index % 2 == 1;
        if shape == Shape::Scored && !is_score {
            write_header(b'*', 2, out);
        }
        let inner = if is_score || shape == Shape::Double { Shape::Double } else { Shape::Plain };
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
fn length(header: &[u8], kind: u8) -> Option<Option<usize>> {
    let number = integer(header.strip_prefix(&[kind])?)?;
    if number == -1 { Some(None) } else { usize::try_from(number).ok().map(Some) }
}

fn write_line(line: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

fn write_header(kind: u8, count: usize, out: &mut Vec<u8>) {
    out.push(kind);
    crate::kv::resp::write_decimal(count as i64, out);
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
