//! Patience: the time until a question without an answer is asked again.
//!
//! Twice as long after each question that had no answer, and no less than twice the time that the
//! last answer took: over a link that is slower than our patience each answer would be sent many
//! times.

use crate::model::config::Config;
use crate::model::types::Millis;

/// The patience of one who asks one question at a time.
#[derive(Clone, Debug)]
pub struct Patience {
    least: Millis,
    most: Millis,
    /// What it begins with, before an answer has come.
    first: Millis,
    wait: Millis,
    /// When something came, or was asked for.
    since: Millis,
    /// How often it was asked for since.
    asked: u32,
}

impl Patience {
    /// That of a replica with these settings, which has asked for nothing.
    pub fn new(config: &Config) -> Self {
        let least = config.retry_after_ms;
        let most = config.suspect_after_ms.max(least);
        Self { least, most, first: least, wait: least, since: 0, asked: 0 }
    }

    /// The same where answers are large: at first nobody knows how long the link takes for one.
    pub fn for_values(config: &Config) -> Self {
        let patience = Self::new(config);
        Self { first: patience.most, wait: patience.most, ..patience }
    }

    /// A question is asked, for the first time or again.
    pub fn ask(&mut self, now: Millis) {
        if self.asked > 0 {
            self.wait = (2 * self.wait).min(self.most);
        }
        self.asked += 1;
        self.since = now;
    }

    /// What was asked for has come, or some of it.
    ///
    /// Where it was asked for more than once nobody knows which question was answered, so that the
    /// time it took means nothing.
    pub fn came(&mut self, now: Millis) {
        if self.asked == 1 {
            self.wait = (2 * now.saturating_sub(self.since)).clamp(self.least, self.wait);
        }
        self.asked = 0;
        self.since = now;
    }

    /// Somebody else is asked from now on.
    pub fn begin(&mut self, now: Millis) {
        (self.wait, self.asked, self.since) = (self.first, 0, now);
    }

    /// Whether nothing has come for as long as one should wait.
    pub fn is_over(&self, now: Millis) -> bool {
        now.saturating_sub(self.since) >= self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::ReplicaId;

    /// Asks at once and again whenever patience is over, of one whose answers take so long. Says
    /// how many questions it takes for so many answers.
    fn questions(mut patience: Patience, answers: u32, answer_takes: Millis) -> u32 {
        let (mut now, mut questions) = (0, 0);
        for _ in 0..answers {
            let asked_at = now;
            patience.ask(now);
            questions += 1;
            while now < asked_at + answer_takes {
                if patience.is_over(now) {
                    patience.ask(now);
                    questions += 1;
                }
                now += 10;
            }
            // It comes in parts.
            (0..3).for_each(|_| patience.came(now));
        }
        questions
    }

    #[test]
    fn once_it_is_known_how_long_an_answer_takes_nothing_is_asked_twice() {
        let config = Config::new(ReplicaId(0), 3);
        for (takes, most) in [(10, 100), (40, 100), (90, 105), (250, 105)] {
            let asked = questions(Patience::new(&config), 100, takes);
            assert!((100..=most).contains(&asked), "{takes} ms: {asked}");
            assert_eq!(questions(Patience::for_values(&config), 100, takes), 100);
        }
    }

    #[test]
    fn patience_doubles_up_to_a_limit_and_is_short_again_after_a_quick_answer() {
        let mut patience = Patience::new(&Config::new(ReplicaId(0), 3));
        let mut waited = Vec::new();
        let mut now = 0;
        for _ in 0..6 {
            patience.ask(now);
            let asked_at = now;
            while !patience.is_over(now) {
                now += 10;
            }
            waited.push(now - asked_at);
        }
        assert_eq!(waited, [50, 100, 200, 300, 300, 300]);
        patience.came(now);
        patience.ask(now);
        patience.came(now + 10);
        assert!(patience.is_over(now + 60));
    }
}
