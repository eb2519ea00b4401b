//! Requests to admin ports, each with a time limit.

mod last_words;
mod targets;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::deploy::settings::Secret;
use crate::observe::health::STARTING;

pub(super) use last_words::{last_line, last_words};
pub(super) use targets::{
    TargetArgs, Targets, TokenArgs, of_another, resolve, seconds, unexpected_identity,
};

/// Bytes of an answer. The lives of all slots that a replica remembers are the largest.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// Reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// There is no connection, or it was lost.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nothing, or not all, came in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// There is a connection, and nothing came in time.
    #[error(
        "its port is open, and nothing answers within {0:?}: it is stopped, hung or overloaded"
    )]
    Mute(Duration),
    /// Something else listens there, or another version of this.
    #[error("what answers there is not a replica's admin port of this version")]
    Strange,
    /// The replica has nothing to show yet.
    #[error("{STARTING}")]
    Starting,
    /// The replica has rejected the token, or that there was none.
    #[error("{}", if *.shown { WRONG_TOKEN } else { NO_TOKEN })]
    Unknown {
        /// Whether a token was shown.
        shown: bool,
    },
    /// The replica says why it does not answer, or what answers is not the one that is meant.
    #[error("{0}")]
    Refused(String),
}

const NO_TOKEN: &str =
    "it requires the token of its admin.token_file: name a file that holds it with --token-file";
const WRONG_TOKEN: &str = "it rejects the token: that is not the one of its admin.token_file";

/// The token for admin ports. A process asks one cluster, which its command line names.
static TOKEN: OnceLock<Secret> = OnceLock::new();

impl NoAnswer {
    /// Whether the replica was reached, and should have answered. Where it was not, its address may be for
    /// other machines only.
    pub(super) fn was_reached(&self) -> bool {
        match self {
            Self::Mute(_) | Self::Starting => true,
            Self::Io(error) => error.kind() == io::ErrorKind::ConnectionReset,
            Self::Late(_) | Self::Strange | Self::Unknown { .. } | Self::Refused(_) => false,
        }
    }

    /// Whether nothing at all was reached.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Late(_))
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// What the replica at `address` answers at `path`.
pub(super) fn get<T: DeserializeOwned>(
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> Result<T, NoAnswer> {
    let late = |late: fn(Duration) -> NoAnswer| {
        move |error: io::Error| match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => late(patience),
            _ => NoAnswer::Io(error),
        }
    };
    let socket = TcpStream::connect_timeout(&address, patience).map_err(late(NoAnswer::Late))?;
    let answer = exchange(socket, address, path, patience).map_err(late(NoAnswer::Mute))?;
    let (code, body) = parse(&answer).ok_or(NoAnswer::Strange)?;
    if code == 200 {
        return serde_json::from_slice(body).map_err(|_| NoAnswer::Strange);
    }
    if code == 401 {
        return Err(NoAnswer::Unknown { shown: TOKEN.get().is_some() });
    }
    let refusal: Refusal = serde_json::from_slice(body).map_err(|_| NoAnswer::Strange)?;
    Err(NoAnswer::Refused(refusal.error))
}

/// The whole answer; the admin port ends a connection after one request.
fn exchange(
    mut socket: TcpStream,
    address: SocketAddr,
    path: &str,
    patience: Duration,
) -> io::Result<Vec<u8>> {
    let end = Instant::now() + patience;
    socket.set_write_timeout(Some(patience))?;
    let shown = TOKEN.get().map(|token| format!("Authorization: Bearer {}\r\n", &**token));
    let shown = shown.unwrap_or_default();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{shown}Connection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut piece) {
            Ok(0) => return Ok(answer),
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > ANSWER_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

/// The code of an answer, and what follows its head.
fn parse(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let code = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((code, &answer[end + 4..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::ReplicaStatus;
    use std::net::TcpListener;

    /// Answers the first connection with `bytes`, and then says no more.
    fn answering(bytes: &'static [u8], close: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = socket.read(&mut [0; 1024]);
            let _ = socket.write_all(bytes);
            if !close {
                let _ = socket.read(&mut [0; 1]);
            }
        });
        address
    }

    fn silence(address: SocketAddr) -> String {
        let answer: Result<ReplicaStatus, _> =
            get(address, "/v1/status", Duration::from_millis(200));
        answer.unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_replica_is_not_taken_for_one() {
        for bytes in [&b"-ERR unknown command\r\n"[..], b"HTTP/1.1 200 OK\r\n\r\n{\"version\":1}"] {
            assert_eq!(
                silence(answering(bytes, true)),
                "what answers there is not a replica's admin port of this version"
            );
        }
    }

    #[test]
    fn a_replica_says_why_it_does_not_answer() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"error\":\"it is starting\"}";

        assert_eq!(silence(answering(answer, true)), "it is starting");
    }

    #[test]
    fn who_is_not_known_to_a_replica_learns_how_to_show_a_token() {
        let answer = b"HTTP/1.1 401 Unauthorized\r\n\r\n{\"error\":\"show a header\"}";

        assert!(silence(answering(answer, true)).contains("--token-file"));
    }

    #[test]
    fn an_answer_that_does_not_end_is_not_waited_for() {
        assert_eq!(
            silence(answering(b"HTTP/1.1 200 OK\r\n", false)),
            "its port is open, and nothing answers within 200ms: it is stopped, hung or overloaded"
        );
    }
}
