//! Lives of slots, from the replicas that remember them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::request::RequestQuery;
use crate::cli::ask::{self, NoAnswer, Targets, unexpected_identity};
use crate::cli::outcome::Failure;
use crate::model::types::{ReplicaId, Slot};
use crate::observe::frame::SlotLife;
use crate::observe::scene::Scene;
use crate::observe::status::ReplicaStatus;

/// Slots that one replica remembers.
#[derive(Debug, Deserialize)]
pub(super) struct ReplicaSlots {
    pub replica: ReplicaId,
    /// Details that it has not taken down, because somebody was reading.
    pub lost: u64,
    /// The oldest slot that it remembers.
    pub oldest: Option<Slot>,
    /// The first slot that it has not executed, by its status.
    #[serde(skip)]
    pub executed: Slot,
    /// Whether it could not be asked, and this is what others have been shown of it: a few slots.
    #[serde(skip)]
    pub shown: bool,
    pub slots: Vec<SlotLife>,
}

/// Answers of all replicas.
#[derive(Debug)]
pub(super) struct Answers {
    /// How many replicas there are.
    pub n: usize,
    pub replicas: Vec<ReplicaSlots>,
    /// Why others do not, and which those are, if that is known.
    pub silences: Vec<(Option<ReplicaId>, String)>,
}

impl Answers {
    /// Asks all at once for the slots of the query. A replica that cannot be asked from here is represented
    /// by the slots that it has shown to others.
    ///
    /// # Errors
    /// [`Failure::Silent`] if nobody answers; [`Failure::Usage`] if those who do are of two clusters.
    pub fn of(
        targets: &Targets,
        request: RequestQuery,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let path = format!("/v1/slots?{}", request.question());
        let answers = targets.ask(|_, address| ask_one(address, &path, patience));
        let (mut replicas, mut silences, mut absent) = (Vec::new(), Vec::new(), true);
        let mut cluster = targets.cluster.clone();
        let mut n = targets.n;
        let mut answering = Targets { replicas: Vec::new(), ..targets.clone() };
        for (&(replica, address), answer) in targets.replicas.iter().zip(answers) {
            absent &= answer.as_ref().is_err_and(NoAnswer::is_unreachable);
            let answer = answer.map_err(|silence| silence.to_string());
            let answer = answer.and_then(|(status, memory)| {
                let expected = cluster.get_or_insert_with(|| status.cluster.clone());
                let other = unexpected_identity(&status, Some(expected), replica);
                other.map_or(Ok((status.n, memory)), Err)
            });
            match answer {
                Ok((known, memory)) => {
                    n = n.or(Some(known));
                    replicas.push(memory);
                    answering.replicas.push((replica, address));
                }
                Err(why) => {
                    let name = replica.map_or(String::new(), |id| format!("replica {id}: "));
                    silences.push((replica, format!("{name}{address}: {why}")));
                }
            }
        }
        let (Some(n), false) = (n, replicas.is_empty()) else {
            let said: Vec<String> = silences.into_iter().map(|(_, why)| why).collect();
            return Err(Failure::Silent { said: said.join("; "), absent });
        };
        let mut answers = Self { n, replicas, silences };
        if answers.missing().next().is_some() {
            let scenes = answering.ask(|_, address| ask::get(address, "/v1/scene", patience));
            answers.learn(scenes.into_iter().flatten().collect(), request);
        }
        Ok(answers)
    }

    /// The replicas without an answer.
    pub fn missing(&self) -> impl Iterator<Item = ReplicaId> {
        let known: BTreeSet<_> = self.replicas.iter().map(|replica| replica.replica).collect();
        (0..self.n as u16).map(ReplicaId).filter(move |replica| !known.contains(replica))
    }

    /// Adds what the scenes hold of replicas without an answer.
    fn learn(&mut self, scenes: Vec<Scene>, request: RequestQuery) {
        let missing: BTreeSet<_> = self.missing().collect();
        let seen = scenes.into_iter().flat_map(|scene| scene.replicas);
        let mut seen: Vec<_> =
            seen.filter(|seen| missing.contains(&seen.replica) && seen.fresh().is_some()).collect();
        seen.sort_by_key(|seen| (seen.replica, seen.age_us));
        seen.dedup_by_key(|seen| seen.replica);
        let frames = seen.into_iter().filter_map(|seen| seen.frame);
        self.replicas.extend(frames.map(|frame| ReplicaSlots {
            replica: frame.status.replica,
            lost: 0,
            oldest: frame.slots.first().map(|life| life.slot),
            executed: frame.status.executed,
            shown: true,
            slots: frame.slots.iter().filter(|life| request.means(life)).cloned().collect(),
        }));
        self.replicas.sort_by_key(|replica| replica.replica);
    }

