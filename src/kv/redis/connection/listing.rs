//! The state of a connection for CLIENT LIST, and the conditions under which its next command has
//! to wait for such a list.

use crate::kv::resp::Command;

use super::super::local::{Action, Local, Target};
use super::super::transaction::Step;
use super::super::{ListedConnection, ServerInfo, client};
use super::{Listing, RedisConnection, Stall};

impl RedisConnection {
    /// Notes who the client is: its address, the one it has dialled, and when it came, in
    /// milliseconds of the server's life.
    pub fn introduce(&mut self, address: String, dialled: String, now_ms: u64) {
        self.session.address = address;
        self.session.dialled = dialled;
        (self.session.since_ms, self.session.last_ms) = (now_ms, now_ms);
    }

    /// Whether it must be told which connections there are before it can go on. Give it a
    /// [server](ServerInfo::connections) that says so, after [`now_knows`](Self::now_knows).
    #[must_use]
    pub fn wants_listing(&self) -> bool {
        self.listing == Listing::Wanted
    }

    /// The next server it is given has all connections.
    pub fn now_knows(&mut self) {
        self.listing = Listing::Known;
    }

    /// This connection, for those who list them, at a time in milliseconds of the server's life.
    #[must_use]
    pub fn connection(&self, now_ms: u64) -> ListedConnection {
        let waiting = client::Waiting {
            queued: self
                .transaction
                .as_ref()
                .map(|transaction| (transaction.len(), transaction.bytes())),
            watched: self.watches.keys(),
            input_bytes: self.input.len(),
            output_bytes: self.queue.bytes(),
        };
        client::described(&self.session, &waiting, now_ms)
    }

    /// The connections that the client wants ended, which may be its own; each is told once.
    pub fn take_kills(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.session.kills)
    }

    /// How many commands it has taken.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// Notes what the client did last, and when.
    #[inline]
    pub(super) fn note(&mut self, target: &Target, command: &Command<'_>, server: &ServerInfo) {
        self.commands += 1;
        self.session.last_ms = server.uptime_ms;
        self.session.last = match target {
            Target::Service(row) => row.name(),
            Target::Local(local) if local.name == "client" => client::full_name(command),
            Target::Local(local) => local.name,
        };
    }

    /// Says what a command of ours has to wait for, if anything.
    pub(super) fn may_act(
        &mut self,
        local: &'static Local,
        command: &Command<'_>,
    ) -> Result<(), Stall> {
        let needs_listing = match (&self.transaction, local.action) {
            (Some(transaction), Action::Exec) => {
                if self.watches.is_waiting() {
                    return Err(Stall::Reply);
                }
                transaction.steps().iter().any(Step::needs_listing)
            }
            (Some(_), _) => false,
            (None, _) => client::needs_listing(local, command),
        };
        match self.listing {
            Listing::Known if needs_listing => self.listing = Listing::Unknown,
            _ if needs_listing => {
                self.listing = Listing::Wanted;
                return Err(Stall::Listing);
            }
            _ => {}
        }
        Ok(())
    }
}
