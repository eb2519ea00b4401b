//! Reads: requests that change nothing, and need not pass the log.

use crate::model::batch::Requests;
use crate::model::types::Slot;

/// How recent the state must be that answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// As recent as all that was answered before the read was asked, by whichever replica: reads
    /// are linearizable.
    Latest,
    /// It holds all slots below this one, and perhaps no more. A replica's state never goes back,
    /// so with the slots that a client has seen, its reads are sequential.
    Executed(Slot),
}

/// Reads that are answered together.
#[derive(Clone, Debug)]
pub struct Reads {
    /// How recent the state must be.
    pub freshness: Freshness,
    /// What is asked. A command that may write is not executed.
    pub requests: Requests,
}

/// The way of a request to its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// It is ordered, and answered when it is executed.
    #[default]
    Log,
    /// It changes nothing, and is answered from the state of a replica.
    State(Freshness),
}
