//! Replies out of bytes, for clients and for checks of what a cluster has answered.

use super::{
    Parsed, ProtocolError, REPLY_DEPTH_MAX, RespFault, RespLimits, integer, number::length,
    write_array, write_bulk, write_integer, write_null, write_null_array,
};

/// The fewest bytes a reply takes: its type and CRLF.
const REPLY_BYTES_MIN: usize = 3;

/// One RESP2 reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RespReply {
    /// A short text such as `OK`.
    Simple(Vec<u8>),
    /// What went wrong; its first word is a code.
    Error(Vec<u8>),
    /// A number.
    Integer(i64),
    /// Any bytes, or none.
    Bulk(Option<Vec<u8>>),
    /// Replies in order, or none.
    Array(Option<Vec<RespReply>>),
}

impl RespReply {
    /// Parses the reply that `input` begins with.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] when the bytes are no RESP2 reply, nest deeper than [`REPLY_DEPTH_MAX`] or
    /// exceed `limits`.
    ///
    /// ```
    /// use taraflow::kv::resp::{RespLimits, Parsed, RespReply};
    ///
    /// let parsed = RespReply::parse(b":42\r\n", &RespLimits::default());
    /// assert_eq!(parsed, Ok(Parsed::Complete { value: RespReply::Integer(42), consumed: 5 }));
    /// ```
    pub fn parse(input: &[u8], limits: &RespLimits) -> Result<Parsed<Self>, ProtocolError> {
        let mut cursor = Cursor { input, at: 0, limits };
        match cursor.reply(0) {
            Ok(value) => Ok(Parsed::Complete { value, consumed: cursor.at }),
            Err(Stop::Incomplete(needed)) => Ok(Parsed::Incomplete { needed }),
            Err(Stop::Faulty(error)) => Err(error),
        }
    }

    /// Appends the reply's bytes, the ones that [`parse`](Self::parse) reads.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => super::write::write_line(b'+', text, out),
            Self::Error(text) => super::write::write_line(b'-', text, out),
            Self::Integer(number) => write_integer(*number, out),
            Self::Bulk(Some(bytes)) => write_bulk(bytes, out),
            Self::Bulk(None) => write_null(out),
            Self::Array(None) => write_null_array(out),
            Self::Array(Some(elements)) => {
                write_array(elements.len(), out);
                elements.iter().for_each(|element| element.write(out));
            }
        }
    }
}

/// A reason for which a parse went no further.
enum Stop {
    /// The input has to reach this many bytes.
    Incomplete(usize),
    Faulty(ProtocolError),
}

impl From<ProtocolError> for Stop {
    fn from(error: ProtocolError) -> Self {
        Self::Faulty(error)
    }
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
    limits: &'a RespLimits,
}

