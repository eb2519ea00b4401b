//! Numbers on a command line.

use std::str::FromStr;

/// A whole number that is not negative, and no larger than what it counts may be.
pub(super) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    let digits = !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit());
    text.parse().map_err(|_| match digits {
        true => "is too large".to_owned(),
        false => "must be a whole number, 0 or more".to_owned(),
    })
}

/// A number of which there must be one at least.
pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number, 1 or more".to_owned()),
        Ok(number) => Ok(number),
    }
}
