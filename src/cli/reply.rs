//! Replies of the service: for people as redis-cli prints them into a pipe, a line a value; for programs an
//! object a line, with the number of the command and its reply or error.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::output::OutputForm;
use crate::kv::resp::{Parsed, RespLimits, RespReply};

/// Prints the reply to command `number`, the first being 1.
///
/// # Errors
/// What the output says.
pub(super) fn write_reply(
    out: &mut impl Write,
    form: OutputForm,
    number: u64,
    reply: &[u8],
) -> io::Result<()> {
    let reply = match RespReply::parse(reply, &RespLimits::default()) {
        Ok(Parsed::Complete { value, .. }) => value,
        _ => RespReply::Error(b"the reply is not RESP".to_vec()),
    };
    match form {
        OutputForm::Text => write_text(out, &reply),
        OutputForm::Json => {
            let line = match &reply {
                RespReply::Error(text) => json!({ "n": number, "error": text_of(text) }),
                reply => json!({ "n": number, "reply": json_of(reply) }),
            };
            writeln!(out, "{line}")
        }
    }
}

/// Prints that the reply to a command was told before, or will never be known.
///
/// # Errors
/// What the output says.
pub(super) fn write_note(
    out: &mut impl Write,
    form: OutputForm,
    number: u64,
    note: &str,
) -> io::Result<()> {
    match form {
        OutputForm::Text => writeln!(out, "({note})"),
        OutputForm::Json => writeln!(out, "{}", json!({ "n": number, "note": note })),
    }
}

fn write_text(out: &mut impl Write, reply: &RespReply) -> io::Result<()> {
    match reply {
        RespReply::Integer(number) => writeln!(out, "{number}"),
        RespReply::Array(Some(elements)) => {
            elements.iter().try_for_each(|element| write_text(out, element))
        }
        RespReply::Bulk(None) | RespReply::Array(None) => writeln!(out),
        RespReply::Simple(bytes) | RespReply::Error(bytes) | RespReply::Bulk(Some(bytes)) => {
            out.write_all(bytes)?;
            writeln!(out)
        }
    }
}

fn json_of(reply: &RespReply) -> Value {
    match reply {
        RespReply::Integer(number) => json!(number),
        RespReply::Bulk(None) | RespReply::Array(None) => Value::Null,
        RespReply::Simple(bytes) | RespReply::Bulk(Some(bytes)) => text_of(bytes),
        RespReply::Error(bytes) => json!({ "error": text_of(bytes) }),
        RespReply::Array(Some(elements)) => elements.iter().map(json_of).collect(),
    }
}

/// Text as it is, other bytes in hexadecimal digits under a name of their own.
fn text_of(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": digits })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: OutputForm, reply: &[u8]) -> String {
        let mut out = Vec::new();
        write_reply(&mut out, form, 7, reply).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_a_line_a_value() {
        assert_eq!(written(OutputForm::Text, b"*3\r\n$1\r\na\r\n$-1\r\n:5\r\n"), "a\n\n5\n");
    }

    #[test]
    fn json_tells_errors_numbers_and_bytes_apart() {
        assert_eq!(written(OutputForm::Json, b":5\r\n"), "{\"n\":7,\"reply\":5}\n");
        assert_eq!(written(OutputForm::Json, b"-ERR no\r\n"), "{\"error\":\"ERR no\",\"n\":7}\n");
        assert_eq!(
            written(OutputForm::Json, b"$1\r\n\xff\r\n"),
            "{\"n\":7,\"reply\":{\"hex\":\"ff\"}}\n"
        );
    }
}
