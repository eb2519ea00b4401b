//! The numbers before arrays and strings.

use super::{ProtocolError, RespFault, integer};

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
