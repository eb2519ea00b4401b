//! Blame in words: the reason why the application of a replica does not go on.

use super::frame::{Blame, RoleHolding};
use super::saving::SavingStatus;
use crate::model::events::Wait;
use crate::model::types::ReplicaId;

impl Blame {
    /// A link of the chain: the role that holds, and what it waits for. `saving` is the checkpoint on
    /// its way to the disk of its replica.
    pub fn of(holding: &RoleHolding, saving: Option<&SavingStatus>) -> Self {
        let replica = match &holding.wait {
            Wait::Proposal(leader) => Some(*leader),
            _ => None,
        };
        let text = match holding.slot {
            Some(slot) => {
                format!("{} holds slot {slot}: it {}", holding.role, words(&holding.wait, saving))
            }
            None => format!("{} {}", holding.role, words(&holding.wait, saving)),
        };
        Self { operator: holding.role.clone(), replica, slot: holding.slot, text }
    }
}

/// What is waited for, as the end of a sentence.
pub fn words(wait: &Wait, saving: Option<&SavingStatus>) -> String {
    let awaited = awaited(wait, saving);
    match wait {
        Wait::Word { .. } | Wait::ToLead { .. } => format!("has not received {awaited}"),
        _ => format!("waits for {awaited}"),
    }
}

/// What is waited for, with its replicas, `the vote of replica 2`, or with how far it is.
pub fn awaited(wait: &Wait, saving: Option<&SavingStatus>) -> String {
    match wait {
        Wait::Nothing => "nothing".to_owned(),
        Wait::Role(role) => role.clone(),
        Wait::Proposal(who) => format!("the proposal of replica {who}"),
        Wait::Word { what, of } | Wait::ToLead { what, of } => {
            let plural = if of.len() == 1 { "" } else { "s" };
            format!("the {what}{plural} of {}", replicas(of))
        }
        Wait::Slots(of) => format!("decided slots of {}", replicas(of)),
        Wait::Saving => {
            let far = saving.map(|saving| format!(" ({})", saving.amount()));
            format!("its disk to save a checkpoint{}", far.unwrap_or_default())
        }
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
        let (slot, held, bytes) = (Some(Slot(7)), 1, 0);
        let holding = RoleHolding { role, slot, held, bytes, wait, waited_us, refused };
        let text = "learner holds slot 7: it has not received the votes of replicas 1 and 2";
        assert_eq!(Blame::of(&holding, None).text, text);
    }

    #[test]
    fn a_checkpoint_that_is_waited_for_is_told_with_how_far_it_is_if_that_is_known() {
        let saving = SavingStatus { parts_done: 3, parts: 9, bytes: 4096, ..Default::default() };
        assert_eq!(awaited(&Wait::Saving, None), "its disk to save a checkpoint");
        let told = awaited(&Wait::Saving, Some(&saving));
        assert_eq!(told, "its disk to save a checkpoint (3 of 9 parts, 4.0 KiB)");
    }

    #[test]
    fn replicas_are_listed_as_people_do() {
        let all = [0, 1, 2].map(ReplicaId);
        let lists = [0, 1, 2, 3].map(|count| replicas(&all[..count]));
        assert_eq!(lists, ["no replica", "replica 0", "replicas 0 and 1", "replicas 0, 1 and 2"]);
    }
}
