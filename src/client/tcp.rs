//! Transport to the replicas of a cluster of processes: TCP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use super::{Client, Pack, Sending, Session, Transport};
use crate::links::Fault;
use crate::links::client_messages::{ClientLimits, ClientRequest, ServerReply};
use crate::links::frame::{Inbox, Outbox};
use crate::links::hello::{HELLO_BYTES_MAX, Hello, HelloReply};
use crate::links::socket::{Scratch, Socket};
use crate::links::tls::{CLIENT, Tls, TlsFiles};
use crate::model::batch::Replies;
use crate::model::clock::Clock;
use crate::model::error::Error;
use crate::model::types::{ClientId, Millis, ReplicaId};

/// A cluster, and the way to reach it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The links address of each replica, in the order of their numbers.
    pub replicas: Vec<SocketAddr>,
    /// The keys of the links; none: links are plain.
    pub tls: Option<Tls>,
    /// The cluster's number, if it is known; another one's replicas are refused then.
    pub cluster: Option<u64>,
    /// How long a request waits before its outcome is reported as unknown.
    pub deadline: Duration,
}

/// A transport to replicas that are processes, over TCP.
pub struct TcpTransport {
    target: Target,
    clock: Clock,
    poll: Poll,
    events: Events,
    scratch: Scratch,
    connection: Option<Connection>,
}

struct Connection {
    to: ReplicaId,
    stream: Socket,
    inbox: Inbox,
    outbox: Outbox,
}

impl Target {
    /// The cluster whose replicas have these links addresses, in the order of their numbers: its
    /// links are plain, and requests wait for 30 s.
    pub fn new(replicas: Vec<SocketAddr>) -> Self {
        Self { replicas, tls: None, cluster: None, deadline: Duration::from_secs(30) }
    }

    /// The same with links that use TLS, with the keys of a client.
    ///
    /// # Errors
    /// [`Error::Invalid`] when these are no client's keys, or what is wrong with the files.
    pub fn with_keys(self, files: &TlsFiles) -> Result<Self, Error> {
        if let Some(missing) = [&files.cert, &files.key].into_iter().find(|path| !path.exists()) {
            let missing = missing.display();
            return Err(Error::Invalid(format!(
                "there is no {missing}, and this cluster's links use TLS: copy client.pem and \
                 client-key.pem from where the cluster was made"
            )));
        }
        let tls = Tls::load(files)?;
        if tls.names(CLIENT) {
            return Ok(Self { tls: Some(tls), ..self });
        }
        let cert = files.cert.display();
        Err(Error::Invalid(format!(
            "the certificate {cert} is not a client's: use client.pem and its key"
        )))
    }

    /// A client with a new session.
    ///
    /// # Errors
    /// [`Error::Connect`] when no replica can be reached within the deadline.
    pub fn connect(&self) -> Result<Client, Error> {
        let (transport, session) = self.open_session()?;
        Ok(Client::new(Box::new(transport), session, self.deadline))
    }

    /// The same, and what ends its waits from another thread.
    pub(super) fn connect_waking(&self) -> Result<(Client, Waker), Error> {
        let (transport, session) = self.open_session()?;
        let waker = Waker::new(transport.poll.registry(), TcpTransport::WAKER);
        let mut client = Client::new(Box::new(transport), session, self.deadline);
        client.connect()?;
        Ok((client, waker.map_err(Error::System)?))
    }

    fn open_session(&self) -> Result<(TcpTransport, Session), Error> {
        // A number that no other client uses at this time.
        let nonce = getrandom::u64().map_err(|error| Error::Keys(error.to_string()))?;
        let first = ReplicaId((nonce % self.replicas.len().max(1) as u64) as u16);
        let (transport, limits) = self.open(first)?;
        // A name with the highest bit set is that of a connection.
        let session = Session::new(limits, transport.connected().unwrap_or(first), nonce >> 1);
        Ok((transport, session))
    }

    /// A client that takes up a session again: of its requests those up to `answered` are not
    /// needed.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub fn resume(&self, id: ClientId, answered: u64) -> Result<Client, Error> {
        let (transport, limits) = self.open(ReplicaId(0))?;
        let first = transport.connected().unwrap_or_default();
        let session = Session::resume(limits, first, id, answered);
        Ok(Client::new(Box::new(transport), session, self.deadline))
    }

    fn open(&self, first: ReplicaId) -> Result<(TcpTransport, ClientLimits), Error> {
        let mut transport = TcpTransport {
            target: self.clone(),
            clock: Clock::start(),
            poll: Poll::new().map_err(Error::System)?,
            events: Events::with_capacity(4),
            scratch: Scratch::default(),
            connection: None,
        };
        let mut fault = "no address is given".to_owned();
        let until = Instant::now() + self.deadline;
        let n = self.replicas.len() as u16;
        // Replicas in a row that will never let this client in.
        let mut never = 0;
        for to in (0..n).cycle().skip(first.0 as usize) {
            match transport.try_dial(ReplicaId(to)) {
                Ok(limits) if limits.replicas == self.replicas.len() => {
                    return Ok((transport, limits));
                }
                Ok(limits) => {
                    let (known, needed) = (self.replicas.len(), limits.replicas);
                    let what = format!(
                        "the cluster has {needed} replicas, but {known} addresses are given: name all"
                    );
                    return Err(Error::Invalid(what));
                }
                Err(refused) => {
                    never = if matches!(refused, Fault::Mismatch(_)) { never + 1 } else { 0 };
                    fault = refused.to_string();
                }
            }
            if never == n && n > 0 {
                return Err(Error::Invalid(format!("every replica refuses this client: {fault}")));
            }
            if Instant::now() >= until {
                break;
            }
            if to + 1 == n {
                std::thread::park_timeout(Duration::from_millis(50));
            }
        }
        Err(Error::Connect { waited_ms: self.deadline.as_millis() as u64, fault })
    }
}

