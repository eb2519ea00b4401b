//! Blame in words: the reason why the application of a replica does not go on.

use super::frame::{Blame, RoleHolding};
use crate::model::events::Wait;
use crate::model::types::ReplicaId;

impl Blame {
    /// A link of the chain: the role that holds, and what it waits for.
    pub fn of(holding: &RoleHolding) -> Self {
        let replica = match &holding.wait {
            Wait::Proposal(leader) => Some(*leader),
            _ => None,
        };
        let text = match holding.slot {
            Some(slot) => {
                format!("{} holds slot {slot}: it {}", holding.role, words(&holding.wait))
            }
            None => format!("{} {}", holding.role, words(&holding.wait)),
        };
        Self { operator: holding.role.clone(), replica, slot: holding.slot, text }
    }
}

/// What is waited for, as the end of a sentence.
pub fn words(wait: &Wait) -> String {
    match wait {
        Wait::Word { .. } | Wait::ToLead { .. } => format!("has not received {}", awaited(wait)),
        _ => format!("waits for {}", awaited(wait)),
    }
}

/// What is waited for, with its replicas: `the vote of replica 2`.
pub fn awaited(wait: &Wait) -> String {
    match wait {
        Wait::Nothing => "nothing".to_owned(),
        Wait::Role(role) => role.clone(),
        Wait::Proposal(who) => format!("the proposal of replica {who}"),
        Wait::Word { what, of } | Wait::ToLead { what, of } => {
            let plural = if of.len() == 1 { "" } else { "s" };
            format!("the {what}{plural} of {}", replicas(of))
        }
        Wait::Slots(of) => format!("decided slots of {}", replicas(of)),
        Wait::Saving => "its disk to save a checkpoint".to_owned(),
        Wait::Other(what) => what.to_string(),
    }
}

/// `replica 2`, or `replicas 1 and 2`.
pub fn replicas(of: &[ReplicaId]) -> String {
    let names: Vec<String> = of.iter().map(ToString::to_string).collect();
    match names.split_last() {
        None => "no replica".to_owned(),
        Some((one, [])) => format!("replica {one}"),
        Some((last, others)) => format!("replicas {} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::Slot;

    #[test]
    fn a_missing_vote_is_named() {
        let wait = Wait::for_word("vote", vec![ReplicaId(1), ReplicaId(2)]);
        let role = "learner".to_owned();
        let (waited_us, refused) = (0, Default::default());
        let holding = RoleHolding { role, slot: Some(Slot(7)), held: 1, wait, waited_us, refused };
        let text = "learner holds slot 7: it has not received the votes of replicas 1 and 2";
        assert_eq!(Blame::of(&holding).text, text);
    }

    #[test]
    fn replicas_are_listed_as_people_do() {
        let all = [0, 1, 2].map(ReplicaId);
        let lists = [0, 1, 2, 3].map(|count| replicas(&all[..count]));
        assert_eq!(lists, ["no replica", "replica 0", "replicas 0 and 1", "replicas 0, 1 and 2"]);
    }
}
