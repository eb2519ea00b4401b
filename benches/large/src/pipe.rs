//! SETs of all keys over one connection, as fast as they are taken.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::commands::{Keys, Lines, Outcomes};

/// For how long no reply may come.
const PATIENCE: Duration = Duration::from_secs(60);
const PIECE_BYTES: usize = 1 << 16;
/// Connections at once where only the result counts.
const CONNECTIONS: usize = 8;
/// How often what was not answered with OK is sent again where all must be there.
const ROUNDS: usize = 5;

/// What became of the keys.
pub struct Sent {
    pub seconds: f64,
    pub outcomes: Outcomes,
    /// Which may not be there.
    failed: Vec<u64>,
}

/// Sends those keys, reading replies at the same time.
pub fn send(
    server: SocketAddr,
    keys: &Keys,
    which: impl Iterator<Item = u64> + Clone + Send,
) -> Sent {
    let start = Instant::now();
    let socket = TcpStream::connect(server).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    let (outcomes, failed) = thread::scope(|scope| {
        let to_send = which.clone();
        let sender = scope.spawn(|| write_all(&socket, keys, to_send));
        let replies = read_all(&socket, which);
        // Nobody reads any more, so nobody need write.
        let _ = socket.shutdown(Shutdown::Both);
        sender.join().expect("sending ends");
        replies
    });
    Sent { seconds: start.elapsed().as_secs_f64(), outcomes, failed }
}

/// Makes all keys be there, whatever it takes: over several connections, so that redis-server syncs
/// less often than every 16 KiB.
pub fn fill(server: SocketAddr, keys: &Keys) {
    let mut left: Vec<u64> = (0..keys.count).collect();
    for _ in 0..ROUNDS {
        let sent: Vec<Sent> = thread::scope(|scope| {
            let chunks = left.chunks(left.len().div_ceil(CONNECTIONS));
            let sending = chunks.map(|it| scope.spawn(|| send(server, keys, it.iter().copied())));
            let sending: Vec<_> = sending.collect();
            sending.into_iter().map(|it| it.join().expect("sending ends")).collect()
        });
        let mut outcomes = Outcomes::default();
        sent.iter().for_each(|sent| outcomes.add(&sent.outcomes));
        left = sent.into_iter().flat_map(|sent| sent.failed).collect();
        if left.is_empty() {
            return;
        }
        eprintln!("sent again, because of errors: {}", outcomes.text());
        thread::sleep(Duration::from_secs(1));
    }
    panic!("{} keys could not be set", left.len());
}

fn write_all(mut socket: &TcpStream, keys: &Keys, which: impl Iterator<Item = u64>) {
    let mut bytes = Vec::with_capacity(2 * PIECE_BYTES);
    for n in which {
        keys.set(n, 0, &mut bytes);
        if bytes.len() >= PIECE_BYTES {
            // Who reads the replies says what is wrong.
            if socket.write_all(&bytes).is_err() {
                return;
            }
            bytes.clear();
        }
    }
    let _ = socket.write_all(&bytes);
}

/// Reads a reply for each; those that do not come are failures, too.
fn read_all(mut socket: &TcpStream, which: impl Iterator<Item = u64>) -> (Outcomes, Vec<u64>) {
    let (mut outcomes, mut failed) = (Outcomes::default(), Vec::new());
    let (mut lines, mut room) = (Lines::default(), vec![0; PIECE_BYTES]);
    let mut which = which.peekable();
    let why = loop {
        if which.peek().is_none() {
            return (outcomes, failed);
        }
        match socket.read(&mut room) {
            Ok(0) => break "closed",
            Ok(count) => lines.feed(&room[..count], |line| {
                let n = which.next();
                if !outcomes.note(line) {
                    failed.extend(n);
                }
            }),
            Err(_) => break "silent",
        }
    };
    let before = failed.len();
    failed.extend(which);
    outcomes.fail(why, (failed.len() - before) as u64);
    (outcomes, failed)
}
