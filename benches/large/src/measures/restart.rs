//! Seconds from the start of a server that has a large state until it answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use peers::servers::{Running, Site};

use super::Size;
use crate::Bench;
use crate::commands::Keys;
use crate::pipe;
use crate::replicas::Replicas;
use crate::report::{Report, Wanted};

/// Seconds for each GiB.
const WANTED: f64 = 6.0;
const PATIENCE: Duration = Duration::from_secs(300);

/// What `restart` takes
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    size: Size,
}

/// Seconds until the first replica answered, and until the last did.
#[derive(Clone, Copy)]
struct Answered {
    first: f64,
    last: f64,
}

pub fn measure(bench: &Bench, options: &Options) {
    let keys = options.size.keys();
    let redis = bench.redis().map(|redis| run(redis, &keys));
    let ours = run(bench.ours(&[]), &keys);
    let mut report = Report::new(&options.size.text("restart"));
    let wanted = Wanted::AtMost(WANTED * (options.size.mib as f64 / 1024.0).max(1.0));
    for (index, what) in ["stopped", "killed"].iter().enumerate() {
        let redis = redis.map(|it| it[index]);
        let first = redis.map(|it| it.first);
        report.figure(&format!("{what}, first GET, s"), ours[index].first, first, wanted);
        let what = format!("{what}, GET at all replicas, s");
        report.figure(&what, ours[index].last, first, Wanted::Nothing);
    }
    report.print();
}

fn run(running: Running, keys: &Keys) -> [Answered; 2] {
    pipe::fill(running.addresses[0], keys);
    if running.cluster().is_some() {
        Replicas(&running).await_calm();
    }
    let (running, stopped) = start(running.stop(), keys);
    // Until all are there, who is killed has something to read again.
    thread::sleep(Duration::from_secs(2));
    let (_running, killed) = start(running.kill(), keys);
    [stopped, killed]
}

fn start(site: Site, keys: &Keys) -> (Running, Answered) {
    let begin = Instant::now();
    let running = site.start();
    let times: Vec<f64> = thread::scope(|scope| {
        let asking = running.addresses.iter().map(|address| {
            scope.spawn(move || {
                while !is_answered(*address, keys) {
                    assert!(begin.elapsed() < PATIENCE, "{address} does not answer");
                    thread::sleep(Duration::from_millis(5));
                }
                begin.elapsed().as_secs_f64()
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|asks| asks.join().expect("it answers in the end")).collect()
    });
    let first = times.iter().copied().fold(f64::INFINITY, f64::min);
    let last = times.iter().copied().fold(0.0, f64::max);
    (running, Answered { first, last })
}

/// Whether a GET is answered with a value.
fn is_answered(server: SocketAddr, keys: &Keys) -> bool {
    let ask = || {
        let mut socket = TcpStream::connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.write_all(&Keys::get(keys.count / 2))?;
        let mut reply = vec![0; 64];
        let count = socket.read(&mut reply)?;
        reply.truncate(count);
        Ok::<_, std::io::Error>(reply)
    };
    let head = format!("${}\r\n", keys.value_bytes);
    ask().is_ok_and(|reply| reply.starts_with(head.as_bytes()))
}
