//! Times that can be compared with those that replicas tell: microseconds since the epoch.
#![allow(clippy::disallowed_types, reason = "replicas tell the time of the day")]

use std::time::{SystemTime, UNIX_EPOCH};

pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_micros() as u64
}

/// Times during which something was under way: in their order, and apart.
#[derive(Clone, Debug, Default)]
pub struct Spans(Vec<(u64, u64)>);

impl Spans {
    pub fn new(mut spans: Vec<(u64, u64)>) -> Self {
        spans.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::new();
        for (begin, end) in spans {
            match apart.last_mut() {
                Some(last) if begin <= last.1 => last.1 = last.1.max(end),
                _ => apart.push((begin, end)),
            }
        }
        Self(apart)
    }

    /// Whether one of them has a moment in common with this one.
    pub fn meets(&self, begin: u64, end: u64) -> bool {
        let after = self.0.partition_point(|span| span.1 < begin);
        self.0.get(after).is_some_and(|span| span.0 <= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_are_one_and_their_ends_belong_to_them() {
        let spans = Spans::new(vec![(20, 30), (5, 6), (1, 5)]);
        assert_eq!(spans.0, [(1, 6), (20, 30)]);
        assert!(spans.meets(6, 7) && spans.meets(7, 20) && spans.meets(0, 40));
        assert!(!spans.meets(7, 19) && !spans.meets(31, 40) && !Spans::default().meets(0, 40));
    }
}
