//! Clients that set existing keys at random, each waiting for its answers before it goes on.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::clock::{Spans, now_us};
use crate::commands::{Keys, Lines, Outcomes, mixed};

/// Answers are counted by so many microseconds.
const TICK_US: u64 = 10_000;

/// How many clients there are, and what each does.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Load {
    /// Connections that write, each waiting for its answers before it goes on
    #[arg(long, default_value_t = 50)]
    pub clients: usize,
    /// Commands that each of them sends at once
    #[arg(long, default_value_t = 1)]
    pub pipeline: usize,
}

/// Clients at work.
pub struct Writers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Written>,
}

/// What they have done.
#[derive(Default)]
pub struct Written {
    begin_us: u64,
    /// Answers in each tick.
    ticks: Vec<u64>,
    pub outcomes: Outcomes,
}

impl Writers {
    /// Sets them to work, spread over `servers`.
    pub fn start(servers: &[SocketAddr], load: Load, keys: &Keys) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, servers, keys) = (Arc::clone(&stop), servers.to_vec(), keys.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("the system lets it wait for sockets");
            let written = Written { begin_us: now_us(), ..Written::default() };
            let (written, keys) = (Rc::new(RefCell::new(written)), Rc::new(keys));
            let tasks = LocalSet::new();
            for client in 0..load.clients {
                let server = servers[client % servers.len()];
                let (keys, written) = (Rc::clone(&keys), Rc::clone(&written));
                let (stop, client) = (Arc::clone(&theirs), client as u64);
                tasks.spawn_local(async move {
                    let ended = write(server, client, load.pipeline, &keys, &stop, &written);
                    if ended.await.is_err() {
                        written.borrow_mut().outcomes.fail("closed", 1);
                    }
                });
            }
            runtime.block_on(tasks);
            written.take()
        });
        Self { stop, thread }
    }

    /// Lets each finish what it has sent.
    pub fn stop(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no client fails")
    }
}

impl Written {
    /// Answers a second while something was under way, and while it was not.
    pub fn per_second(&self, spans: &Spans) -> (Option<f64>, Option<f64>) {
        let (mut inside, mut outside) = ((0, 0), (0, 0));
        // The last is not whole.
        for (tick, count) in self.ticks.iter().enumerate().take(self.ticks.len().max(1) - 1) {
            let begin = self.begin_us + tick as u64 * TICK_US;
            let is_inside = spans.meets(begin, begin + TICK_US - 1);
            let sum = if is_inside { &mut inside } else { &mut outside };
            (sum.0, sum.1) = (sum.0 + 1, sum.1 + count);
        }
        let rate = |(ticks, count): (u64, u64)| {
            // Less than that says nothing.
            (ticks >= 20).then(|| count as f64 * 1e6 / (ticks * TICK_US) as f64)
        };
        (rate(inside), rate(outside))
    }

    fn note(&mut self) {
        let tick = (now_us().saturating_sub(self.begin_us) / TICK_US) as usize;
        if self.ticks.len() <= tick {
            self.ticks.resize(tick + 1, 0);
        }
        self.ticks[tick] += 1;
    }
}

async fn write(
    server: SocketAddr,
    client: u64,
    pipeline: usize,
    keys: &Keys,
    stop: &AtomicBool,
    written: &RefCell<Written>,
) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(server).await?;
    socket.set_nodelay(true)?;
    let (mut commands, mut room) = (Vec::new(), vec![0; 4096]);
    let (mut lines, mut sent) = (Lines::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        commands.clear();
        for _ in 0..pipeline {
            sent += 1;
            let n = mixed(client << 40 ^ sent) % keys.count;
            keys.set(n, sent, &mut commands);
        }
        socket.write_all(&commands).await?;
        let mut open = pipeline;
        while open > 0 {
            let count = socket.read(&mut room).await?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            lines.feed(&room[..count], |line| {
                open -= 1;
                let mut written = written.borrow_mut();
                if written.outcomes.note(line) {
                    written.note();
                }
            });
        }
    }
    Ok(())
}
