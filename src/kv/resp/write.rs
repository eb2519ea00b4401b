//! Writers of commands and replies; every function appends to `out`.

use super::write_decimal;

/// Appends a command in its canonical form, an array of bulk strings.
///
/// ```
/// let mut out = Vec::new();
/// taraflow::kv::resp::write_command([b"GET".as_slice(), b"k"].into_iter(), &mut out);
/// assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
/// ```
pub fn write_command<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    write_array(arguments.len(), out);
    for argument in arguments {
        write_bulk(argument, out);
    }
}

/// Appends a simple string such as `OK`. CR and LF would end it early and become spaces.
pub fn write_simple(text: &str, out: &mut Vec<u8>) {
    write_line(b'+', text.as_bytes(), out);
}

/// Appends the simple string `OK`, the reply of most writes.
pub fn write_ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

/// Appends an error; `text` begins with its code, as in `ERR syntax error`. CR and LF, which a
/// client may have put into what is quoted here, become spaces.
pub fn write_error(text: &[u8], out: &mut Vec<u8>) {
    write_line(b'-', text, out);
}

/// Appends an integer.
pub fn write_integer(number: i64, out: &mut Vec<u8>) {
    write_header(b':', number, out);
}

/// Appends a bulk string, which may hold any bytes.
pub fn write_bulk(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 16);
    write_header(b'$', bytes.len() as i64, out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends the bulk string that is none: "there is no such value".
pub fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

/// Appends the array that is none.
pub fn write_null_array(out: &mut Vec<u8>) {
    out.extend_from_slice(b"*-1\r\n");
}

/// Appends the header of an array; its `count` elements are to follow.
pub fn write_array(count: usize, out: &mut Vec<u8>) {
    write_header(b'*', count as i64, out);
}

/// Appends the header of a value: its type, and a number.
pub(crate) fn write_header(kind: u8, number: i64, out: &mut Vec<u8>) {
    out.push(kind);
    write_decimal(number, out);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    let start = out.len();
    out.extend_from_slice(text);
    for byte in &mut out[start..] {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_has_its_bytes() {
        let mut out = Vec::new();

        write_simple("PONG", &mut out);
        write_ok(&mut out);
        write_integer(-42, &mut out);
        write_array(2, &mut out);
        write_bulk(b"a\r\nb", &mut out);
        write_null(&mut out);

        assert_eq!(out, b"+PONG\r\n+OK\r\n:-42\r\n*2\r\n$4\r\na\r\nb\r\n$-1\r\n");
    }

    #[test]
    fn a_quoted_line_end_cannot_forge_a_second_reply() {
        let mut out = Vec::new();

        write_error(b"ERR unknown command 'x\r\n+OK'", &mut out);

        assert_eq!(out, b"-ERR unknown command 'x  +OK'\r\n");
    }
}
