//! A redis-server, and as much of RESP3 as it takes to know where a reply ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server of our own, without files, that ends with this.
pub struct Theirs {
    server: Child,
    socket: TcpStream,
    input: Vec<u8>,
}

impl Theirs {
    pub fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir", "/tmp"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let socket = (0..100).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { server, socket: socket.expect("the server starts"), input: Vec::new() }
    }

    /// Sends a line and returns the whole reply.
    pub fn ask(&mut self, line: &str) -> Vec<u8> {
        self.socket.write_all(format!("{line}\r\n").as_bytes()).expect("the server listens");
        loop {
            if let Some(length) = length(&self.input) {
                return self.input.drain(..length).collect();
            }
            let mut block = [0; 65_536];
            let count = self.socket.read(&mut block).expect("the server answers");
            assert!(count > 0, "the server hung up at {line}");
            self.input.extend_from_slice(&block[..count]);
        }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// The header's kind, its number, and how many bytes it has.
fn header(input: &[u8]) -> Option<(u8, i64, usize)> {
    let end = input.windows(2).position(|two| two == b"\r\n")?;
    let number = std::str::from_utf8(&input[1..end]).ok().and_then(|text| text.parse().ok());
    Some((input[0], number.unwrap_or(0), end + 2))
}

/// How many values follow the header of a collection.
fn children(kind: u8, number: i64) -> Option<usize> {
    match kind {
        b'*' | b'~' => Some(number.max(0) as usize),
        b'%' => Some(2 * number.max(0) as usize),
        _ => None,
    }
}

/// The bytes of the reply that `input` begins with, if it is whole.
fn length(input: &[u8]) -> Option<usize> {
    let (kind, number, mut at) = header(input)?;
    if let Some(count) = children(kind, number) {
        for _ in 0..count {
            at += length(input.get(at..)?)?;
        }
    } else if matches!(kind, b'$' | b'=') && number >= 0 {
        at += number as usize + 2;
    }
    (at <= input.len()).then_some(at)
}

/// A reply with the values of its outermost collection sorted, those of a map with their keys.
pub fn sorted(reply: &[u8]) -> Vec<u8> {
    let Some((kind, number, mut at)) = header(reply) else { return reply.to_vec() };
    let Some(count) = children(kind, number) else { return reply.to_vec() };
    let mut parts = Vec::new();
    for _ in 0..count {
        let end = at + length(&reply[at..]).expect("the reply is whole");
        parts.push(reply[at..end].to_vec());
        at = end;
    }
    if kind == b'%' {
        parts = parts.chunks(2).map(<[_]>::concat).collect();
    }
    parts.sort();
    [format!("{}{number} ", kind as char).into_bytes(), parts.concat()].concat()
}
