//! A writer of replies in the version of RESP that a client chose, for those given without the log.

use crate::kv::resp::{
    write_array, write_bulk, write_error, write_header, write_integer, write_null,
    write_null_array, write_ok, write_simple,
};

/// A buffer for replies, and the version of RESP in it.
pub(super) struct ReplyWriter<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) resp3: bool,
}

impl ReplyWriter<'_> {
    pub(super) fn ok(&mut self) {
        write_ok(self.out);
    }

    pub(super) fn simple(&mut self, text: &str) {
        write_simple(text, self.out);
    }

    /// An error; its text begins with a code.
    pub(super) fn error(&mut self, text: impl AsRef<[u8]>) {
        write_error(text.as_ref(), self.out);
    }

    pub(super) fn integer(&mut self, number: i64) {
        write_integer(number, self.out);
    }

    pub(super) fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        write_bulk(bytes.as_ref(), self.out);
    }

    pub(super) fn null(&mut self) {
        if self.resp3 {
            self.out.extend_from_slice(b"_\r\n");
        } else {
            write_null(self.out);
        }
    }

    pub(super) fn null_array(&mut self) {
        if self.resp3 {
            self.null();
        } else {
            write_null_array(self.out);
        }
    }

    pub(super) fn array(&mut self, count: usize) {
        write_array(count, self.out);
    }

    /// So many keys, each followed by its value.
    pub(super) fn map(&mut self, count: usize) {
        self.header(b'%', count, count * 2);
    }

    pub(super) fn set(&mut self, count: usize) {
        self.header(b'~', count, count);
    }

    /// A text for people.
    pub(super) fn text(&mut self, text: &str) {
        if !self.resp3 {
            return self.bulk(text);
        }
        self.header(b'=', text.len() + 4, 0);
        self.out.extend_from_slice(b"txt:");
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// An array of lines for people.
    pub(super) fn lines(&mut self, lines: &[&str]) {
        self.array(lines.len());
        lines.iter().for_each(|line| self.simple(line));
    }

    /// The header of a type that RESP2 does not have; there it is an array of `flat` values.
    fn header(&mut self, kind: u8, count: usize, flat: usize) {
        if self.resp3 {
            write_header(kind, count as i64, self.out);
        } else {
            write_array(flat, self.out);
        }
    }

    /// Refuses a subcommand in Redis's words: one of those `known` has a wrong number of arguments,
    /// and there is no other.
    pub(super) fn refuse_subcommand(&mut self, command: &str, asked: &[u8], known: &[&str]) {
        if let Some(name) = known.iter().find(|name| asked.eq_ignore_ascii_case(name.as_bytes())) {
            return self.wrong_arity(&format!("{command}|{name}"));
        }
        let (shown, command) = (&asked[..asked.len().min(128)], command.to_ascii_uppercase());
        let text = [b"ERR unknown subcommand '", shown, b"'. Try ", command.as_bytes(), b" HELP."];
        self.error(text.concat());
    }

    /// Redis's words for a wrong number of arguments.
    pub(super) fn wrong_arity(&mut self, command: &str) {
        self.error(format!("ERR wrong number of arguments for '{command}' command"));
    }
}