impl TcpTransport {
    /// How long a replica may take to answer the first time.
    const GREETING: Duration = Duration::from_secs(1);
    /// Bytes that may wait for the replica to take them.
    const OUTBOX_BYTES_MAX: usize = 4 << 20;
    /// The longest frame of a replica: the replies of a turn.
    const FRAME_BYTES_MAX: usize = 256 << 20;
    const SOCKET: Token = Token(0);
    const WAKER: Token = Token(1);

    fn try_dial(&mut self, to: ReplicaId) -> Result<ClientLimits, Fault> {
        self.hang_up();
        let address = self.target.replicas[to.0 as usize];
        let tls = self.target.tls.as_ref().map(|tls| tls.dialling(to));
        let mut stream = Socket::dial(address, tls)?;
        stream.register(self.poll.registry(), Self::SOCKET)?;
        let mut outbox = Outbox::default();
        outbox.put(&Hello::of_client(Some(to), self.target.cluster));
        let inbox = Inbox::new(HELLO_BYTES_MAX);
        self.connection = Some(Connection { to, stream, inbox, outbox });
        let until = Instant::now() + Self::GREETING;
        loop {
            self.poll(until.saturating_duration_since(Instant::now()))?;
            let Some(connection) = &mut self.connection else { return Err(Fault::Closed) };
            if connection.stream.is_connected()? {
                let moved = connection.exchange(&mut self.scratch);
                if let Some(answer) = connection.inbox.next_frame()? {
                    let answer = postcard::from_bytes(answer).map_err(|_| Fault::Unreadable)?;
                    connection.inbox.allow(Self::FRAME_BYTES_MAX);
                    return match answer {
                        HelloReply::Welcome { limits, .. } => Ok(limits),
                        HelloReply::Refused(why) => Err(Fault::Refused(why)),
                        HelloReply::Mismatch(why) => Err(Fault::Mismatch(why)),
                    };
                }
                moved?;
            }
            if Instant::now() >= until {
                let what =
                    format!("{address} does not answer; is it the links address of a replica?");
                return Err(Fault::Refused(what));
            }
        }
    }

    fn poll(&mut self, patience: Duration) -> Result<(), Fault> {
        if let Err(error) = self.poll.poll(&mut self.events, Some(patience))
            && error.kind() != std::io::ErrorKind::Interrupted
        {
            return Err(error.into());
        }
        if let Some(connection) = &mut self.connection {
            let events = self.events.iter().filter(|event| event.token() == Self::SOCKET);
            events.for_each(|event| connection.stream.on_event(event));
        }
        Ok(())
    }
}

impl Connection {
    /// Sends and reads what goes now.
    fn exchange(&mut self, scratch: &mut Scratch) -> Result<(), Fault> {
        let read = self.stream.read(self.inbox.room(), 1 << 20, scratch);
        // After reading: TLS may have something of its own to send in answer to what it has read.
        let flushed = self.flush();
        // What was read tells better what is wrong than that nothing can be written any more.
        read.and(flushed)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let count = self.stream.write(self.outbox.waiting())?;
        self.outbox.left(count);
        Ok(())
    }

    fn take(&mut self, to: &mut Vec<Replies>) -> Result<(), Fault> {
        while let Some(payload) = self.inbox.next_frame()? {
            let ServerReply::Replies(replies) =
                postcard::from_bytes(payload).map_err(|_| Fault::Unreadable)?;
            if !replies.is_plausible() {
                return Err(Fault::Unreadable);
            }
            to.push(replies);
        }
        Ok(())
    }
}

impl Transport for TcpTransport {
    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn dial(&mut self, to: ReplicaId) -> bool {
        let welcomed = self.try_dial(to).is_ok();
        if !welcomed {
            self.hang_up();
        }
        welcomed
    }

    fn connected(&self) -> Option<ReplicaId> {
        self.connection.as_ref().map(|connection| connection.to)
    }

    fn send(&mut self, pack: Pack) -> Sending {
        let Some(connection) = &mut self.connection else { return Sending::Broken };
        if connection.outbox.len() > Self::OUTBOX_BYTES_MAX {
            return Sending::Busy;
        }
        connection.outbox.put(&ClientRequest::Requests(pack.requests));
        match connection.flush() {
            Ok(()) => Sending::Sent,
            Err(_) => Sending::Broken,
        }
    }

    fn receive(&mut self, patience: Duration, to: &mut Vec<Replies>) -> bool {
        let readable =
            self.connection.as_ref().is_some_and(|connection| connection.stream.is_readable());
        let patience = if readable { Duration::ZERO } else { patience };
        let received = self.poll(patience).and_then(|()| {
            let connection = self.connection.as_mut().ok_or(Fault::Closed)?;
            let moved = connection.exchange(&mut self.scratch);
            connection.take(to)?;
            moved
        });
        received.is_ok()
    }

    fn hang_up(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.stream.deregister(self.poll.registry());
        }
    }
}
