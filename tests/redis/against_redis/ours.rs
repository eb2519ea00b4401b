//! Our connection before a key-value service, called directly and behind a socket.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use taraflow::kv::redis::{RedisConnection, RedisSettings, ServerInfo};
use taraflow::kv::service::KeyValue;
use taraflow::model::app::{At, StateMachine};
use taraflow::model::types::Slot;

/// One client of a service that answers at once.
pub struct Ours {
    line: RedisConnection,
    service: Arc<Mutex<KeyValue>>,
}

impl Ours {
    pub fn new() -> Self {
        Self::of(Arc::default())
    }

    fn of(service: Arc<Mutex<KeyValue>>) -> Self {
        Self { line: RedisConnection::new(3, Arc::new(RedisSettings::default())), service }
    }

    /// Sends a line and returns what is said.
    pub fn ask(&mut self, line: &str) -> Vec<u8> {
        self.feed(format!("{line}\r\n").as_bytes())
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let at = At { slot: Slot(1), time_ms: time_ms.as_millis() as u64 };
        let server = ServerInfo { replicas: 1, quorum: 1, ..ServerInfo::default() };
        let mut service = self.service.lock().expect("no command panics");
        let (mut bytes, mut said) = (bytes, Vec::new());
        loop {
            let mut replies = Vec::new();
            self.line.on_bytes(bytes, &server, &mut |_, number, command| {
                let mut reply = Vec::new();
                service.apply(at, command, &mut reply);
                replies.push((number, reply));
            });
            replies.iter().for_each(|(number, reply)| self.line.on_reply(*number, reply));
            said.extend_from_slice(self.line.output());
            self.line.sent(self.line.output().len());
            bytes = &[];
            if !self.line.is_ready() {
                return said;
            }
        }
    }

    fn serve(mut self, mut socket: TcpStream) {
        let mut block = [0; 65_536];
        while let Ok(count @ 1..) = socket.read(&mut block) {
            let said = self.feed(&block[..count]);
            if socket.write_all(&said).is_err() || self.line.is_closing() {
                return;
            }
        }
    }
}

/// The service behind a port, for foreign clients; a thread each.
pub struct Service {
    pub port: u16,
}

impl Service {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let service: Arc<Mutex<KeyValue>> = Arc::default();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let client = Ours::of(Arc::clone(&service));
                socket.set_nodelay(true).ok();
                std::thread::spawn(move || client.serve(socket));
            }
        });
        Self { port }
    }
}
