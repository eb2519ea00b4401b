//! Expected values of the counters, as far as the client can know them.

use std::collections::HashMap;

use crate::kv::resp::{Arguments, Parsed, RespLimits};
use crate::kv::service;

/// Follows the counters that only INCR touches.
#[derive(Default)]
pub(super) struct Totals {
    arguments: Arguments,
    /// How often each key was incremented; `None` for those that something else has touched.
    keys: HashMap<Vec<u8>, Option<u64>>,
    /// A command was sent that may change any key.
    lost: bool,
}

impl Totals {
    /// Keys followed; those seen first when there are so many are not.
    const KEYS_MAX: usize = 100_000;

    /// Notes a command that is sent.
    pub fn on_command(&mut self, command: &[u8]) {
        let parsed = self.arguments.parse(command, &RespLimits::default());
        let Ok(Parsed::Complete { value, .. }) = parsed else { return };
        let Some(row) = service::find(value.get(0).unwrap_or_default()) else { return };
        let key = value.get(1).unwrap_or_default();
        if row.name == "incr" {
            let many = self.keys.len() >= Self::KEYS_MAX;
            if let Some(count) = self.keys.get_mut(key) {
                *count = count.map(|count| count + 1);
            } else if !many {
                self.keys.insert(key.to_vec(), Some(1));
            }
        } else if row.is_write() {
            let (first, last, step) = row.keys;
            let last = match usize::try_from(last) {
                Ok(last) => last,
                Err(_) => value.len().saturating_sub(last.unsigned_abs().into()),
            };
            self.lost |= first == 0;
            let places = (first as usize..=last).step_by(step.max(1) as usize);
            for key in places.filter_map(|at| value.get(at)) {
                touch(&mut self.keys, key);
            }
        }
    }

    /// The counters and what each must show.
    pub fn expected(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let keys = self.keys.iter().filter(|_| !self.lost);
        keys.filter_map(|(key, count)| Some((key.as_slice(), (*count)?)))
    }
}

fn touch(keys: &mut HashMap<Vec<u8>, Option<u64>>, key: &[u8]) {
    if let Some(count) = keys.get_mut(key) {
        *count = None;
    } else if keys.len() < Totals::KEYS_MAX {
        keys.insert(key.to_vec(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::resp::write_command;

    fn expected(commands: &[&[&str]]) -> Vec<(String, u64)> {
        let mut totals = Totals::default();
        for words in commands {
            let mut command = Vec::new();
            write_command(words.iter().map(|word| word.as_bytes()), &mut command);
            totals.on_command(&command);
        }
        let name = |key| String::from_utf8_lossy(key).into_owned();
        let mut expected: Vec<_> = totals.expected().map(|(k, n)| (name(k), n)).collect();
        expected.sort();
        expected
    }

    #[test]
    fn counters_that_only_incr_touches_are_known() {
        let commands: &[&[&str]] = &[&["incr", "a"], &["GET", "a"], &["INCR", "b"], &["INCR", "a"]];
        assert_eq!(expected(commands), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    }

    #[test]
    fn a_counter_that_something_else_touches_is_not_known() {
        let before: &[&[&str]] = &[&["SET", "a", "5"], &["INCR", "a"]];
        let after: &[&[&str]] = &[&["INCR", "a"], &["DEL", "b", "a"], &["INCR", "a"]];
        let all: &[&[&str]] = &[&["INCR", "a"], &["FLUSHALL"], &["INCR", "b"]];
        assert_eq!([expected(before), expected(after), expected(all)], [[], [], []]);
    }
}
