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
    pub fn wants_listing(&self) -> bool {
        self.listing == Listing::Wanted
    }

    /// The next server it is given has all connections.
    pub fn now_knows(&mut self) {
        self.listing = Listing::Known;
    }

    /// This connection, for those who list them, at a time in milliseconds of the server's life.
    pub fn connection(&self, now_ms: u64) -> ListedConnection {
        let session = &self.session;
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let seconds = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
        let (flags, queued, queued_bytes) = match &self.transaction {
            Some(transaction) => ("x", transaction.len() as i64, transaction.bytes()),
            None => ("N", -1, 0),
        };
        let (qbuf, omem) = (self.input.len(), self.queue.bytes());
        // The fields of Redis that mean something here.
        let line = format!(
            "id={} addr={} laddr={} name={} age={} idle={} flags={flags} db=0 sub=0 psub=0 ssub=0 \
             multi={queued} watch={} qbuf={qbuf} multi-mem={queued_bytes} obl={omem} oll=0 \
             omem={omem} tot-mem={} events=r cmd={} user=default redir=-1 resp={} lib-name={} \
             lib-ver={}\n",
            session.id,
            session.address,
            session.dialled,
            shown(&session.name),
            seconds(session.since_ms),
            seconds(session.last_ms),
            self.watches.keys(),
            qbuf + omem + queued_bytes,
            session.last,
            if session.resp3 { 3 } else { 2 },
            shown(&session.library),
            shown(&session.library_version),
        );
        let (address, dialled) = (session.address.clone(), session.dialled.clone());
        ListedConnection { id: session.id, address, dialled, line }
    }

    /// The connections that the client wants ended, which may be its own; each is told once.
    pub fn take_kills(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.session.kills)
    }

    /// How many commands it has taken.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// Notes what the client did last, and when.
    #[inline]
    pub(super) fn note(&mut self, target: &Target, command: &Command<'_>, server: &ServerInfo) {
        self.commands += 1;
        self.session.last_ms = server.uptime_ms;
        self.session.last = match target {
            Target::Service(row) => row.name,
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
