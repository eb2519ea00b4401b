//! Selection of a request on the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::asking::Answers;
use crate::model::types::{ClientId, Slot};
use crate::observe::frame::SlotLife;

/// How many slots of each replica are looked at for the latest.
const LATEST: usize = 64;
/// How many for the slowest: replicas answer with no more at once.
const MANY: usize = 1_000;

/// Selection of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestQuery {
    /// What is in a slot.
    Slot(Slot),
    /// A request of a client.
    Of(ClientId, u64),
    /// The latest.
    Last,
    /// The slowest of the recent ones.
    Slowest,
}

impl FromStr for RequestQuery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "must be slot:N, ID:NUMBER, cID:NUMBER or last".to_owned();
        let number = |text: &str| text.parse::<u64>().map_err(|_| wanted());
        match text.split_once(':') {
            None if text == "last" => Ok(Self::Last),
            None => Err(wanted()),
            Some(("slot", slot)) => Ok(Self::Slot(Slot(number(slot)?))),
            Some((client, request)) => {
                let client = match client.strip_prefix('c') {
                    Some(line) => ClientId::of_line(number(line)?),
                    None => ClientId(number(client)?),
                };
                Ok(Self::Of(client, number(request)?))
            }
        }
    }
}

impl fmt::Display for RequestQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "slot {slot}"),
            Self::Of(client, number) => write!(f, "request {number} of {}", name(*client)),
            Self::Last | Self::Slowest => f.write_str("any request"),
        }
    }
}

/// What a client is called.
pub(super) fn name(client: ClientId) -> String {
    match client.line() {
        Some(line) => format!("connection {line}"),
        None => format!("session {client}"),
    }
}

impl RequestQuery {
    /// The question to the replicas.
    pub fn question(&self) -> String {
        match self {
            Self::Slot(slot) => format!("slot={slot}"),
            Self::Of(client, number) => format!("client={client}&number={number}"),
            Self::Last => format!("last={LATEST}"),
            Self::Slowest => format!("last={MANY}"),
        }
    }

    /// Whether a slot that a replica reports is one of those that are looked for.
    pub fn means(&self, life: &SlotLife) -> bool {
        let runs = || life.batch.iter().flat_map(|batch| &batch.runs);
        match *self {
            Self::Slot(slot) => life.slot == slot,
            Self::Of(client, number) => {
                runs().any(|run| run.client == client && (run.first..=run.last).contains(&number))
            }
            Self::Last | Self::Slowest => true,
        }
    }

    /// The slot among those found that the query selects, and others that match it: connections of several
    /// replicas have the same numbers.
    pub fn choose(&self, found: &Answers) -> Option<(Slot, BTreeSet<Slot>)> {
        let mut seen: BTreeMap<Slot, Vec<&SlotLife>> = BTreeMap::new();
        for life in found.replicas.iter().flat_map(|replica| &replica.slots) {
            seen.entry(life.slot).or_default().push(life);
        }
        let slot = match self {
            Self::Slot(slot) => seen.contains_key(slot).then_some(*slot),
            Self::Of(..) => seen.keys().next_back().copied(),
            // The latest of those that most replicas have executed tells most.
            Self::Last => {
                let executed = |lives: &[&SlotLife]| {
                    lives.iter().filter(|life| life.executed_at.is_some()).count()
                };
                let known = |lives: &[&SlotLife]| lives.iter().any(|life| life.batch.is_some());
                let slots = seen.iter().filter(|(_, lives)| known(lives));
                slots.map(|(slot, lives)| (executed(lives), *slot)).max().map(|(_, slot)| slot)
            }
            Self::Slowest => {
                let took = seen.iter().filter_map(|(slot, lives)| Some((took(lives)?, *slot)));
                took.max().map(|(_, slot)| slot)
            }
        }?;
        let others = match self {
            Self::Of(..) => seen.into_keys().filter(|other| *other != slot).collect(),
            _ => BTreeSet::new(),
        };
        Some((slot, others))
    }
}

/// How long a slot took, by one clock: that of the replica whose clients asked, if it tells.
fn took(lives: &[&SlotLife]) -> Option<u64> {
    let between = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
    let at_source = lives.iter().find_map(|life| between(life.packed_at, life.executed_at));
    let elsewhere = || lives.iter().filter_map(|life| between(life.proposed_at, life.executed_at));
    at_source.or_else(|| elsewhere().max())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;
    use crate::cli::trace::asking::ReplicaSlots;
    use crate::model::types::ReplicaId;

    fn found(slots: &[&[u64]]) -> Answers {
        let replica = |(replica, slots): (u16, &&[u64])| ReplicaSlots {
            replica: ReplicaId(replica),
            lost: 0,
            executed: Slot(0),
            shown: false,
            oldest: Some(Slot(0)),
            slots: slots.iter().map(|slot| example::life(replica, *slot)).collect(),
        };
        Answers { n: 3, replicas: (0..).zip(slots).map(replica).collect(), silences: Vec::new() }
    }

    #[test]
    fn requests_are_named_by_slot_session_or_connection() {
        assert_eq!("slot:7".parse(), Ok(RequestQuery::Slot(Slot(7))));
        assert_eq!("5:17".parse(), Ok(RequestQuery::Of(ClientId(5), 17)));
        assert_eq!("c5:17".parse(), Ok(RequestQuery::Of(ClientId::of_line(5), 17)));
        assert_eq!("last".parse(), Ok(RequestQuery::Last));
        for text in ["", "7", "slot:", "slot:x", "a:1", "5:", "first"] {
            assert!(text.parse::<RequestQuery>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_latest_request_is_one_that_most_have_executed() {
        let answers = found(&[&[1, 2, 3], &[1, 2], &[1, 2]]);

        assert_eq!(RequestQuery::Last.choose(&answers).unwrap().0, Slot(2));
        assert_eq!(RequestQuery::Last.choose(&found(&[&[1, 2]])).unwrap().0, Slot(2));
        assert_eq!(RequestQuery::Last.choose(&found(&[])), None);
    }

    #[test]
    fn the_slowest_is_measured_by_the_clock_of_its_source() {
        let mut answers = found(&[&[1, 2], &[1, 2]]);
        // A clock that jumped on a replica that was not asked.
        *answers.replicas[0].slots[0].executed_at.as_mut().unwrap() += 5_000_000;
        *answers.replicas[1].slots[1].executed_at.as_mut().unwrap() += 1;

        assert_eq!(RequestQuery::Slowest.choose(&answers).unwrap().0, Slot(2));
    }

    #[test]
    fn other_slots_of_the_same_name_are_not_hidden() {
        let request = RequestQuery::Of(ClientId::of_line(5), 1);

        let chosen = request.choose(&found(&[&[1, 9], &[9]])).unwrap();

        assert_eq!(chosen, (Slot(9), [Slot(1)].into()));
    }
}
