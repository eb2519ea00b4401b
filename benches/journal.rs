//! How long a journal on real files takes to make turns durable, alone and beside a large checkpoint.
//! A directory may be named: `cargo bench --bench journal -- DIR`.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use taraflow::disk::{Durable, Files, Identity, Journal, ProtocolName, Store};
use taraflow::model::checkpoint::Cut;
use taraflow::model::types::{ReplicaId, Slot};

const OWNER: Identity =
    Identity { cluster: 1, replica: ReplicaId(0), protocol: ProtocolName::of("tara") };
const CHECKPOINT_BYTES: usize = 200 << 20;

struct Bench {
    journal: Journal<Vec<u8>>,
    woken: Receiver<()>,
    turn: u64,
}

impl Bench {
    fn start(path: &Path) -> Self {
        let mut files = Files::make(path).expect("the directory can be made");
        Store::create(&mut files, OWNER).expect("it is empty");
        let (store, _) = Store::open::<Vec<u8>>(Box::new(files), OWNER).expect("it is sound");
        let (wake, woken) = bounded(1);
        // One that waits is enough.
        let wake = Box::new(move || wake.try_send(()).unwrap_or_default());
        let journal = Journal::start(store, OWNER.replica, wake).expect("there is a thread");
        Self { journal, woken, turn: Journal::<Vec<u8>>::START }
    }

    fn hand(&mut self, durable: Durable<Vec<u8>>) {
        self.turn += 1;
        self.journal.hand(self.turn, vec![durable]).expect("the disk works");
    }

    fn record(&mut self, bytes: usize) {
        self.hand(Durable::Slot(Slot(self.turn), vec![7; bytes]));
    }

    /// Waits until all is durable; says how long that took.
    fn wait(&mut self) -> Duration {
        let begun = Instant::now();
        while self.journal.synced().expect("the disk works") < self.turn {
            self.woken.recv().expect("the journal lives");
        }
        begun.elapsed()
    }
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    let (half, most, last) = (at(50), at(99), at(100));
    println!("{what:<44} p50 {half:>6} µs   p99 {most:>6} µs   max {last:>8} µs");
}

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let parent = named.map_or_else(std::env::temp_dir, PathBuf::from);
    let path = parent.join(format!("taraflow-journal-{}", std::process::id()));
    let mut bench = Bench::start(&path);
    bench.wait();
    for bytes in [512, 16 << 10, 256 << 10] {
        let one = |bench: &mut Bench| {
            bench.record(bytes);
            bench.wait()
        };
        let times = (0..2_000_000_usize / (bytes + 500)).map(|_| one(&mut bench)).collect();
        print(&format!("a turn of {bytes} bytes"), times);
    }
    let checkpoint = Cut::new(Slot(bench.turn), vec![1; CHECKPOINT_BYTES]);
    let slot = checkpoint.slot;
    let begun = Instant::now();
    bench.hand(Durable::Checkpoint(checkpoint));
    let mut times = Vec::new();
    while bench.journal.saved().is_none_or(|saved| saved.slot < slot) {
        bench.record(512);
        times.push(bench.wait());
    }
    print("a turn of 512 bytes beside a checkpoint", times);
    println!("the checkpoint of {} MiB took {:?}", CHECKPOINT_BYTES >> 20, begun.elapsed());
    let (meter, times) = (bench.journal.meter(), bench.journal.meter().sync_times());
    println!(
        "{} appends, {} bytes, {} syncs; groups took {} us, 99 of 100 no more than {} us",
        meter.appends(),
        meter.bytes(),
        meter.syncs(),
        times.groups.quantile_us(50),
        times.groups.quantile_us(99),
    );
    drop(bench);
    std::fs::remove_dir_all(&path).expect("it is there");
}
