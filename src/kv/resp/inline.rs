//! Inline commands: a line of words, for people at a terminal and for files of commands.

use super::{ProtocolError, RespFault, RespLimits};

/// Splits `line`, which has no line end, into words by Redis's rules.
///
/// The words go to `text` one behind the other, and their places in it to `spans`. Double quotes
/// know `\n \r \t \b \a \\ \" \xHH`, single quotes only `\'`; a closing quote ends the word, so
/// white space or the end of the line must follow. Unlike Redis, which ends the line at a zero
/// byte, we take zero for a byte like others.
pub(super) fn split(
    line: &[u8],
    limits: &RespLimits,
    text: &mut Vec<u8>,
    spans: &mut Vec<(usize, usize)>,
) -> Result<(), ProtocolError> {
    text.clear();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(is_blank) {
            at += 1;
        }
        if at == line.len() {
            return Ok(());
        }
        if spans.len() == limits.arguments_max {
            return Err(RespFault::Arguments(limits.arguments_max).at(at));
        }
        let (word, start) = (at, text.len());
        at = take_word(line, at, text)?;
        if text.len() - start > limits.bulk_bytes_max {
            return Err(RespFault::BulkBytes(limits.bulk_bytes_max).at(word));
        }
        spans.push((start, text.len()));
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Appends the word that starts at `at` to `text`; returns where it ends.
fn take_word(line: &[u8], mut at: usize, text: &mut Vec<u8>) -> Result<usize, ProtocolError> {
    loop {
        match line.get(at) {
            None | Some(b' ' | b'\n' | b'\r' | b'\t') => return Ok(at),
            Some(&quote @ (b'"' | b'\'')) => {
                return match take_quoted(line, at + 1, quote, text) {
                    Some(end) if line.get(end).is_none_or(is_blank) => Ok(end),
                    _ => Err(RespFault::UnbalancedQuotes.at(at)),
                };
            }
            Some(&byte) => text.push(byte),
        }
        at += 1;
    }
}

/// Appends what stands between quotes to `text`; returns the place behind the closing one.
fn take_quoted(line: &[u8], mut at: usize, quote: u8, text: &mut Vec<u8>) -> Option<usize> {
    loop {
        let (byte, taken) = match (quote, line.get(at..)?) {
            (_, [closing, ..]) if *closing == quote => return Some(at + 1),
            (b'\'', [b'\\', b'\'', ..]) => (b'\'', 2),
            (b'"', [b'\\', b'x', high, low, ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (nibble(*high) << 4 | nibble(*low), 4)
            }
            (b'"', [b'\\', escaped, ..]) => (unescaped(*escaped), 2),
            (_, [byte, ..]) => (*byte, 1),
            (_, []) => return None,
        };
        text.push(byte);
        at += taken;
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut text, mut spans) = (Vec::new(), Vec::new());
        split(line, &RespLimits::default(), &mut text, &mut spans)?;
        Ok(spans.iter().map(|&(start, end)| text[start..end].to_vec()).collect())
    }

    #[test]
    fn words_are_parted_by_white_space() {
        assert_eq!(words(b"  SET\tkey  value ").unwrap(), [&b"SET"[..], b"key", b"value"]);
        assert_eq!(words(b" \t ").unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn double_quotes_know_redis_escapes() {
        let line = br#"SET "a b" "\x00\xfF\n\r\t\b\a\\\"\q\x0" "#;

        assert_eq!(words(line).unwrap(), [&b"SET"[..], b"a b", b"\0\xff\n\r\t\x08\x07\\\"qx0"]);
    }

    #[test]
    fn single_quotes_know_only_themselves() {
        assert_eq!(words(br"'it\'s' '\n' ''").unwrap(), [&b"it's"[..], br"\n", b""]);
    }

    #[test]
    fn quote_inside_a_word_goes_on_with_the_word() {
        assert_eq!(words(br#"key:"a b""#).unwrap(), [b"key:a b"]);
    }

    #[test]
    fn unbalanced_quotes_are_refused_where_they_open() {
        for (line, offset) in
            [(&br#"SET "a"#[..], 4), (br#"SET a "b"c"#, 6), (b"'", 0), (br#"x "\"#, 2)]
        {
            assert_eq!(words(line), Err(RespFault::UnbalancedQuotes.at(offset)), "{line:?}");
        }
    }

    #[test]
    fn too_many_words_are_refused() {
        let limits = RespLimits { arguments_max: 2, ..RespLimits::default() };

        let refused = split(b"a b c", &limits, &mut Vec::new(), &mut Vec::new());

        assert_eq!(refused, Err(RespFault::Arguments(2).at(4)));
    }
}
