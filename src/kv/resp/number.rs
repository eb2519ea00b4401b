//! Integers as RESP and Redis write them, decimal and in one spelling each, and the lengths before
//! arrays and strings.

use super::{ProtocolError, RespFault};

/// Reads an integer in its only spelling: no sign but `-`, no leading zero, no spaces.
///
/// This is what Redis takes for an integer, as a length and as a value; `None` for all else and for
/// what does not fit 64 bits.
pub fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => return (digits.len() == text.len()).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads an [`integer`] that counts something: one from zero on.
pub fn count(text: &[u8]) -> Option<usize> {
    usize::try_from(integer(text)?).ok()
}

/// Appends `number` in the spelling that [`integer`] reads.
pub fn write_decimal(number: i64, out: &mut Vec<u8>) {
    if let digit @ 0..=9 = number {
        out.push(b'0' + digit as u8);
        return;
    }
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if number < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    out.extend_from_slice(&digits[start..]);
}

/// Reads the number at `start` and the CRLF behind it; returns the place after that too, or `None`
/// when the input ends before.
#[inline]
pub(super) fn length(
    input: &[u8],
    start: usize,
    fault: RespFault,
) -> Result<Option<(i64, usize)>, ProtocolError> {
    // Nearly all lengths have one digit or two.
    match input.get(start..) {
        Some([ones @ b'0'..=b'9', b'\r', b'\n', ..]) => Ok(Some(((ones - b'0').into(), start + 3))),
        Some([tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', b'\n', ..]) => {
            Ok(Some((((tens - b'0') * 10 + (ones - b'0')).into(), start + 4)))
        }
        _ => long_length(input, start, fault),
    }
}

fn long_length(
    input: &[u8],
    start: usize,
    fault: RespFault,
) -> Result<Option<(i64, usize)>, ProtocolError> {
    let negative = input.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let mut number: i64 = 0;
    let mut at = first;
    loop {
        match input.get(at) {
            // Eighteen digits always fit, and no length has more.
            Some(digit @ b'0'..=b'9') if at - first < 18 => {
                number = number * 10 + i64::from(digit - b'0');
            }
            Some(b'\r') => break,
            Some(_) => return Err(fault.at(at)),
            None => return Ok(None),
        }
        at += 1;
    }
    let digits = at - first;
    if digits == 0 || (input[first] == b'0' && (digits > 1 || negative)) {
        return Err(fault.at(start));
    }
    match input.get(at + 1) {
        Some(b'\n') => Ok(Some((if negative { -number } else { number }, at + 2))),
        Some(_) => Err(fault.at(at + 1)),
        None => Ok(None),
    }
}

/// Reads a number as [`length`] does, whatever follows the carriage return behind it.
pub(super) fn lenient_length(
    input: &[u8],
    start: usize,
    fault: RespFault,
    is_canonical: &mut bool,
) -> Result<Option<(i64, usize)>, ProtocolError> {
    match length(input, start, fault) {
        Err(error) if error.offset > start && input[error.offset - 1] == b'\r' => {
            *is_canonical = false;
            let number = integer(&input[start..error.offset - 1]).ok_or(fault.at(start))?;
            Ok(Some((number, error.offset + 1)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: i64) -> Vec<u8> {
        let mut out = Vec::new();
        write_decimal(number, &mut out);
        out
    }

    #[test]
    fn integers_are_read_as_they_are_written() {
        for number in [0, 1, -1, 9, 10, -10, 65_536, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(written(number), number.to_string().as_bytes());
            assert_eq!(integer(&written(number)), Some(number));
        }
    }

    #[test]
    fn a_second_spelling_of_an_integer_is_refused() {
        for text in ["", "-", "+1", "01", "-0", "00", " 1", "1 ", "1.0", "0x1", "1e3", "--1"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn integers_beyond_64_bits_are_refused() {
        for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }
}
