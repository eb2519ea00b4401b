//! The connection of one client that speaks Redis's protocol.

use std::collections::VecDeque;

use crate::kv::redis::{Offence, RedisConnection};
use crate::kv::service::REPLY_BYTES_MAX;
use crate::links::Fault;
use crate::links::socket::Socket;
use crate::model::types::Millis;

/// Bytes of replies that may wait for one client before further ones are dropped, whatever it had
/// asked before it was full: more than the longest reply of a transaction.
const OUTPUT_BYTES_MAX: usize = 96 << 20;
const _: () = assert!(OUTPUT_BYTES_MAX > 2 * REPLY_BYTES_MAX);
/// How often it is noted what clients have asked for, to find what waits too long.
const NOTED_EVERY_MS: Millis = 100;
/// How long a client that was told why its connection ends may go on to send, in all and between
/// two pieces. Were it closed at once, the system would throw away what it has not read yet.
const LINGER_MS: Millis = 60_000;
const LINGER_SILENT_MS: Millis = 5_000;

/// A connection, and what is to be known of it.
pub struct RedisSocket {
    pub stream: Socket,
    /// Its address, also when it has gone.
    pub peer: String,
    pub line: RedisConnection,
    /// What it has asked for last.
    pub asked: u64,
    /// What it had asked for at some times, oldest first, as far as no answer has come.
    noted: VecDeque<(u64, Millis)>,
    /// When it last took something, or had nothing to take.
    pub moved_at: Millis,
    /// Once it was told why its connection ends.
    pub ending: Option<Lingering>,
}

/// A connection that ends when its client has sent all.
pub struct Lingering {
    since: Millis,
    heard_at: Millis,
    /// Whether something has been read since.
    pub is_heard: bool,
}

/// Why a connection has ended by what its client has sent.
pub fn fault_of(offence: Option<Offence>) -> Fault {
    match offence {
        None => Fault::Closed,
        Some(Offence::Unreadable) => Fault::Unreadable,
        Some(Offence::Http) => Fault::Refused(
            "possible attack: an HTTP request, perhaps made by a web page; nothing of it was executed"
                .to_owned(),
        ),
    }
}

impl RedisSocket {
    /// One that has just come.
    pub fn new(stream: Socket, line: RedisConnection, now: Millis) -> Self {
        let (peer, noted) = (stream.peer(), VecDeque::new());
        Self { stream, peer, line, asked: 0, noted, moved_at: now, ending: None }
    }

    /// Takes a reply, unless too much waits already.
    pub fn on_reply(&mut self, number: u64, result: &[u8]) {
        if self.line.output().len() + result.len() > OUTPUT_BYTES_MAX {
            self.line.drop_reply(number);
        } else {
            self.line.on_reply(number, result);
        }
    }

    /// Whether something can be done for it at once.
    pub fn has_work(&self) -> bool {
        let reads = !self.line.is_full() || self.ending.is_some();
        self.line.is_ready() || (self.stream.is_readable() && reads)
    }

    /// The last request that has waited for `patience_ms`, if one has.
    pub fn overdue(&mut self, now: Millis, patience_ms: Millis) -> Option<u64> {
        let oldest = self.line.oldest_open();
        while self
            .noted
            .pop_front_if(|(number, _)| oldest.is_none_or(|open| open > *number))
            .is_some()
        {}
        let since = |(_, at): &(u64, Millis)| now.saturating_sub(*at);
        if oldest.is_some_and(|open| open <= self.asked)
            && self
                .noted
                .back()
                .is_none_or(|last| last.0 < self.asked && since(last) >= NOTED_EVERY_MS)
        {
            self.noted.push_back((self.asked, now));
        }
        let mut overdue = None;
        while let Some((number, _)) = self.noted.pop_front_if(|noted| since(noted) >= patience_ms) {
            overdue = Some(number);
        }
        overdue
    }

    /// Whether a client whose bytes were no commands may still send, now that it has been told.
    pub fn lingers(&mut self, now: Millis) -> bool {
        if self.line.offence() != Some(Offence::Unreadable) {
            return false;
        }
        let ending = self.ending.get_or_insert_with(|| {
            self.stream.end_writing();
            Lingering { since: now, heard_at: now, is_heard: false }
        });
        if std::mem::take(&mut ending.is_heard) {
            ending.heard_at = now;
        }
        now.saturating_sub(ending.since) < LINGER_MS
            && now.saturating_sub(ending.heard_at) < LINGER_SILENT_MS
    }

    /// Sends what it takes now; answers how many bytes.
    pub fn flush(&mut self, now: Millis) -> Result<usize, Fault> {
        if self.line.output().is_empty() {
            self.moved_at = now;
            return Ok(0);
        }
        let count = self.stream.write(self.line.output())?;
        self.line.sent(count);
        if count > 0 {
            self.moved_at = now;
        }
        Ok(count)
    }
}
