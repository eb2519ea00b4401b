//! One client's connection: bytes in, ordered commands out, replies in, bytes out.

use std::sync::Arc;

use crate::kv::resp::{
    Arguments, Command, Parsed, ProtocolError, RespFault, RespLimits, write_error,
};
use crate::kv::service::{self, Row};
use crate::model::buffer::ByteQueue;
use crate::model::reads::Way;

use super::local::{self, Action, Target};
use super::queue::{Form, Queue, Silence};
use super::session::Session;
use super::transaction::{Step, Transaction, Watches};
use super::{RedisSettings, ServerInfo};

mod commands;
mod listing;

/// Room kept for input when there is none.
const IDLE_BYTES_MAX: usize = 64 << 10;

/// A part of a command is looked at whenever it grows while it has no more bytes than this, so that
/// a fault in it is told at once; a longer one only when it may be whole, lest many small parts
/// cost much.
const LOOKED_AT_BYTES_MAX: usize = 4 << 10;

/// One client's connection.
///
/// What it cannot answer itself is handed to `order` with the way it has to take, and with numbers
/// from 1 on; the result of a number comes back by [`on_reply`](Self::on_reply). While something is
/// open, all else takes the same way.
///
/// ```
/// use std::sync::Arc;
///
/// use taraflow::kv::redis::{RedisConnection, RedisSettings, ServerInfo};
/// use taraflow::model::reads::Way;
///
/// let mut connection = RedisConnection::new(7, Arc::new(RedisSettings::default()));
/// let mut ordered = Vec::new();
/// connection.on_bytes(b"INCR k\r\nPING\r\n", &ServerInfo::default(), &mut |way, number, command| {
///     ordered.push((way, number, command.to_vec()));
/// });
/// assert_eq!(ordered, [(Way::Log, 1, b"*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n".to_vec())]);
/// assert_eq!(connection.output(), b"");
/// connection.on_reply(1, b":1\r\n");
/// assert_eq!(connection.output(), b":1\r\n+PONG\r\n");
/// connection.sent(11);
/// assert_eq!(connection.output(), b"");
/// ```
pub struct RedisConnection {
    settings: Arc<RedisSettings>,
    session: Session,
    queue: Queue,
    /// The way that the open commands have taken.
    way: Way,
    /// Why the connection ends, if that is the client's fault.
    offence: Option<Offence>,
    transaction: Option<Transaction>,
    watches: Watches,
    /// EXEC that waits for its reply before the connection can do its part.
    mixed: Option<Mixed>,
    listing: Listing,
    /// How many commands it has taken.
    commands: u64,
    /// Bytes that have arrived and were not taken yet; nothing can be made of them before there are
    /// `needed`.
    input: ByteQueue<IDLE_BYTES_MAX>,
    needed: usize,
    stall: Option<Stall>,
    /// Room for parsing, and for a command in its canonical form.
    arguments: Arguments,
    canonical: Vec<u8>,
}

/// Input that ends the connection of the client that has sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// Bytes that are no command.
    Unreadable,
    /// An HTTP request. A web page can make a browser send one, with commands in its body, to any
    /// address that the browser reaches.
    Http,
}

/// A reason for which commands that have arrived are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stall {
    /// Too many are open, or their replies are not read.
    Full,
    /// The reply to an ordered command must be known first: to WATCH, when the next is EXEC, and to
    /// an EXEC that the connection has a part in.
    Reply,
    /// All that is open must be answered first: it has taken another way.
    Way,
    /// It must be told which other connections there are.
    Listing,
}

/// The connection's knowledge of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    Unknown,
    Wanted,
    Known,
}

/// A transaction of which the connection does some steps, when the replies of the others are known.
struct Mixed {
    number: u64,
    steps: Vec<Step>,
    server: ServerInfo,
}

/// Takes a command that the connection cannot answer, with its way and its number.
type Order<'a> = dyn FnMut(Way, u64, &[u8]) + 'a;

impl RedisConnection {
    /// A client that has sent nothing. The `id` is what CLIENT ID answers with.
    pub fn new(id: u64, settings: Arc<RedisSettings>) -> Self {
        Self {
            session: Session::new(id, &settings),
            settings,
            queue: Queue::default(),
            way: Way::Log,
            offence: None,
            transaction: None,
            watches: Watches::default(),
            mixed: None,
            listing: Listing::Unknown,
            commands: 0,
            input: ByteQueue::default(),
            needed: 0,
            stall: None,
            arguments: Arguments::default(),
            canonical: Vec::new(),
        }
    }

