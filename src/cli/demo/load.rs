//! The client of a demo: keeps the window full, and remembers what it must to check what comes back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::input::DemoInput;
use super::totals::Totals;
use crate::cli::outcome::Failure;
use crate::client::RequestOutcome;
use crate::hosts::embedded::Client;
use crate::kv::resp::write_command;
use crate::model::error::Error;
use crate::model::histogram::Buckets;

/// Progress of the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadProgress {
    pub submitted: u64,
    pub answered: u64,
}

/// Sends what the input gives, in memory that does not grow with it.
pub(super) struct Load {
    client: Client,
    outstanding: usize,
    command: Vec<u8>,
    totals: Totals,
    progress: LoadProgress,
    /// Whether request `low + 1` and those after it are answered.
    answered: VecDeque<bool>,
    low: u64,
    /// The last number of what was sent together, and when that was.
    sent: VecDeque<(u64, Instant)>,
    pub latency: Buckets,
    /// Answers with which the application refuses a command.
    pub refused: u64,
    /// Counters compared in the end.
    pub counters: u64,
    started: Instant,
    ended: Option<Instant>,
    heard_at: Instant,
    /// The longest time without an answer while one was waited for.
    pub gap: Duration,
}

impl Load {
    pub fn new(client: Client, outstanding: usize) -> Self {
        let now = Instant::now();
        Self {
            client,
            outstanding,
            command: Vec::new(),
            totals: Totals::default(),
            progress: LoadProgress { submitted: 0, answered: 0 },
            answered: VecDeque::new(),
            low: 0,
            sent: VecDeque::new(),
            latency: Buckets::default(),
            refused: 0,
            counters: 0,
            started: now,
            ended: None,
            heard_at: now,
            gap: Duration::ZERO,
        }
    }

    /// Opens the session; the clock runs from here on.
    pub fn connect(&mut self) -> Result<(), Failure> {
        self.client.connect()?;
        self.started = Instant::now();
        self.heard_at = self.started;
        Ok(())
    }

    pub fn progress(&self) -> LoadProgress {
        self.progress
    }

    pub fn open(&self) -> u64 {
        self.client.open() as u64
    }

    /// For how long nothing has been heard.
    pub fn silence(&self) -> Duration {
        self.heard_at.elapsed()
    }

    /// How long it took from the first request to the last answer.
    pub fn elapsed(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now) - self.started
    }

    pub fn finish(&mut self) {
        self.ended = Some(Instant::now());
    }

    /// Submits until the window is full, the input at its end, or `upto` requests submitted.
    pub fn fill(&mut self, input: &mut DemoInput, upto: Option<u64>) -> Result<(), Failure> {
        let now = Instant::now();
        if self.client.open() == 0 {
            self.heard_at = now;
        }
        let mut last = None;
        while self.client.open() < self.outstanding
            && self.client.room() > 0
            && upto.is_none_or(|upto| self.progress.submitted < upto)
            && input.next(&mut self.command)?
        {
            self.totals.on_command(&self.command);
            last = Some(self.client.submit(&self.command)?);
            self.answered.push_back(false);
            self.progress.submitted += 1;
        }
        if let Some(last) = last {
            self.sent.push_back((last, now));
            self.client.flush();
        }
        Ok(())
    }

    /// Takes what answers come within a moment.
    pub fn receive(&mut self) -> Result<(), Failure> {
        let mut wrong = None;
        let mut arrived = None;
        let Self { client, answered, low, sent, latency, refused, progress, .. } = self;
        let count = client.receive(Duration::from_millis(20), |number, outcome| {
            let now = *arrived.get_or_insert_with(Instant::now);
            let RequestOutcome::Done(reply) = outcome else {
                wrong = Some(Error::Unknown { number }.into());
                return;
            };
            *refused += u64::from(reply.starts_with(b"-"));
            let at = number.checked_sub(*low + 1).map(|at| at as usize);
            match at.and_then(|at| answered.get_mut(at)) {
                Some(answered) if !*answered => *answered = true,
                _ => {
                    let said = format!("request {number} was answered twice or never asked");
                    wrong = Some(Failure::integrity(said));
                }
            }
            while sent.front().is_some_and(|(last, _)| *last < number) {
                sent.pop_front();
            }
            let since = sent.front().map_or(now, |(_, since)| *since);
            latency.add(now - since);
            progress.answered += 1;
        });
        while answered.front() == Some(&true) {
            answered.pop_front();
            *low += 1;
        }
        if count > 0 {
            let now = Instant::now();
            self.gap = self.gap.max(now - self.heard_at);
            self.heard_at = now;
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Asks the cluster for the counters whose values are known here.
    pub fn check_totals(&mut self) -> Result<(), Failure> {
        let mut asked = VecDeque::new();
        let mut counters = self.totals.expected().peekable();
        while counters.peek().is_some() || !asked.is_empty() {
            while asked.len() < self.outstanding
                && let Some((key, expected)) = counters.next()
            {
                self.command.clear();
                write_command([b"GET".as_slice(), key].into_iter(), &mut self.command);
                asked.push_back((self.client.submit(&self.command)?, key, expected));
            }
            // Reads of one session are answered in order.
            while let Some((number, key, expected)) = asked.pop_front() {
                let (answered, reply) = self.client.next().ok_or(Error::Unknown { number })?;
                let (reply, shown) = (reply?, expected.to_string());
                let right = format!("${}\r\n{shown}\r\n", shown.len()).into_bytes();
                if (answered, &reply) != (number, &right) {
                    return Err(Failure::integrity(format!(
                        "counter {} was incremented {shown} times and shows {}",
                        key.escape_ascii(),
                        reply.escape_ascii()
                    )));
                }
                self.counters += 1;
            }
        }
        Ok(())
    }
}
