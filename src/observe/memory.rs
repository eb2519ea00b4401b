//! Memory of a replica: what holds how much of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What holds the memory of a replica, in bytes, near enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemoryStatus {
    /// The state of the application, by its own count, which is the same on all replicas at the
    /// same slot; nothing if it does not count.
    pub state_bytes: Option<u64>,
    /// How many there may be: `limits.memory_max`; nothing if there is no limit.
    pub state_bytes_max: Option<u64>,
    /// What only the checkpoint on its way holds, because it has changed since that was cut.
    pub copied_bytes: u64,
    /// Decided slots that are kept for replicas that are behind, and what has come of a checkpoint
    /// that is fetched.
    pub recent_bytes: u64,
    /// Results that sessions keep for clients that may ask again.
    pub sessions_bytes: u64,
    /// Requests that wait to be proposed.
    pub waiting_bytes: u64,
    /// Messages that wait for other replicas to take them.
    pub links_bytes: u64,
    /// Records that wait for room on the disk.
    pub journal_bytes: u64,
    /// All that the process has in memory; nothing if the system does not tell.
    pub resident_bytes: Option<u64>,
}

impl MemoryStatus {
    /// Above this share of the limit, in percent, the state is near it.
    pub const NEAR_PERCENT: u64 = 90;

    /// What holds memory, each by its name; the application first.
    pub fn holders(&self) -> [(&'static str, u64); 7] {
        [
            ("state", self.state_bytes.unwrap_or(0)),
            ("copies for the checkpoint", self.copied_bytes),
            ("recent slots", self.recent_bytes),
            ("sessions", self.sessions_bytes),
            ("waiting requests", self.waiting_bytes),
            ("links", self.links_bytes),
            ("journal", self.journal_bytes),
        ]
    }

    /// The state, its limit, and how many percent of the limit it takes, if both are known.
    pub fn of_limit(&self) -> Option<(u64, u64, u64)> {
        let (state, max) = (self.state_bytes?, self.state_bytes_max.filter(|max| *max > 0)?);
        let percent = u128::from(state) * 100 / u128::from(max);
        Some((state, max, u64::try_from(percent).unwrap_or(u64::MAX)))
    }
}

/// Bytes in a unit of their size: `512 B`, `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    // What would be shown as 1024 is one of the next unit.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_three_digits_and_the_unit_that_fits() {
        let sizes = [0, 1_023, 1_024, 1_536, 10_240, (1 << 20) - 1, 999 << 20, 3 << 40, u64::MAX];

        let told =
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 KiB", "1.0 MiB", "999 MiB", "3.0 TiB"];
        assert_eq!(sizes.map(size)[..8], told);
        assert_eq!(size(u64::MAX), "16777216 TiB");
    }

    #[test]
    fn the_share_of_the_limit_is_known_where_both_are() {
        let memory = |state_bytes, state_bytes_max| MemoryStatus {
            state_bytes,
            state_bytes_max,
            ..MemoryStatus::default()
        };
        assert_eq!(memory(Some(95), Some(100)).of_limit(), Some((95, 100, 95)));
        assert_eq!(memory(Some(u64::MAX), Some(1)).of_limit().map(|it| it.2), Some(u64::MAX));
        for unknown in [memory(None, Some(1)), memory(Some(1), None), memory(Some(1), Some(0))] {
            assert_eq!(unknown.of_limit(), None);
        }
    }
}