    /// Takes what has arrived. Commands that it cannot answer itself go to `order` with their
    /// numbers, as RESP arrays.
    ///
    /// Call it with no bytes when [`is_ready`](Self::is_ready) says so.
    pub fn on_bytes(&mut self, bytes: &[u8], server: &ServerInfo, order: &mut Order<'_>) {
        if self.session.closing {
            return;
        }
        // Most often whole commands arrive, which need not be kept.
        if self.input.is_empty() {
            let taken = self.work(bytes, server, order);
            self.input.tail().extend_from_slice(&bytes[taken..]);
            return;
        }
        self.input.tail().extend_from_slice(bytes);
        let waiting = self.input.len();
        if waiting < self.needed && waiting > LOOKED_AT_BYTES_MAX {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        input.advance(self.work(input.waiting(), server, order));
        self.input = input;
    }

    /// Takes the result of an ordered command. Results come with ascending numbers; where one is
    /// left out the reply was lost, and one that was answered already is ignored.
    #[inline]
    pub fn on_reply(&mut self, number: u64, result: &[u8]) {
        if self.queue.oldest().is_none_or(|oldest| number < oldest) {
            return;
        }
        self.give_up(number, Silence::Lost);
        if self.queue.oldest() != Some(number) {
            return;
        }
        if let Some(mixed) = self.mixed.take_if(|mixed| mixed.number == number) {
            let reply = self.perform(result, &mixed.steps, &mixed.server);
            self.queue.reply(&reply);
        } else if self.queue.reply(result) {
            self.watches.learn(number, result);
        }
    }

    /// Stops waiting for ordered commands up to `number`: they are answered with an error that says
    /// that their outcome is unknown.
    pub fn expire(&mut self, number: u64) {
        self.give_up(number.saturating_add(1), Silence::Late);
    }

    /// Stops waiting for ordered commands up to `number`, whose replies have been lost.
    pub fn lose(&mut self, number: u64) {
        self.give_up(number.saturating_add(1), Silence::Lost);
    }

    /// Stops waiting for ordered command `number`, which was executed, and whose reply was too much
    /// to be kept.
    pub fn drop_reply(&mut self, number: u64) {
        self.give_up(number, Silence::Lost);
        self.give_up(number.saturating_add(1), Silence::Dropped);
    }

    fn give_up(&mut self, number: u64, why: Silence) {
        self.queue.silence(number, why);
        self.watches.give_up(number);
        self.mixed.take_if(|mixed| mixed.number < number);
    }

    /// The number of the ordered command that has waited longest.
    pub fn oldest_open(&self) -> Option<u64> {
        self.queue.oldest()
    }

    /// The bytes to be written to the client.
    pub fn output(&self) -> &[u8] {
        self.queue.output()
    }

    /// Notes that the first `count` bytes of [`output`](Self::output) were written.
    pub fn sent(&mut self, count: usize) {
        self.queue.sent(count);
    }

    /// Whether nothing more should be read from the client for now.
    pub fn is_full(&self) -> bool {
        self.session.closing || self.stall.is_some() || self.is_choked()
    }

    /// Whether there are commands that had to wait and need not any more.
    pub fn is_ready(&self) -> bool {
        match self.stall {
            None => false,
            Some(Stall::Full) => !self.is_choked(),
            Some(Stall::Reply) => !self.watches.is_waiting() && self.mixed.is_none(),
            Some(Stall::Way) => self.queue.in_flight() == 0,
            Some(Stall::Listing) => self.listing == Listing::Known,
        }
    }

    /// Whether the connection ends as soon as the output is written.
    pub fn is_closing(&self) -> bool {
        self.session.closing && self.queue.is_settled()
    }

    /// What the client has sent that ends its connection.
    pub fn offence(&self) -> Option<Offence> {
        self.offence
    }

    fn is_choked(&self) -> bool {
        self.queue.in_flight() >= self.settings.in_flight_max
            || self.queue.bytes() >= self.settings.output_bytes_max
    }

    fn limits(&self) -> RespLimits {
        if self.session.authenticated {
            self.settings.limits
        } else {
            self.settings.limits_before_auth
        }
    }

    /// Takes the commands that `input` begins with; returns how many bytes they have.
    fn work(&mut self, input: &[u8], server: &ServerInfo, order: &mut Order<'_>) -> usize {
        let mut arguments = std::mem::take(&mut self.arguments);
        let mut taken = 0;
        self.stall = None;
        self.needed = 0;
        while taken < input.len() && !self.session.closing {
            if self.is_choked() {
                self.stall = Some(Stall::Full);
                break;
            }
            let rest = &input[taken..];
            match arguments.parse_leniently(rest, &self.limits()) {
                Ok(Parsed::Complete { value: command, consumed }) => {
                    if !command.is_empty()
                        && let Err(stall) = self.on_command(command, server, order)
                    {
                        self.stall = Some(stall);
                        break;
                    }
                    taken += consumed;
                }
                Ok(Parsed::Incomplete { needed }) => {
                    self.needed = needed;
                    break;
                }
                Err(error) => self.refuse(error),
            }
        }
        self.arguments = arguments;
        if self.session.closing { input.len() } else { taken }
    }

    /// Answers bytes that are no command, behind which nothing can be understood.
    #[cold]
    fn refuse(&mut self, error: ProtocolError) {
        // What is refused only until the password is given is refused in words of its own.
        let text = match error.fault {
            RespFault::Arguments(_) if !self.session.authenticated => {
                "ERR Protocol error: unauthenticated multibulk length".into()
            }
            RespFault::BulkBytes(_) if !self.session.authenticated => {
                "ERR Protocol error: unauthenticated bulk length".into()
            }
            _ => format!("ERR {error}"),
        };
        self.queue.answer(|out| write_error(text.as_bytes(), out));
        self.end_for(Offence::Unreadable);
    }

    fn end_for(&mut self, offence: Offence) {
        self.session.closing = true;
        self.offence = Some(offence);
    }

    /// Takes one command, or says why it has to wait.
    fn on_command(
        &mut self,
        command: Command<'_>,
        server: &ServerInfo,
        order: &mut Order<'_>,
    ) -> Result<(), Stall> {
        if self.mixed.is_some() {
            return Err(Stall::Reply);
        }
        let target = match local::find(&command) {
            Ok(target) => target,
            Err(_) if is_http(&command[0]) => {
                self.end_for(Offence::Http);
                return Ok(());
            }
            Err(refused) => {
                self.reject(&refused.message());
                return Ok(());
            }
        };
        let open = matches!(target, Target::Local(local) if local.before_auth);
        if !self.session.authenticated && !open {
            self.reject(b"NOAUTH Authentication required.");
            return Ok(());
        }
        self.note(&target, &command, server);
        if let Target::Local(local) = target {
            match local.action {
                Action::Watch | Action::Exec => self.take_way(Way::Log)?,
                // What it tells must not be less than what the replies before it show.
                Action::Alone(_) if self.queue.in_flight() > 0 => return Err(Stall::Way),
                _ => {}
            }
            self.may_act(local, &command)?;
        }
        let is_at_once = matches!(target, Target::Local(local) if local.action.is_at_once());
        match target {
            target if self.transaction.is_some() && !is_at_once => self.enqueue(&target, &command),
            Target::Service(row) if row.is_stateless() => {
                self.queue.answer(|out| service::answer_stateless(row, command, out));
            }
            Target::Service(row) => {
                let is_ordered = row.is_write() || row.is_of_its_slot();
                let way = if is_ordered { Way::Log } else { self.session.reads.way() };
                self.take_way(way)?;
                self.order(row, &command, order);
            }
            Target::Local(local) => self.act(local.action, command, server, order),
        }
        Ok(())
    }

    /// Chooses the way of the next command. Those of a client take effect in its order, which two
    /// ways at a time do not keep: what could be answered from the state goes with what is open in
    /// the log, and all else waits.
    fn take_way(&mut self, wanted: Way) -> Result<(), Stall> {
        if self.queue.in_flight() == 0 {
            self.way = wanted;
        }
        match self.way {
            Way::State(_) if self.way != wanted => Err(Stall::Way),
            _ => Ok(()),
        }
    }

    /// Hands a command on.
    #[inline]
    fn order(&mut self, row: &'static Row, command: &Command<'_>, order: &mut Order<'_>) {
        let form = if self.session.resp3 { Form::Resp3(row.shape(command)) } else { Form::Resp2 };
        let number = self.queue.order(form);
        match command.canonical() {
            Some(bytes) => order(self.way, number, bytes),
            None => {
                self.canonical.clear();
                command.write(&mut self.canonical);
                order(self.way, number, &self.canonical);
            }
        }
    }

    /// Answers a command with an error; one that was to be queued spoils the transaction.
    fn reject(&mut self, text: &[u8]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.failed = true;
        }
        self.queue.answer(|out| write_error(text, out));
    }
}

/// Whether a line with this word at its beginning is one of an HTTP request. There is no command of
/// these names, and a request has the second before all that its sender may choose.
fn is_http(word: &[u8]) -> bool {
    [&b"POST"[..], b"Host:"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests;
