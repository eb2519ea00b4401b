//! What the replicas remember of slots.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::cli::ask::{self, Silence, Whom, stranger};
use crate::error::Error;
use crate::observe::frame::SlotLife;
use crate::observe::status::ReplicaStatus;
use crate::types::{ReplicaId, Slot};

/// What one replica answers.
#[derive(Debug, Deserialize)]
pub(super) struct Replica {
    pub replica: ReplicaId,
    /// Details that it has not taken down, because somebody was reading.
    pub lost: u64,
    /// The oldest slot that it remembers.
    pub oldest: Option<Slot>,
    /// The first slot that it has not executed, by its status.
    #[serde(skip)]
    pub executed: Slot,
    pub slots: Vec<SlotLife>,
}

/// What all of them answer.
#[derive(Debug)]
pub(super) struct Answers {
    /// How many replicas there are.
    pub n: usize,
    pub replicas: Vec<Replica>,
    /// Why others do not.
    pub silences: Vec<String>,
}

impl Answers {
    /// Asks all at once for the slots that `question` names.
    ///
    /// # Errors
    /// [`Error::Silent`] if nobody answers; [`Error::Usage`] if those who do are of two clusters.
    pub fn of(whom: &Whom, question: &str, patience: Duration) -> Result<Self, Error> {
        let path = format!("/v1/slots?{question}");
        let answers = whom.ask(|address| ask_one(address, &path, patience));
        let (mut replicas, mut silences) = (Vec::new(), Vec::new());
        let mut cluster = whom.cluster.clone();
        let mut n = whom.n;
        for ((replica, address), answer) in whom.replicas.iter().zip(answers) {
            let (status, memory) = match answer {
                Ok(answer) => answer,
                Err(silence) => {
                    silences.push(silent(*replica, *address, &silence.to_string()));
                    continue;
                }
            };
            let expected = cluster.get_or_insert_with(|| status.cluster.clone());
            if let Some(who) = stranger(&status, Some(expected), *replica) {
                silences.push(silent(*replica, *address, &who));
                continue;
            }
            n = n.or(Some(status.n));
            replicas.push(memory);
        }
        match n {
            Some(n) if !replicas.is_empty() => Ok(Self { n, replicas, silences }),
            _ => Err(Error::Silent { said: silences.join("; ") }),
        }
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
        let one = |replica: &Replica| {
            let name = replica.replica;
            let lost = match replica.lost {
                0 => String::new(),
                lost => format!(" (and lost {lost} details while it was asked)"),
            };
            match replica.oldest {
                Some(oldest) => format!("replica {name} remembers slots from {oldest} on{lost}"),
                None => format!("replica {name} remembers none{lost}"),
            }
        };
        let said = self.replicas.iter().map(one).chain(self.silences.iter().cloned());
        said.collect::<Vec<_>>().join("; ")
    }
}

/// How a replica stands and what it remembers. Its status says which cluster it is of.
fn ask_one(
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> Result<(ReplicaStatus, Replica), Silence> {
    let status: ReplicaStatus = ask::get(address, "/v1/status", patience)?;
    let memory: Replica = ask::get(address, path, patience)?;
    Ok((status.clone(), Replica { executed: status.executed, ..memory }))
}

fn silent(replica: Option<ReplicaId>, address: SocketAddr, why: &str) -> String {
    match replica {
        Some(replica) => format!("replica {replica}: {address}: {why}"),
        None => format!("{address}: {why}"),
    }
}
