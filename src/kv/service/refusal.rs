//! Reasons to refuse a command, and their words.

use super::{Call, REPLY_BYTES_MAX, STRING_BYTES_MAX};
use crate::kv::resp::write_error;

/// A reason for which a command changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The whole text of the error.
    Text(&'static str),
    /// The arguments do not pair up.
    Arity,
    /// The option at this index is none of the command's.
    Option(usize),
    /// A time to expire at that is not positive or not in 63 bits.
    ExpireTime,
    /// The command of this name has no such subcommand.
    Subcommand(&'static str),
    /// The subcommand of this full name takes fewer or more arguments.
    SubcommandArity(&'static str),
    /// The string would be longer than [`STRING_BYTES_MAX`].
    StringBytes,
    /// The reply would be longer than [`REPLY_BYTES_MAX`].
    ReplyBytes,
}

impl Refusal {
    pub(super) const WRONG_TYPE: Self =
        Self::Text("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(super) const NOT_INTEGER: Self = Self::Text("ERR value is not an integer or out of range");
    pub(super) const NOT_POSITIVE: Self = Self::Text("ERR value is out of range, must be positive");
    pub(super) const NOT_FLOAT: Self = Self::Text("ERR value is not a valid float");
    pub(super) const PATTERN_BYTES: Self = Self::Text("ERR pattern is too long");
    pub(super) const OVERFLOW: Self = Self::Text("ERR increment or decrement would overflow");
    pub(super) const SYNTAX: Self = Self::Text("ERR syntax error");
    pub(super) const FULL: Self =
        Self::Text("OOM command not allowed when used memory > 'maxmemory'.");
    pub(super) const FULL_TRANSACTION: Self = Self::Text(
        "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > \
         'maxmemory'.",
    );
    pub(super) const NO_KEY: Self = Self::Text("ERR no such key");

    #[cold]
    pub(super) fn write(self, call: &Call<'_>, reply: &mut Vec<u8>) {
        let name = call.name;
        let text = match self {
            Self::Text(text) => text.into(),
            Self::Option(index) => {
                format!("ERR Unsupported option {}", String::from_utf8_lossy(call.argument(index)))
            }
            Self::Arity => format!("ERR wrong number of arguments for '{name}' command"),
            Self::ExpireTime => format!("ERR invalid expire time in '{name}' command"),
            Self::Subcommand(name) => {
                let word = call.argument(1);
                let shown = String::from_utf8_lossy(&word[..word.len().min(128)]).into_owned();
                format!("ERR unknown subcommand '{shown}'. Try {name} HELP.")
            }
            Self::SubcommandArity(name) => {
                format!("ERR wrong number of arguments for '{name}' command")
            }
            Self::StringBytes => format!(
                "ERR string exceeds maximum allowed size (proto-max-bulk-len): \
                 {STRING_BYTES_MAX} bytes"
            ),
            Self::ReplyBytes => format!(
                "ERR reply would exceed {REPLY_BYTES_MAX} bytes: ask for a part, by SCAN and its \
                 like, a range or a lower count"
            ),
        };
        write_error(text.as_bytes(), reply);
    }
}