    /// Adds from earlier answers the slots that replicas which could not be asked had shown then: by now
    /// they show other slots.
    pub fn remember(&mut self, earlier: Self) {
        let shown = earlier.replicas.into_iter().filter(|replica| replica.shown);
        for before in shown {
            self.replicas.retain(|now| !(now.shown && now.replica == before.replica));
            if self.missing().any(|missing| missing == before.replica) {
                self.replicas.push(before);
            }
        }
        self.replicas.sort_by_key(|replica| replica.replica);
    }

    /// The first slot that none of them has executed.
    pub fn executed(&self) -> Slot {
        self.replicas.iter().map(|replica| replica.executed).max().unwrap_or_default()
    }

    /// Leaves only what is about `slot`.
    pub fn keep(&mut self, slot: Slot) {
        for replica in &mut self.replicas {
            replica.slots.retain(|life| life.slot == slot);
        }
    }

    /// How far back the replicas remember.
    pub fn memory(&self) -> String {
        let one = |replica: &ReplicaSlots| {
            let name = replica.replica;
            let lost = match replica.lost {
                0 => String::new(),
                lost => format!(" (and lost {lost} details while it was asked)"),
            };
            match replica.oldest {
                _ if replica.shown => {
                    format!("replica {name} has shown others only some of its latest slots")
                }
                Some(oldest) => format!("replica {name} remembers slots from {oldest} on{lost}"),
                None => format!("replica {name} remembers none{lost}"),
            }
        };
        let said =
            self.replicas.iter().map(one).chain(self.silences.iter().map(|(_, why)| why.clone()));
        said.collect::<Vec<_>>().join("; ")
    }
}

/// How a replica stands and what it remembers. Its status says which cluster it is of.
fn ask_one(
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> Result<(ReplicaStatus, ReplicaSlots), NoAnswer> {
    let status: ReplicaStatus = ask::get(address, "/v1/status", patience)?;
    let memory: ReplicaSlots = ask::get(address, path, patience)?;
    Ok((status.clone(), ReplicaSlots { executed: status.executed, ..memory }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::inspect::example;

    fn told() -> Answers {
        let replica = ReplicaSlots {
            replica: ReplicaId(0),
            lost: 0,
            oldest: Some(Slot(0)),
            executed: Slot(9),
            shown: false,
            slots: vec![example::life(0, 7)],
        };
        Answers { n: 3, replicas: vec![replica], silences: Vec::new() }
    }

    /// What replica 0 knows: replica 1 has shown it slots 6 and 7, and replica 2 is silent.
    fn scene() -> Scene {
        let mut scene = example::scene();
        let frame = Arc::make_mut(scene.replicas[1].frame.as_mut().unwrap());
        frame.slots = vec![example::life(1, 6), example::life(1, 7)];
        scene
    }

    #[test]
    fn a_replica_that_cannot_be_asked_is_known_by_what_it_has_shown() {
        let mut answers = told();
        answers.learn(vec![scene()], RequestQuery::Slot(Slot(7)));

        let [_, shown] = &answers.replicas[..] else { panic!("{answers:?}") };
        assert!(shown.shown && shown.replica == ReplicaId(1), "{shown:?}");
        assert_eq!(shown.slots, [example::life(1, 7)]);
        assert_eq!(answers.missing().collect::<Vec<_>>(), [ReplicaId(2)], "it is silent");
    }

    #[test]
    fn what_was_shown_when_the_slot_was_chosen_is_not_lost_when_it_is_asked_for() {
        let (mut before, mut now) = (told(), told());
        before.learn(vec![scene()], RequestQuery::Last);
        let mut later = scene();
        let frame = Arc::make_mut(later.replicas[1].frame.as_mut().unwrap());
        frame.slots = vec![example::life(1, 900)];
        now.learn(vec![later], RequestQuery::Slot(Slot(7)));

        now.remember(before);
        now.keep(Slot(7));

        assert_eq!(now.replicas[1].slots, [example::life(1, 7)]);
    }
}
