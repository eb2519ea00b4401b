//! Numbers with a fraction, as Redis reads and writes them. One text gives one number and one
//! number one text, on every machine.

use super::Refusal;

/// The longest text that is read as a number.
const TEXT_BYTES_MAX: usize = 256;

/// Reads a number; `inf` and `-inf` are numbers, `nan` and what is too large for 64 bits are not.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let is_named = unsigned.first().is_some_and(u8::is_ascii_alphabetic);
    // As C reads them: digits must not end in infinity, nor in nothing.
    let mantissa = unsigned.split(|byte| matches!(byte, b'e' | b'E')).next()?;
    let has_value = is_named || mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    let fits = number.is_infinite() == is_named && (number != 0.0) == has_value;
    (fits && !number.is_nan()).then_some(number)
}

/// Reads an argument that has to be a number.
pub(super) fn argument(text: &[u8]) -> Result<f64, Refusal> {
    float(text).ok_or(Refusal::NOT_FLOAT)
}

/// A number as a reply shows it: the fewest digits that give it back, and an exponent where `%.17g`
/// of C has one.
pub(super) fn shown(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(-4..17) | Err(_) => format!("{number}"),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

/// A number as INCRBYFLOAT stores it: never with an exponent, and a whole number with all its
/// digits.
pub(super) fn stored(number: f64) -> String {
    let number = number + 0.0;
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number}") }
}

/// The sum that INCRBYFLOAT and HINCRBYFLOAT store, which has to be finite.
pub(super) fn sum(old: f64, by: f64) -> Result<f64, Refusal> {
    let new = old + by;
    let refusal = Refusal::Text("ERR increment would produce NaN or Infinity");
    new.is_finite().then_some(new).ok_or(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_in_redis() {
        for (number, text) in [
            (0.0, "0"),
            (3.0, "3"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(shown(number), text);
            assert_eq!(float(text.as_bytes()), Some(number));
        }
    }

    #[test]
    fn stored_numbers_have_no_exponent() {
        for (number, text) in [
            (9_223_372_036_854_775_808.0, "9223372036854775808"),
            (1e21, "1000000000000000000000"),
            (-0.0, "0"),
            (1e-7, "0.0000001"),
            (-2.50, "-2.5"),
        ] {
            assert_eq!(stored(number), text);
        }
    }

    #[test]
    fn texts_that_are_no_number_are_refused() {
        for text in [
            "", " 1", "1 ", "nan", "-nan", "1e999", "1e-999", "0x10", "1_0", "--1", "1e", ".", "e5",
        ] {
            assert_eq!(float(text.as_bytes()), None, "{text}");
        }
        for (text, number) in [("1.", 1.0), (".5", 0.5), ("+inf", f64::INFINITY), ("0e9", 0.0)] {
            assert_eq!(float(text.as_bytes()), Some(number), "{text}");
        }
    }
}
