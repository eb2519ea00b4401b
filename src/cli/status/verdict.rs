//! What the answers of all replicas amount to.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use crate::cli::ask::stranger;
use crate::error::Error;
use crate::observe::status::ReplicaStatus;
use crate::quorum::majority;
use crate::types::ReplicaId;

/// A replica as seen from here.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen {
    /// Its number, if it is known.
    pub replica: Option<ReplicaId>,
    /// Where it was asked.
    pub address: SocketAddr,
    /// What it answered.
    pub status: Option<ReplicaStatus>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// A cluster as seen from here.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Overview {
    /// The version of this format.
    version: u32,
    pub verdict: Verdict,
    /// How many replicas there are.
    pub n: usize,
    /// How many of them are enough.
    pub needed: usize,
    /// How many answer, hear enough others and can vote.
    pub working: usize,
    /// How many of these may fail, and the rest still be enough.
    pub may_fail: usize,
    pub replicas: Vec<Seen>,
}

/// How a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// All replicas are of full use.
    Healthy,
    /// It serves, and somebody should look.
    Degraded,
    /// Not all replicas were asked; of those that were, some work, which takes a quorum.
    Partial,
    /// Too few replicas can be seen to work.
    NoQuorum,
    /// Nobody answers.
    Unreachable,
}

impl Seen {
    /// What a replica, number `replica` of the cluster called `cluster` if that is known, is asked for.
    /// Others may listen on its address.
    pub fn checked(mut self, cluster: Option<&str>) -> Self {
        let Some(status) = &self.status else { return self };
        let stranger = stranger(status, cluster, self.replica);
        match stranger {
            Some(_) => (self.status, self.error) = (None, stranger),
            None => self.replica = Some(status.replica),
        }
        self
    }

    fn works(&self) -> bool {
        let can_vote = |status: &ReplicaStatus| {
            status.not_ready.iter().all(|reason| reason.code.allows_votes())
        };
        self.status.as_ref().is_some_and(can_vote)
    }

    fn is_fine(&self) -> bool {
        let fine =
            |status: &ReplicaStatus| status.not_ready.is_empty() && status.diverged.is_empty();
        self.status.as_ref().is_some_and(fine)
    }
}

impl Overview {
    const VERSION: u32 = 1;

    /// Of the replicas asked, of `n` if it is known how many there are.
    pub fn new(replicas: Vec<Seen>, n: Option<usize>) -> Self {
        let answers = || replicas.iter().filter_map(|seen| seen.status.as_ref());
        let n = n.or_else(|| answers().map(|status| status.n).max()).unwrap_or(replicas.len());
        let needed = majority(n);
        let working = replicas.iter().filter(|seen| seen.works()).count();
        let fine = replicas.iter().filter(|seen| seen.is_fine()).count();
        let verdict = match working {
            _ if answers().next().is_none() => Verdict::Unreachable,
            1.. if replicas.len() < n => Verdict::Partial,
            _ if working < needed => Verdict::NoQuorum,
            _ if fine < n => Verdict::Degraded,
            _ => Verdict::Healthy,
        };
        let may_fail = working.saturating_sub(needed);
        Self { version: Self::VERSION, verdict, n, needed, working, may_fail, replicas }
    }

