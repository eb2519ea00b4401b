//! One client's connection to a replica, as any Redis client has it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use taraflow::kv::resp::{Parsed, RespLimits, RespReply, write_command};

/// A connection that is made anew when it is lost.
pub struct RedisConnection {
    address: SocketAddr,
    patience: Duration,
    socket: Option<TcpStream>,
}

impl RedisConnection {
    /// How long an answer is waited for; a replica itself gives up later.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// To a replica's Redis port.
    pub fn to(address: SocketAddr) -> Self {
        Self { address, patience: Self::PATIENCE, socket: None }
    }

    /// Waits for an answer for as long as a replica may take to give one.
    pub fn patient(mut self) -> Self {
        self.patience = Duration::from_secs(15);
        self
    }

    /// Whether there is a connection, made now if need be; without one nothing is asked.
    pub fn is_connected(&mut self) -> bool {
        if self.socket.is_none() {
            self.socket = TcpStream::connect_timeout(&self.address, self.patience).ok();
            if let Some(socket) = &self.socket {
                socket.set_read_timeout(Some(self.patience)).unwrap();
                socket.set_write_timeout(Some(self.patience)).unwrap();
                socket.set_nodelay(true).unwrap();
            }
        }
        self.socket.is_some()
    }

    /// The reply to a command; nothing if its outcome is unknown.
    pub fn ask(&mut self, words: &[&str]) -> Option<RespReply> {
        if !self.is_connected() {
            return None;
        }
        let mut command = Vec::new();
        write_command(words.iter().map(|word| word.as_bytes()), &mut command);
        let reply = self.socket.as_mut().and_then(|socket| exchange(socket, &command));
        match reply {
            Some(RespReply::Error(text)) if text.starts_with(b"UNKNOWN ") => None,
            None => {
                // What comes late must not be taken for the answer to something else.
                self.socket = None;
                None
            }
            known => known,
        }
    }
}

fn exchange(socket: &mut TcpStream, command: &[u8]) -> Option<RespReply> {
    socket.write_all(command).ok()?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        let count = socket.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        match RespReply::parse(&bytes, &RespLimits::default()).unwrap() {
            Parsed::Complete { value, consumed } => {
                assert_eq!(consumed, bytes.len(), "more than one reply to one command");
                return Some(value);
            }
            Parsed::Incomplete { .. } => {}
        }
    }
}
