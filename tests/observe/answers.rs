//! Answers over HTTP, taken apart.

use serde_json::Value;

/// The code of an answer; nothing if there is none.
pub fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// The body of an answer, as JSON.
pub fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