    /// What the process should end with.
    pub fn outcome(&self) -> Result<(), Error> {
        let Self { n, needed, working, .. } = *self;
        match self.verdict {
            Verdict::Healthy | Verdict::Degraded | Verdict::Partial => Ok(()),
            Verdict::NoQuorum => Err(Error::TooFewWork { n, needed, working }),
            Verdict::Unreachable => Err(Error::NobodyAnswers { asked: self.replicas.len() }),
        }
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, needed, working, may_fail, replicas, .. } = self;
        match self.verdict {
            Verdict::Healthy => write!(f, "healthy: all {n} replicas work; {may_fail} may fail"),
            Verdict::Degraded => {
                write!(f, "degraded: {working} of {n} replicas work; ")?;
                if *may_fail > 0 {
                    write!(f, "{may_fail} may still fail")
                } else {
                    f.write_str("no other may fail")
                }
            }
            Verdict::Partial => {
                let asked = replicas.len();
                write!(
                    f,
                    "there is a quorum: {working} of the {asked} replicas asked, of {n}, work"
                )
            }
            Verdict::NoQuorum => {
                write!(f, "no quorum: {working} of {n} replicas work, and {needed} are needed")
            }
            Verdict::Unreachable => {
                write!(f, "unreachable: none of {} replicas answers", replicas.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::health::{Code, Reason};
    use crate::observe::status::Divergence;
    use crate::types::Slot;

    fn seen(reasons: &[Code]) -> Seen {
        let reason = |code: &Code| Reason { code: *code, text: String::new() };
        let not_ready = reasons.iter().map(reason).collect();
        let status = Some(ReplicaStatus { not_ready, ..ReplicaStatus::example() });
        Seen { replica: None, address: ([127, 0, 0, 1], 7200).into(), status, error: None }
    }

    fn silent() -> Seen {
        Seen { status: None, error: Some("no".to_owned()), ..seen(&[]) }
    }

    fn said(replicas: Vec<Seen>) -> String {
        Overview::new(replicas, Some(3)).to_string()
    }

    #[test]
    fn a_cluster_is_healthy_only_if_all_its_replicas_are() {
        assert_eq!(
            said(vec![seen(&[]), seen(&[]), seen(&[])]),
            "healthy: all 3 replicas work; 1 may fail"
        );
        assert_eq!(
            said(vec![seen(&[]), seen(&[]), silent()]),
            "degraded: 2 of 3 replicas work; no other may fail"
        );
    }

    #[test]
    fn a_replica_that_is_behind_still_votes() {
        assert_eq!(
            said(vec![seen(&[]), seen(&[Code::Behind]), seen(&[])]),
            "degraded: 3 of 3 replicas work; 1 may still fail"
        );
    }

    #[test]
    fn a_replica_that_cannot_vote_does_not_count() {
        for code in [Code::NoQuorum, Code::Fenced, Code::Draining, Code::Silent, Code::Starting] {
            let said = said(vec![seen(&[]), seen(&[code]), silent()]);

            assert_eq!(said, "no quorum: 1 of 3 replicas work, and 2 are needed", "{code:?}");
        }
    }

    #[test]
    fn replicas_that_were_not_asked_are_not_taken_for_missing() {
        assert_eq!(
            said(vec![seen(&[])]),
            "there is a quorum: 1 of the 1 replicas asked, of 3, work"
        );
        assert_eq!(
            said(vec![seen(&[Code::NoQuorum])]),
            "no quorum: 0 of 3 replicas work, and 2 are needed"
        );
        let overview = Overview::new(vec![seen(&[]), seen(&[])], None);
        assert_eq!((overview.n, overview.verdict), (3, Verdict::Partial));
    }

    #[test]
    fn diverged_replicas_are_never_healthy() {
        let mut diverged = seen(&[]);
        let difference = Divergence { slot: Slot(1000), replica: ReplicaId(1) };
        diverged.status.as_mut().unwrap().diverged.push(difference);

        let overview = Overview::new(vec![diverged, seen(&[]), seen(&[])], Some(3));

        assert_eq!(overview.verdict, Verdict::Degraded);
    }

    #[test]
    fn exit_codes_tell_no_answer_from_too_few_answers() {
        let code = |replicas| {
            Overview::new(replicas, Some(3))
                .outcome()
                .map_or_else(|error| error.exit_code(), |()| 0)
        };

        assert_eq!(code(vec![silent(), silent(), silent()]), 3);
        assert_eq!(code(vec![seen(&[]), silent(), silent()]), 4);
        assert_eq!(code(vec![seen(&[]), seen(&[]), silent()]), 0);
    }

    #[test]
    fn strangers_on_a_replicas_address_are_named_and_do_not_count() {
        let asked = |number, cluster: &str| {
            let seen = Seen { replica: Some(ReplicaId(number)), ..seen(&[]) };
            seen.checked(Some(cluster)).error.unwrap_or_default()
        };
        let own = ReplicaStatus::example().cluster;

        assert_eq!(asked(0, &own), "");
        assert_eq!(asked(1, &own), "another replica, 0, answers there");
        assert!(asked(0, "2").contains("another cluster"));
    }
}
