//! The keys of a large state, and SETs of them.

use std::collections::BTreeMap;
use std::io::Write;

/// Bytes of each key.
pub const KEY_BYTES: usize = 16;
/// Values are taken out of so many bytes.
const POOL_BYTES: usize = 1 << 16;

/// Keys, and values of one size for them.
#[derive(Clone)]
pub struct Keys {
    pub count: u64,
    pub value_bytes: usize,
    pool: Vec<u8>,
}

impl Keys {
    pub fn new(count: u64, value_bytes: usize) -> Self {
        let letter = |n: u64| b'a' + (mixed(n) % 26) as u8;
        let pool = (0..(POOL_BYTES + value_bytes) as u64).map(letter).collect();
        Self { count, value_bytes, pool }
    }

    /// As many as have this many bytes of values.
    pub fn of_bytes(bytes: u64, value_bytes: usize) -> Self {
        Self::new((bytes / value_bytes as u64).max(1), value_bytes)
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.count * self.pair_bytes()
    }

    /// Bytes of a key and its value.
    pub fn pair_bytes(&self) -> u64 {
        (KEY_BYTES + self.value_bytes) as u64
    }

    /// Appends a SET of the `n`-th key; its value depends on `version`, too.
    pub fn set(&self, n: u64, version: u64, out: &mut Vec<u8>) {
        let from = (mixed(n ^ version << 32) % POOL_BYTES as u64) as usize;
        out.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$16\r\n");
        out.extend_from_slice(&key(n));
        let _ = write!(out, "\r\n${}\r\n", self.value_bytes);
        out.extend_from_slice(&self.pool[from..from + self.value_bytes]);
        out.extend_from_slice(b"\r\n");
    }

    /// A GET of the `n`-th key.
    pub fn get(n: u64) -> Vec<u8> {
        [b"*2\r\n$3\r\nGET\r\n$16\r\n", &key(n)[..], b"\r\n"].concat()
    }
}

/// The `n`-th key: no two are the same, and neighbours have nothing in common.
fn key(n: u64) -> [u8; KEY_BYTES] {
    let bits = mixed(n);
    std::array::from_fn(|at| b"0123456789abcdef"[(bits >> (4 * at) & 15) as usize])
}

/// Another number for each: splitmix64.
pub fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

/// What SETs were answered.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    pub done: u64,
    /// By the first word of the error.
    pub failed: BTreeMap<String, u64>,
}

impl Outcomes {
    /// Notes a reply without its end of line; says whether it is a good one.
    pub fn note(&mut self, reply: &[u8]) -> bool {
        if reply == b"+OK" {
            self.done += 1;
            return true;
        }
        let text = String::from_utf8_lossy(reply);
        let word = text.trim_start_matches('-').split_whitespace().next().unwrap_or("nothing");
        self.fail(word, 1);
        false
    }

    pub fn fail(&mut self, word: &str, count: u64) {
        *self.failed.entry(word.to_owned()).or_default() += count;
    }

    pub fn add(&mut self, other: &Self) {
        self.done += other.done;
        other.failed.iter().for_each(|(word, count)| self.fail(word, *count));
    }

    pub fn errors(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The errors in words.
    pub fn text(&self) -> String {
        let each = self.failed.iter().map(|(word, count)| format!("{count} {word}"));
        let text = each.collect::<Vec<_>>().join(", ");
        if text.is_empty() { "0".to_owned() } else { text }
    }
}

/// Lines that come in pieces.
#[derive(Default)]
pub struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Calls `each` for every line that ends in `bytes`.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.begun.extend_from_slice(line);
            each(self.begun.strip_suffix(b"\r").unwrap_or(&self.begun));
            self.begun.clear();
            bytes = &rest[1..];
        }
        self.begun.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_wherever_they_are_torn() {
        let replies = b"+OK\r\n-UNKNOWN it may have been executed\r\n+OK\r\n";
        for at in 0..=replies.len() {
            let (mut lines, mut outcomes) = (Lines::default(), Outcomes::default());
            for piece in [&replies[..at], &replies[at..]] {
                lines.feed(piece, |line| _ = outcomes.note(line));
            }
            assert_eq!((outcomes.done, outcomes.text()), (2, "1 UNKNOWN".to_owned()), "{at}");
        }
    }
}
