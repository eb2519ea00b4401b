//! One client that sends a SET every few milliseconds, whether or not the last one is answered.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::clock::{Spans, now_us};
use crate::commands::{Keys, Lines, Outcomes, mixed};

/// A probe at work.
pub struct Probe {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<()>,
    receiver: JoinHandle<Latencies>,
}

/// How long answers took.
pub struct Latencies {
    /// When each command was sent, and how long its answer took: in microseconds.
    all: Vec<(u64, u64)>,
    pub outcomes: Outcomes,
}

/// Of some commands, in milliseconds.
pub struct Spread {
    pub count: u64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    pub worst_three: String,
}

impl Probe {
    pub fn start(server: SocketAddr, every: Duration, keys: &Keys) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let socket = TcpStream::connect(server).expect("it listens");
        socket.set_nodelay(true).expect("it is a socket");
        let (note, notes) = mpsc::channel();
        let (theirs, keys) = (Arc::clone(&stop), keys.clone());
        let other = socket.try_clone().expect("there is room for a descriptor");
        let sender = thread::spawn(move || send(&socket, every, &keys, &theirs, &note));
        Self { stop, sender, receiver: thread::spawn(move || receive(other, &notes)) }
    }

    /// Ends it once all is answered.
    pub fn stop(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().expect("sending ends");
        self.receiver.join().expect("receiving ends")
    }
}

impl Latencies {
    /// Those that were open while something was under way, or the others.
    pub fn spread(&self, spans: &Spans, inside: bool) -> Spread {
        let histogram = Histogram::<u64>::new_with_bounds(1, 100_000_000, 3);
        let mut histogram = histogram.expect("the bounds are sound");
        let mut all = Vec::new();
        for (sent, took) in &self.all {
            if spans.meets(*sent, sent + took) == inside {
                histogram.saturating_record(*took);
                all.push((*took, *sent));
            }
        }
        let ms = |us: u64| us as f64 / 1e3;
        Spread {
            count: histogram.len(),
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(all.iter().map(|(took, _)| *took).max().unwrap_or(0)),
            worst_three: worst_three(all),
        }
    }
}

/// Those that overlap are one: an answer that is late makes those after it late.
fn worst_three(mut all: Vec<(u64, u64)>) -> String {
    all.sort_unstable_by(|a, b| b.cmp(a));
    let mut worst: Vec<(u64, u64)> = Vec::new();
    for (took, sent) in all {
        let is_apart = |other: &(u64, u64)| sent + took < other.1 || other.1 + other.0 < sent;
        if worst.iter().all(is_apart) {
            worst.push((took, sent));
        }
        if worst.len() == 3 {
            break;
        }
    }
    let each = worst.iter().map(|(took, _)| format!("{:.1}", *took as f64 / 1e3));
    each.collect::<Vec<_>>().join(", ")
}

fn send(
    mut socket: &TcpStream,
    every: Duration,
    keys: &Keys,
    stop: &AtomicBool,
    note: &Sender<u64>,
) {
    let (mut command, mut due) = (Vec::new(), Instant::now());
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        command.clear();
        keys.set(mixed(n) % keys.count, n, &mut command);
        // Noted first, so that it is there when the answer is.
        if note.send(now_us()).is_err() || socket.write_all(&command).is_err() {
            break;
        }
        due += every;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn receive(mut socket: TcpStream, notes: &Receiver<u64>) -> Latencies {
    let (mut lines, mut room) = (Lines::default(), [0; 4096]);
    let (mut all, mut outcomes) = (Vec::new(), Outcomes::default());
    while let Ok(sent) = notes.recv() {
        let mut open = vec![sent];
        while !open.is_empty() {
            let count = socket.read(&mut room).expect("it answers");
            assert!(count > 0, "the probe's connection was closed");
            let now = now_us();
            lines.feed(&room[..count], |line| {
                let sent = if open.is_empty() { notes.recv().ok() } else { open.pop() };
                let sent = sent.expect("nothing is answered that was not asked");
                outcomes.note(line);
                all.push((sent, now.saturating_sub(sent)));
            });
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    Latencies { all, outcomes }
}
