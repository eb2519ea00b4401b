//! The one judgement of a cluster, shown by every command, page and figure: that of its worst
//! finding. Which findings are DOWN is decided in `findings/rules.rs` and `leading.rs`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::findings::{Finding, Severity};
use super::scene::Scene;
use super::status::ReplicaRole;
use crate::model::exit;

/// The state of a cluster in a word.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Enough replicas follow a leader that hears them, nothing waits, and nothing else is wrong:
    /// the latest request was executed, and the next one would be.
    Healthy,
    /// Requests are answered, and something must be looked at.
    Degraded,
    /// Requests are not answered.
    Down,
    /// The replicas contradict each other.
    Fatal,
    /// Nobody can be asked.
    #[default]
    Unreachable,
}

impl Verdict {
    /// All but the last, which is nobody's to say who can be asked.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Degraded, Self::Down, Self::Fatal];

    /// That of what is wrong.
    pub fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).min() {
            None => Self::Healthy,
            Some(Severity::Degraded) => Self::Degraded,
            Some(Severity::Down) => Self::Down,
            Some(Severity::Fatal) => Self::Fatal,
        }
    }

    /// The exit code of a command whose answer this is.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Unreachable => exit::UNREACHABLE,
            Self::Down => exit::UNAVAILABLE,
            Self::Degraded => exit::DEGRADED,
            Self::Fatal => exit::INTEGRITY,
        }
    }

    /// In one word, as programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Fatal => "fatal",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "DOWN",
            Self::Fatal => "FATAL",
            other => other.name(),
        })
    }
}

impl Scene {
    /// The judgement in a line: the worst that is wrong, or that nothing is.
    pub fn headline(&self) -> String {
        let verdict = self.verdict;
        match &self.findings[..] {
            [] if verdict == Verdict::Unreachable => format!("{verdict}: nobody answers"),
            [] => format!("{verdict}: {}", self.all_is_well()),
            [worst, rest @ ..] => {
                // The last reason is what all the others come from.
                let because = worst.because.last().map_or(String::new(), |why| format!(": {why}"));
                let more = match rest.len() {
                    0 => String::new(),
                    more => format!(" (and {more} more)"),
                };
                format!("{verdict}: {}{because}{more}", worst.text)
            }
        }
    }

    /// What can be said of a cluster of which nothing is wrong, the evidence included.
    fn all_is_well(&self) -> String {
        let frames = || self.replicas.iter().filter_map(|seen| Some((seen.frame.as_ref()?, seen)));
        let count = self.replicas.len();
        let leads =
            frames().map(|(frame, _)| &frame.status).filter(|it| it.role == ReplicaRole::Leader);
        let leader = leads.max_by_key(|status| status.view).map_or_else(String::new, |status| {
            format!(", replica {} leads view {}", status.replica, status.view)
        });
        let executed = frames().map(|(frame, _)| frame.status.executed).max().unwrap_or_default();
        let ago = frames().filter_map(|(frame, seen)| {
            Some(frame.status.executed_ms_ago?.saturating_add(seen.age_us / 1_000))
        });
        let idle = match ago.min() {
            Some(ms) if ms >= 2_000 => format!(", idle for {}", rough(ms / 1_000)),
            _ => String::new(),
        };
        format!("nothing is wrong: {count} replicas{leader}, slot {executed}{idle}")
    }
}

/// A time in its largest unit.
fn rough(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::findings::Code;

    fn finding(severity: Severity) -> Finding {
        let (text, because) = ("it burns".to_owned(), vec!["of the fire".to_owned()]);
        Finding { code: Code::Other, severity, replica: None, text, because }
    }

    #[test]
    fn the_worst_finding_is_the_verdict_and_its_exit_code() {
        let code = |severities: &[Severity]| {
            let findings: Vec<_> = severities.iter().map(|severity| finding(*severity)).collect();
            Verdict::of(&findings).exit_code()
        };

        assert_eq!(code(&[]), 0);
        assert_eq!(code(&[Severity::Degraded]), 5);
        assert_eq!(code(&[Severity::Degraded, Severity::Down]), 4);
        assert_eq!(code(&[Severity::Down, Severity::Fatal, Severity::Degraded]), 7);
        assert_eq!(Verdict::Unreachable.exit_code(), 3);
    }

    #[test]
    fn a_headline_is_the_worst_finding_its_reason_and_how_many_more_there_are() {
        let mut scene = Scene::of(Vec::new(), 0);
        scene.findings = vec![finding(Severity::Degraded)];
        scene.verdict = Verdict::Degraded;
        assert_eq!(scene.headline(), "degraded: it burns: of the fire");

        scene.findings.push(finding(Severity::Degraded));
        assert_eq!(scene.headline(), "degraded: it burns: of the fire (and 1 more)");
    }

    #[test]
    fn idle_times_have_one_unit() {
        assert_eq!(
            [7, 119, 600, 90_000, 200_000].map(rough),
            ["7 s", "119 s", "10 min", "25 h", "2 d"]
        );
    }
}
