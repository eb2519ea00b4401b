//! A TCP connection that never blocks, with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::{Event, Source};
use mio::{Interest, Registry, Token};
use rustix::net::sockopt;
use rustls::{ClientConnection, Connection, ServerConnection};

use super::Fault;
use super::tls::{Accepting, Dialling};

/// How long what was sent to whom we have dialled may go without a sign that it has arrived. The
/// system would wait a quarter of an hour for a machine that is gone, and after a cut as long again
/// as it took.
const LOST_AFTER_MS: u32 = 5_000;
/// After how long a silence the system asks whether the other machine is still there.
const ASK_AFTER: Duration = Duration::from_secs(60);

/// Bytes read from a socket at a time.
const PIECE: usize = 64 << 10;

/// A buffer that connections of one thread share for reading.
#[derive(Debug)]
pub struct Scratch(Box<[u8]>);

impl Default for Scratch {
    fn default() -> Self {
        Self(vec![0; PIECE].into_boxed_slice())
    }
}

/// One connection.
#[derive(Debug)]
pub struct Socket {
    tcp: mio::net::TcpStream,
    tls: Option<Box<Connection>>,
    /// Whether the socket may have bytes, or its end, that have not been read.
    readable: bool,
    writable: bool,
    /// Whether the other end will send no more.
    ending: bool,
    /// Whether the other end is known to speak TLS just as this one does.
    alike: bool,
}

impl Socket {
    /// Begins to connect; [`Socket::is_connected`] says when that is done.
    ///
    /// # Errors
    /// An error of the system.
    pub fn dial(to: SocketAddr, tls: Option<Dialling>) -> Result<Self, Fault> {
        let tcp = mio::net::TcpStream::connect(to)?;
        sockopt::set_tcp_user_timeout(&tcp, LOST_AFTER_MS).map_err(io::Error::from)?;
        let connection = |tls: Dialling| ClientConnection::new(tls.config, tls.name);
        let tls = tls.map(connection).transpose().map_err(refused)?;
        Ok(Self::new(tcp, tls.map(Connection::from)))
    }

    /// Takes a connection that a listener has accepted.
    ///
    /// # Errors
    /// What TLS says about its own settings.
    pub fn accepted(tcp: mio::net::TcpStream, tls: Option<&Accepting>) -> Result<Self, Fault> {
        let connection = |Accepting(config): &Accepting| ServerConnection::new(config.clone());
        let tls = tls.map(connection).transpose().map_err(refused)?;
        Ok(Self::new(tcp, tls.map(Connection::from)))
    }

    fn new(tcp: mio::net::TcpStream, tls: Option<Connection>) -> Self {
        // A vote that waits for company would cost a round trip; failing to say so costs nothing
        // else.
        let _ = tcp.set_nodelay(true);
        // Nor does a machine that has vanished say so.
        let _ = sockopt::set_socket_keepalive(&tcp, true);
        let _ = sockopt::set_tcp_keepidle(&tcp, ASK_AFTER);
        let tls = tls.map(Box::new);
        Self { tcp, tls, readable: false, writable: false, ending: false, alike: false }
    }

    /// Lets `registry` watch the socket.
    ///
    /// # Errors
    /// An error of the system.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.tcp.register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Lets `registry` watch it no longer.
    pub fn deregister(&mut self, registry: &Registry) {
        // It is about to be closed, which does the same.
        let _ = self.tcp.deregister(registry);
    }

    /// Takes note of what the system has seen.
    pub fn on_event(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
        self.ending |= event.is_read_closed() || event.is_error();
    }

    /// Lets one try to write before the system has reported that it can.
    pub fn be_writable(&mut self) {
        self.writable = true;
    }

    /// Tells the other end that nothing more comes, while what it sends is still read.
    pub fn end_writing(&mut self) {
        // A connection that is gone needs no end.
        let _ = self.tcp.shutdown(std::net::Shutdown::Write);
    }

    /// Whether reading may give something.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether what is written leaves encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether a connection that was dialled stands.
    ///
    /// # Errors
    /// Why it never will.
    pub fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.tcp.take_error()? {
            return Err(error);
        }
        match self.tcp.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The address of the other end, for messages.
    pub fn peer(&self) -> String {
        self.tcp.peer_addr().map_or_else(|_| "unconnected".to_owned(), |addr| addr.to_string())
    }

    /// The address of this end.
    pub fn own(&self) -> String {
        self.tcp.local_addr().map_or_else(|_| "unconnected".to_owned(), |addr| addr.to_string())
    }

    /// Whether the certificate of the other end is for `name`; without TLS nobody can say, and yes.
    pub fn is_of(&self, name: &str) -> bool {
        let Some(tls) = &self.tls else { return true };
        tls.peer_certificates()
            .and_then(|certificates| certificates.first())
            .is_some_and(|certificate| super::tls::is_for(certificate, name))
    }

