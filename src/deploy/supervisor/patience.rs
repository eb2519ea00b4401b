//! How long to wait before something that died is started again.

use std::time::Duration;

/// Doubles with each early death, up to a limit.
#[derive(Clone, Debug)]
pub struct RestartDelay {
    next: Duration,
}

impl Default for RestartDelay {
    fn default() -> Self {
        Self { next: Self::FIRST }
    }
}

impl RestartDelay {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);
    /// Who has lived as long as this begins anew.
    pub(super) const LONG_LIFE: Duration = Duration::from_secs(10);

    /// The pause after a life of this length.
    pub fn after(&mut self, lived: Duration) -> Duration {
        if lived >= Self::LONG_LIFE {
            self.next = Self::FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_doubles_up_to_a_limit_and_begins_anew_after_a_long_life() {
        let mut patience = RestartDelay::default();
        let early = Duration::from_secs(1);

        let pauses: Vec<u128> = (0..8).map(|_| patience.after(early).as_millis()).collect();

        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(patience.after(Duration::from_secs(10)).as_millis(), 100);
        assert_eq!(patience.after(early).as_millis(), 200);
    }
}