impl Cursor<'_> {
    fn reply(&mut self, depth: usize) -> Result<RespReply, Stop> {
        let start = self.at;
        let Some(kind) = self.input.get(start) else {
            return Err(Stop::Incomplete(start + REPLY_BYTES_MIN));
        };
        if start.saturating_add(REPLY_BYTES_MIN) > self.limits.reply_bytes_max {
            return Err(RespFault::ReplyBytes.at(start).into());
        }
        match kind {
            b'+' => Ok(RespReply::Simple(self.line()?.to_vec())),
            b'-' => Ok(RespReply::Error(self.line()?.to_vec())),
            b':' => match integer(self.line()?) {
                Some(number) => Ok(RespReply::Integer(number)),
                None => Err(RespFault::Integer.at(start + 1).into()),
            },
            b'$' => self.bulk().map(RespReply::Bulk),
            b'*' => self.array(depth).map(RespReply::Array),
            other => Err(RespFault::ReplyType(*other).at(start).into()),
        }
    }

    fn line(&mut self) -> Result<&[u8], Stop> {
        let start = self.at + 1;
        let rest = &self.input[start..];
        let window = &rest[..rest.len().min(self.limits.inline_bytes_max.saturating_add(1))];
        match window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            Some(end) if window[end] == b'\r' => match rest.get(end + 1) {
                Some(b'\n') => {
                    self.at = start + end + 2;
                    Ok(&rest[..end])
                }
                Some(_) => Err(RespFault::Line.at(start + end).into()),
                None => Err(Stop::Incomplete(self.input.len() + 1)),
            },
            Some(end) => Err(RespFault::Line.at(start + end).into()),
            None if window.len() > self.limits.inline_bytes_max => {
                Err(RespFault::Line.at(start).into())
            }
            None => Err(Stop::Incomplete(self.input.len() + 1)),
        }
    }

    /// Reads the length behind the type; `None` for the value that is none.
    fn length(&mut self, fault: RespFault) -> Result<Option<usize>, Stop> {
        let start = self.at + 1;
        let Some((number, next)) = length(self.input, start, fault)? else {
            return Err(Stop::Incomplete(self.input.len() + 1));
        };
        self.at = next;
        match usize::try_from(number) {
            Ok(number) if number <= self.limits.reply_bytes_max => Ok(Some(number)),
            Err(_) if number == -1 => Ok(None),
            _ => Err(fault.at(start).into()),
        }
    }

    fn bulk(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let Some(bytes) = self.length(RespFault::BulkLength)? else { return Ok(None) };
        let start = self.at;
        let end = start.saturating_add(bytes);
        if end.saturating_add(2) > self.limits.reply_bytes_max {
            return Err(RespFault::ReplyBytes.at(start).into());
        }
        match self.input.get(end..) {
            Some([b'\r', b'\n', ..]) => {
                self.at = end + 2;
                Ok(Some(self.input[start..end].to_vec()))
            }
            Some([_, _, ..]) => Err(RespFault::BulkEnd.at(end).into()),
            _ => Err(Stop::Incomplete(end + 2)),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Option<Vec<RespReply>>, Stop> {
        let start = self.at;
        if depth == REPLY_DEPTH_MAX {
            return Err(RespFault::Depth.at(start).into());
        }
        let Some(count) = self.length(RespFault::MultibulkLength)? else { return Ok(None) };
        if count.saturating_mul(REPLY_BYTES_MIN) > self.limits.reply_bytes_max {
            return Err(RespFault::ReplyBytes.at(start).into());
        }
        // The vector grows with the elements that are there; the peer's count reserves nothing.
        let mut elements = Vec::new();
        for left in (0..count).rev() {
            let element = self.reply(depth + 1).map_err(|stop| match stop {
                Stop::Incomplete(needed) => Stop::Incomplete(needed + left * REPLY_BYTES_MIN),
                faulty => faulty,
            })?;
            elements.push(element);
        }
        Ok(Some(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &[u8]) -> Result<Parsed<RespReply>, ProtocolError> {
        RespReply::parse(input, &RespLimits::default())
    }

    #[test]
    fn a_nested_reply_is_read_as_it_was_written() {
        let reply = RespReply::Array(Some(vec![
            RespReply::Simple(b"OK".to_vec()),
            RespReply::Error(b"ERR no".to_vec()),
            RespReply::Array(Some(vec![
                RespReply::Integer(i64::MIN),
                RespReply::Bulk(Some(b"\r\n".to_vec())),
            ])),
            RespReply::Bulk(None),
            RespReply::Array(None),
        ]));
        let mut bytes = Vec::new();

        reply.write(&mut bytes);

        assert_eq!(parse(&bytes), Ok(Parsed::Complete { value: reply, consumed: bytes.len() }));
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let deepest = [b"*1\r\n".repeat(REPLY_DEPTH_MAX), b":1\r\n".to_vec()].concat();

        assert!(matches!(parse(&deepest), Ok(Parsed::Complete { .. })));
        assert_eq!(
            parse(&b"*1\r\n".repeat(100_000)),
            Err(RespFault::Depth.at(REPLY_DEPTH_MAX * 4))
        );
    }

    #[test]
    fn lengths_without_bytes_wait_and_reserve_nothing() {
        assert_eq!(parse(b"*1000000\r\n"), Ok(Parsed::Incomplete { needed: 10 + 3_000_000 }));
        assert_eq!(parse(b"$1000000\r\n"), Ok(Parsed::Incomplete { needed: 10 + 1_000_002 }));
        assert_eq!(parse(b"*99999999\r\n"), Err(RespFault::MultibulkLength.at(1)));
    }

    #[test]
    fn faults_are_named_with_their_place() {
        for (input, said, offset) in [
            (&b"!\r\n"[..], "expected a reply type, got '!'", 0),
            (b":1x\r\n", "invalid integer", 1),
            (b"+a\nb\r\n", "invalid line", 2),
            (b"$-2\r\n", "invalid bulk length", 1),
            (b"*2\r\n:1\r\n$1\r\nab\r\n", "expected CRLF after bulk string", 13),
        ] {
            let error = parse(input).unwrap_err();
            assert_eq!((error.fault.to_string().as_str(), error.offset), (said, offset));
        }
    }
}