    /// Adds what has arrived to `to`, at most `limit` bytes and a piece more.
    ///
    /// # Errors
    /// [`Fault::Closed`] when the other end has closed, or what is wrong; what was read before is
    /// in `to` either way.
    pub fn read(
        &mut self,
        to: &mut Vec<u8>,
        limit: usize,
        scratch: &mut Scratch,
    ) -> Result<(), Fault> {
        let before = to.len();
        if self.readable && !self.alike {
            self.compare(scratch)?;
        }
        while self.readable && to.len() - before < limit {
            match &mut self.tls {
                None => match self.tcp.read(&mut scratch.0) {
                    Ok(0) => return Err(Fault::Closed),
                    Ok(count) => {
                        to.extend_from_slice(&scratch.0[..count]);
                        // Fewer than asked for: there is no more until the system says so.
                        self.readable = count == scratch.0.len() || self.ending;
                    }
                    Err(error) => self.on_error(error)?,
                },
                Some(tls) => match tls.read_tls(&mut self.tcp) {
                    Ok(0) => return Err(Fault::Closed),
                    Ok(_) => {
                        tls.process_new_packets().map_err(refused)?;
                        read_plain(tls, to, scratch)?;
                    }
                    Err(error) => self.on_error(error)?,
                },
            }
        }
        Ok(())
    }

    /// Finds out by the first bytes whether only one of the two ends speaks TLS. What is written
    /// from then on leaves in the clear, so that the other end can be told why.
    fn compare(&mut self, scratch: &mut Scratch) -> Result<(), Fault> {
        let mut first = [0; 3];
        let count = match self.tcp.peek(&mut first) {
            Ok(0) => return Err(Fault::Closed),
            Err(error) => return self.on_error(error),
            Ok(count) => count,
        };
        if count < first.len() && !self.ending {
            self.readable = false;
            return Ok(());
        }
        let what = match (self.tls.is_some(), is_tls(first)) {
            (true, false) => "this end uses TLS, and the other does not",
            (false, true) => "this end does not use TLS, and the other does",
            _ => {
                self.alike = true;
                return Ok(());
            }
        };
        self.tls = None;
        // Bytes left unread would make the system discard what was written last.
        let _ = self.tcp.read(&mut scratch.0);
        Err(Fault::Mismatch(what.to_owned()))
    }

    fn on_error(&mut self, error: io::Error) -> Result<(), Fault> {
        match error.kind() {
            ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(())
            }
            ErrorKind::Interrupted => Ok(()),
            _ => Err(error.into()),
        }
    }

    /// Sends of `bytes` what the socket takes now, and says how much.
    ///
    /// # Errors
    /// What is wrong with the connection.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        if !self.writable {
            return Ok(0);
        }
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let outcome = match &mut self.tls {
                None if rest.is_empty() => return Ok(taken),
                None => self.tcp.write(rest).inspect(|count| taken += count),
                Some(tls) => {
                    taken += tls.writer().write(rest)?;
                    if !tls.wants_write() {
                        return Ok(taken);
                    }
                    tls.write_tls(&mut self.tcp)
                }
            };
            match outcome {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.writable = false;
                    return Ok(taken);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn read_plain(tls: &mut Connection, to: &mut Vec<u8>, scratch: &mut Scratch) -> Result<(), Fault> {
    loop {
        match tls.reader().read(&mut scratch.0) {
            Ok(0) => return Err(Fault::Closed),
            Ok(count) => to.extend_from_slice(&scratch.0[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a connection that begins like this carries TLS: an alert or a handshake, and the
/// version. As the length of a frame they would be more than any peer's first may have.
fn is_tls(first: [u8; 3]) -> bool {
    matches!(first, [0x15 | 0x16, 3, 1..=4])
}

fn refused(error: rustls::Error) -> Fault {
    use rustls::AlertDescription as Alert;
    use rustls::CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
    let what = match &error {
        InvalidCertificate(UnknownIssuer) | AlertReceived(Alert::UnknownCA) => {
            "the certificates of the two ends are of different clusters"
        }
        InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "the certificate of the other end has expired"
        }
        AlertReceived(Alert::CertificateExpired) => "the certificate of this end has expired",
        InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the certificate of the other end is not that of the replica meant"
        }
        NoCertificatesPresented => "the other end shows no certificate",
        AlertReceived(Alert::CertificateRequired) => "the other end wants a certificate",
        _ => return Fault::Refused(format!("TLS: {error}")),
    };
    Fault::Mismatch(what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_machine_that_vanishes_is_noticed_by_the_system() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();

        let socket = Socket::dial(listener.local_addr().unwrap(), None).unwrap();

        assert_eq!(sockopt::tcp_user_timeout(&socket.tcp).unwrap(), LOST_AFTER_MS);
        assert!(sockopt::socket_keepalive(&socket.tcp).unwrap());
    }
}
