//! An admin port that answers what a test wants.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The answer to the question with this number.
type Answer = Box<dyn FnMut(u64) -> Value + Send>;

/// What is answered at each path; the part after `?` does not matter.
#[derive(Clone, Default)]
pub struct Stub {
    answers: Arc<Mutex<BTreeMap<String, (u64, Answer)>>>,
}

impl Stub {
    /// Answers from now on; at once, and each connection on its own.
    pub fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stub = self.clone();
        thread::spawn(move || {
            for socket in listener.incoming() {
                stub.answer(socket.unwrap());
            }
        });
        address
    }

    /// Answers this at `path` from now on.
    pub fn set(&self, path: &str, answer: Value) {
        self.set_with(path, move |_| answer.clone());
    }

    /// Answers at `path` from now on what depends on how often that was done.
    pub fn set_with(&self, path: &str, answer: impl FnMut(u64) -> Value + Send + 'static) {
        self.answers.lock().unwrap().insert(path.to_owned(), (0, Box::new(answer)));
    }

    fn answer(&self, mut socket: TcpStream) {
        let mut request = [0; 4096];
        let read = socket.read(&mut request).unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..read]);
        let path = request.split([' ', '?']).nth(1).unwrap_or_default();
        let found = self.answers.lock().unwrap().get_mut(path).map(|(count, answer)| {
            *count += 1;
            answer(*count)
        });
        let (code, body) = match found {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", json!({"error": "nothing is here"})),
        };
        let body = body.to_string();
        let length = body.len();
        // Whoever asked may have gone.
        let _ = write!(
            socket,
            "HTTP/1.1 {code}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
    }
}

/// Replica `replica` of three in view 1, which replica 1 leads.
pub fn status(replica: u16) -> Value {
    let link = |peer: u16| {
        json!({
            "peer": peer, "up": true, "connects": 1, "sent": 9000, "sent_bytes": 900_000,
            "dropped": 0, "queued_bytes": 0, "queued_bytes_max": 33_554_432, "last_fault": null,
            "heard_ms_ago": 5, "peer_executed": 2000,
        })
    };
    json!({
        "version": 1, "program": "0.1.0", "cluster": "00000000000000ff", "protocol": "tara",
        "replica": replica, "n": 3, "role": if replica == 1 { "leader" } else { "follower" },
        "view": 1, "leader": 1, "executed": 2000, "stable": 1792, "lag": 0, "up_ms": 5000,
        "starts": 1, "durable": true, "fenced": false, "draining": false, "not_ready": [],
        "requests": 20000, "duplicates": 0, "checkpoints": 7, "checkpoints_installed": 0,
        "diverged": [], "links": (0..3).filter(|peer| *peer != replica).map(link).collect::<Vec<_>>(), "connections_ended": {}, "disk": null,
        "clients": {"redis": 1, "native": 0, "max": 1000, "waiting_bytes": 0, "waiting_bytes_max": 1},
    })
}

/// A frame of that replica, its `number`-th.
pub fn frame(replica: u16, number: u64) -> Value {
    let spread = json!({"count": 10, "p50_us": 600, "p99_us": 2000, "max_us": 9000});
    let operator = |place: u64, name: &str, busy: f64| {
        json!({
            "address": [0, place], "name": name, "kind": "role", "runs": 50 * number,
            "records_in": 100, "records_out": 100, "batches_in": 10, "batches_out": 10,
            "rate_in": 400.0, "rate_out": 400.0, "busy": busy, "busy_us": 1000, "run": spread,
            "frontier": null,
        })
    };
    json!({
        "version": 2, "status": status(replica), "number": number,
        "at_us": 1_700_000_000_000_000_u64 + 250_000 * number, "window_us": 10_000_000,
        "level": "basic", "lost": 0, "request_rate": 4000.0, "slot_rate": 400.0, "latency": spread,
        "operators": [operator(1, "learner", 0.05), operator(2, "executor", 0.25)],
        "latencies": {"sum_us": 0, "below_ns": []}, "counts": {}, "channels": [], "holdings": [], "blame": [], "slots": [],
        "happened": [{
            "at_us": 1_700_000_000_000_000_u64, "kind": "entered_view", "view": 1, "slot": null,
            "text": "enters view 1",
        }],
    })
}

/// All three replicas, and what is wrong.
pub fn scene(number: u64, findings: &Value) -> Value {
    let seen = |replica: u16| json!({"replica": replica, "frame": frame(replica, number), "age_us": 0, "silence": null});
    json!({
        "version": 2, "at_us": 1_700_000_000_000_000_u64, "findings": findings,
        "replicas": (0..3).map(seen).collect::<Vec<_>>(),
    })
}

/// What is wrong, of this severity.
pub fn finding(severity: &str) -> Value {
    json!([{
        "code": "lagging", "severity": severity, "replica": 2,
        "text": "replica 2 is 40 slots behind", "because": ["it does not hear replica 0"],
    }])
}
