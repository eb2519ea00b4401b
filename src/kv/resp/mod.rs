//! RESP, the wire format of Redis, as a server and its clients need it.
//!
//! Commands come as arrays of bulk strings or as inline text ([`Arguments::parse`]); replies are
//! RESP2 values (the `write_*` functions, and [`RespReply`] for the reading side). The bytes read
//! here come from anyone: every length is checked against [`RespLimits`] and against the bytes
//! present before it is used, and a command is looked at in place, not copied.
//!
//! Parsing a prefix gives either [`Parsed::Incomplete`] or exactly what the whole input gives, so a
//! connection may call the parser whenever it likes.
//!
//! ```
//! use taraflow::kv::resp::{Arguments, RespLimits, Parsed};
//!
//! let mut arguments = Arguments::default();
//! let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";
//! let Ok(Parsed::Complete { value, consumed }) = arguments.parse(input, &RespLimits::default()) else {
//!     panic!("the command is complete");
//! };
//! assert_eq!(value.iter().collect::<Vec<_>>(), [b"GET".as_slice(), b"k"]);
//! assert_eq!(&input[consumed..], b"PING\r\n");
//! ```

use thiserror::Error;

mod inline;
mod number;
mod parse;
mod reply;
mod write;

pub(crate) use write::write_header;

pub use number::{count, integer, write_decimal};
pub use parse::{Arguments, Command};
pub use reply::RespReply;
pub use write::{
    write_array, write_bulk, write_command, write_error, write_integer, write_null,
    write_null_array, write_ok, write_simple,
};

/// How deep the arrays of a reply may nest. Commands do not nest at all.
pub const REPLY_DEPTH_MAX: usize = 32;

/// Limits on what a peer can make us hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RespLimits {
    /// Arguments of one command, its name among them.
    pub arguments_max: usize,
    /// Bytes of one argument.
    pub bulk_bytes_max: usize,
    /// Bytes of one inline command or of one line in a reply, without the line's end.
    pub inline_bytes_max: usize,
    /// Bytes of one RESP command, headers and all.
    pub command_bytes_max: usize,
    /// Bytes of one reply, headers and all; used by the reading side only.
    pub reply_bytes_max: usize,
}

impl Default for RespLimits {
    fn default() -> Self {
        Self {
            arguments_max: 1 << 20,
            bulk_bytes_max: 16 << 20,
            inline_bytes_max: 64 << 10,
            command_bytes_max: 24 << 20,
            reply_bytes_max: 64 << 20,
        }
    }
}

/// The progress of a parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// The input starts with a whole value.
    Complete {
        /// What was read.
        value: T,
        /// Bytes of the input it took, never more than there are.
        consumed: usize,
    },
    /// The input is a proper prefix, so far without fault.
    Incomplete {
        /// A value cannot be complete before the input has this many bytes, which is more than it
        /// has now. Waiting for them keeps the work of many small reads near linear.
        needed: usize,
    },
}

/// Bytes that are no RESP, and where.
///
/// Prints as the text Redis would send after `ERR `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Protocol error: {fault}")]
pub struct ProtocolError {
    /// Bytes from the start of the parsed input to the place of the fault.
    pub offset: usize,
    /// What is wrong there.
    pub fault: RespFault,
}

/// A fault of RESP bytes; prints in Redis's words where Redis has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RespFault {
    /// An array's length is no number, out of range or not ended by CRLF.
    #[error("invalid multibulk length")]
    MultibulkLength,
    /// A command has more arguments than so many.
    #[error("invalid multibulk length: at most {0} arguments are taken")]
    Arguments(usize),
    /// A bulk string's length is no number, out of range or not ended by CRLF.
    #[error("invalid bulk length")]
    BulkLength,
    /// An argument of a command has more bytes than so many.
    #[error("invalid bulk length: an argument has at most {0} bytes")]
    BulkBytes(usize),
    /// The argument of a command starts with this byte; nested arrays are refused by this, too.
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    ExpectedBulk(u8),
    /// The bytes of a bulk string are not followed by CRLF.
    #[error("expected CRLF after bulk string")]
    BulkEnd,
    /// The command as a whole has more bytes than so many.
    #[error("too big command: it has at most {0} bytes")]
    CommandBytes(usize),
    /// An inline command is longer than allowed.
    #[error("too big inline request")]
    InlineBytes,
    /// A quote that is not closed, or that is closed in the middle of a word.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A reply starts with this byte, which names no type.
    #[error("expected a reply type, got '{}'", .0.escape_ascii())]
    ReplyType(u8),
    /// An integer reply that is no integer.
    #[error("invalid integer")]
    Integer,
    /// A line of a reply is too long or holds a lone CR or LF.
    #[error("invalid line")]
    Line,
    /// A reply's arrays nest deeper than [`REPLY_DEPTH_MAX`].
    #[error("too deeply nested reply")]
    Depth,
    /// The reply as a whole is longer than allowed.
    #[error("too big reply")]
    ReplyBytes,
}

impl RespFault {
    /// This fault, at a place in the input.
    pub(crate) fn at(self, offset: usize) -> ProtocolError {
        ProtocolError { offset, fault: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_error_speaks_as_redis_does() {
        let said = [
            RespFault::ExpectedBulk(b'x'),
            RespFault::MultibulkLength,
            RespFault::UnbalancedQuotes,
        ]
        .map(|fault| fault.at(0).to_string());

        assert_eq!(said[0], "Protocol error: expected '$', got 'x'");
        assert_eq!(said[1], "Protocol error: invalid multibulk length");
        assert_eq!(said[2], "Protocol error: unbalanced quotes in request");
    }
}
