//! The connections of `submit`: a thread and a session each.

use std::collections::VecDeque;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};

use crate::cli::outcome::Failure;
use crate::client::{Client, Target};
use crate::kv::resp::{Arguments, Parsed, RespLimits};
use crate::model::error::Error;
use crate::model::types::ClientId;

/// What came of a command.
pub(super) struct Answered {
    /// Its place in the input, from 0.
    pub index: u64,
    pub command: Vec<u8>,
    pub reply: Result<Vec<u8>, Error>,
}

struct Lane {
    /// The name of its session, once that is open.
    session: Option<ClientId>,
    /// Commands it has been given, in this run and before.
    given: u64,
    commands: Option<Sender<Given>>,
}

/// Owns the connections.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    answers: Receiver<Answered>,
    answer: Sender<Answered>,
    arguments: Arguments,
}

impl Lanes {
    /// Commands that may wait for a connection.
    const WAITING_MAX: usize = 1024;

    /// So many connections that are not open yet.
    pub fn planned(count: usize) -> Self {
        let lane = || Lane { session: None, given: 0, commands: None };
        // What is open in the sessions and what waits for them bounds the answers under way.
        let (answer, answers) = unbounded();
        let lanes = (0..count).map(|_| lane()).collect();
        Self { lanes, answers, answer, arguments: Arguments::default() }
    }

    /// Opens so many new sessions.
    ///
    /// # Errors
    /// Why one cannot be opened.
    pub fn open(target: &Target, count: u16) -> Result<Self, Failure> {
        let mut lanes = Self::planned(count as usize);
        for lane in &mut lanes.lanes {
            let mut client = target.connect()?;
            client.connect()?;
            lane.session = client.session();
            lane.start(client, lanes.answer.clone())?;
        }
        Ok(lanes)
    }

    /// Takes up the sessions of an earlier run where they stand.
    ///
    /// # Errors
    /// Why no replica can be reached.
    pub fn resume(&mut self, target: &Target, sessions: &[ClientId]) -> Result<(), Failure> {
        for (lane, session) in self.lanes.iter_mut().zip(sessions) {
            let client = target.resume(*session, lane.given)?;
            lane.session = Some(*session);
            lane.start(client, self.answer.clone())?;
        }
        Ok(())
    }

    /// The names of the sessions.
    pub fn sessions(&self) -> Vec<ClientId> {
        self.lanes.iter().filter_map(|lane| lane.session).collect()
    }

    /// Which connection a command takes: those with the same first key the same.
    fn lane_of(&mut self, command: &[u8]) -> usize {
        let Ok(Parsed::Complete { value, .. }) =
            self.arguments.parse(command, &RespLimits::default())
        else {
            return 0;
        };
        let key = value.get(1).unwrap_or_default();
        crc32fast::hash(key) as usize % self.lanes.len()
    }

    /// Notes a command that an earlier run has given.
    pub fn count(&mut self, command: &[u8]) {
        let lane = self.lane_of(command);
        self.lanes[lane].given += 1;
    }

    /// Whether every connection takes another command.
    pub fn has_room(&self) -> bool {
        self.lanes.iter().all(|lane| lane.commands.as_ref().is_some_and(|lane| !lane.is_full()))
    }

    /// Gives a command to its connection. Ask [`Lanes::has_room`] first.
    pub fn send(&mut self, index: u64, command: Vec<u8>) {
        let lane = self.lane_of(&command);
        let lane = &mut self.lanes[lane];
        lane.given += 1;
        if let Some(commands) = &lane.commands {
            // A connection that has ended shows in the answers that do not come.
            let _ = commands.send((index, command));
        }
    }

    /// Where the answers come out, in any order.
    pub fn answers(&self) -> &Receiver<Answered> {
        &self.answers
    }
}

impl Lane {
    fn start(&mut self, client: Client, answers: Sender<Answered>) -> Result<(), Failure> {
        let (sender, commands) = bounded(Lanes::WAITING_MAX);
        self.commands = Some(sender);
        let run = move || Run { client, commands, answers, open: VecDeque::new() }.run();
        std::thread::Builder::new().name("submit".to_owned()).spawn(run)?;
        Ok(())
    }
}

/// One connection at work.
struct Run {
    client: Client,
    commands: Receiver<Given>,
    answers: Sender<Answered>,
    /// What has been submitted, by number: those before the first have been answered.
    open: VecDeque<(u64, Option<Given>)>,
}

/// A command with its place in the input.
type Given = (u64, Vec<u8>);

impl Run {
    fn run(mut self) {
        while self.submit().is_ok() {
            let Self { client, answers, open, .. } = &mut self;
            client.receive(Duration::from_millis(100), |number, outcome| {
                let Some(first) = open.front().map(|(number, _)| *number) else { return };
                let found =
                    open.get_mut((number - first) as usize).and_then(|(_, taken)| taken.take());
                let Some((index, command)) = found else { return };
                let reply = outcome.into_result(number);
                // Nobody waits for answers when the command has ended.
                let _ = answers.send(Answered { index, command, reply });
            });
            while open.front().is_some_and(|(_, taken)| taken.is_none()) {
                open.pop_front();
            }
        }
    }

    /// Submits what waits, as far as the session has room; waits for a command when nothing is open.
    fn submit(&mut self) -> Result<(), TryRecvError> {
        while self.client.room() > 0 {
            let (index, command) = if self.open.is_empty() {
                self.commands.recv().map_err(|_| TryRecvError::Disconnected)?
            } else {
                match self.commands.try_recv() {
                    Ok(given) => given,
                    Err(_) => return Ok(()),
                }
            };
            match self.client.submit(&command) {
                Ok(number) => self.open.push_back((number, Some((index, command)))),
                Err(error) => {
                    let _ = self.answers.send(Answered { index, command, reply: Err(error) });
                }
            }
        }
        Ok(())
    }
}
