//! All keys, sent as fast as they are taken.

use std::fs;
use std::io::{BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Instant;

use peers::servers::{Running, Server};

use crate::Bench;
use crate::commands::{Keys, Lines, Outcomes};
use crate::pipe;
use crate::replicas::Replicas;
use crate::report::{Report, Wanted};

/// What `load` takes
#[derive(clap::Args)]
pub struct Options {
    /// Keys to set
    #[arg(long, default_value_t = 2_000_000)]
    keys: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 16)]
    value: usize,
}

pub fn measure(bench: &Bench, options: &Options) {
    let keys = Keys::new(options.keys, options.value);
    let what = format!("load: {} keys of {} bytes", options.keys, options.value);
    let mut report = Report::new(&what);
    let redis = bench.redis().map(|redis| pipe::send(redis.addresses[0], &keys, 0..keys.count));
    if let Some(redis) = &redis {
        assert_eq!(redis.outcomes.errors(), 0, "redis-server takes all: {:?}", redis.outcomes);
    }
    let redis_seconds = redis.map(|redis| redis.seconds);
    let mut row = |what: &str, wanted, send: &dyn Fn(&Running) -> (f64, Outcomes)| {
        let ours = bench.ours(&[]);
        let before = Replicas(&ours).view();
        let (seconds, outcomes) = send(&ours);
        report.ratio(&format!("{what}, s"), seconds, redis_seconds, wanted);
        let count = outcomes.errors() as f64;
        report.figure(&format!("{what}, errors"), count, None, Wanted::AtMost(0.0));
        if count > 0.0 {
            report.text(&format!("{what}, which"), &outcomes.text(), "");
        }
        let views = Replicas(&ours).view() - before;
        report.figure(&format!("{what}, new views"), views as f64, None, Wanted::AtMost(0.0));
    };
    row("one connection", Wanted::AtMost(2.5), &|ours| {
        let sent = pipe::send(ours.addresses[0], &keys, 0..keys.count);
        (sent.seconds, sent.outcomes)
    });
    row("submit", Wanted::Nothing, &|ours| submit(ours, &keys));
    report.print();
}

/// The same commands by our own client.
fn submit(ours: &Running, keys: &Keys) -> (f64, Outcomes) {
    let file = ours.home().join("commands");
    let mut commands = Vec::new();
    (0..keys.count).for_each(|n| keys.set(n, 0, &mut commands));
    fs::write(&file, commands).expect("there is room for files");
    let start = Instant::now();
    let mut command = Command::new(Server::Durable.program());
    command.arg("submit").arg("--dir").arg(ours.cluster().expect("it is ours")).arg(&file);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it has been started before");
    let mut replies = BufReader::new(child.stdout.take().expect("it is piped"));
    let (mut outcomes, mut lines, mut room) = (Outcomes::default(), Lines::default(), [0; 1 << 16]);
    while let Ok(count @ 1..) = replies.read(&mut room) {
        lines.feed(&room[..count], |line| match line {
            b"OK" => outcomes.done += 1,
            other => _ = outcomes.note(other.strip_prefix(b"(error) ").unwrap_or(other)),
        });
    }
    let ended = child.wait().expect("it is a child");
    let seconds = start.elapsed().as_secs_f64();
    if !ended.success() {
        outcomes.fail("unsuccessful", 1);
    }
    let missing = keys.count.saturating_sub(outcomes.done + outcomes.errors());
    if missing > 0 {
        outcomes.fail("unanswered", missing);
    }
    (seconds, outcomes)
}
