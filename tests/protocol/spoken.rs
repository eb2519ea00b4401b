//! The protocols by their messages, for tests that are the same for all of them.

use std::fmt::Debug;
use std::hash::Hash;

use taraflow::dataflows::{self, multipaxos, paxos, tara};
use taraflow::engine::operators::catch_up::CatchUp;
use taraflow::engine::ordering::messages::Promise;
use taraflow::engine::protocol::{JournalRecord, Protocol};
use taraflow::hosts::simulation;

/// The message of a protocol.
pub trait Spoken: Clone + Debug + Hash + 'static {
    /// What the protocol writes to the journal.
    type Record: JournalRecord;

    /// The protocol.
    const PROTOCOL: Protocol<Self, Self::Record>;

    /// What of it is between roles that fetch what they lack.
    fn catch_up(&mut self) -> Option<&mut CatchUp>;
}

impl Spoken for tara::Message {
    type Record = Promise;

    const PROTOCOL: Protocol<Self, Promise> = tara::PROTOCOL;

    fn catch_up(&mut self) -> Option<&mut CatchUp> {
        match self {
            Self::CatchUp(message) => Some(message),
            _ => None,
        }
    }
}

impl Spoken for paxos::Message {
    type Record = paxos::AcceptorRecord;

    const PROTOCOL: Protocol<Self, Self::Record> = paxos::PROTOCOL;

    fn catch_up(&mut self) -> Option<&mut CatchUp> {
        match self {
            Self::CatchUp(message) => Some(message),
            _ => None,
        }
    }
}

impl Spoken for multipaxos::Message {
    type Record = Promise;

    const PROTOCOL: Protocol<Self, Promise> = multipaxos::PROTOCOL;

    fn catch_up(&mut self) -> Option<&mut CatchUp> {
        match self {
            Self::CatchUp(message) => Some(message),
            _ => None,
        }
    }
}

/// A protocol, or what is left of it; Tara, if none is named.
pub type Subject<M = tara::Message> = simulation::Subject<M, <M as Spoken>::Record>;

/// The protocol as it is.
pub fn whole<M: Spoken>() -> Subject<M> {
    Subject::of(M::PROTOCOL)
}

/// Calls a function that is generic over the message of a protocol once for each protocol: this is
/// the only list of tests that are the same for all.
macro_rules! each_protocol {
    ($test:ident) => {
        $test::<taraflow::dataflows::tara::Message>();
        $test::<taraflow::dataflows::paxos::Message>();
        $test::<taraflow::dataflows::multipaxos::Message>();
    };
}

/// The same for each protocol in which a replica leads.
macro_rules! each_with_leaders {
    ($test:ident) => {
        $test::<taraflow::dataflows::tara::Message>();
        $test::<taraflow::dataflows::multipaxos::Message>();
    };
}

pub(crate) use {each_protocol, each_with_leaders};

#[test]
fn every_protocol_is_tested() {
    fn note<M: Spoken>() {
        NAMES.with_borrow_mut(|names| names.push(M::PROTOCOL.name));
    }
    thread_local! {
        static NAMES: std::cell::RefCell<Vec<&'static str>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    each_protocol!(note);
    assert_eq!(NAMES.take(), dataflows::names());
}
