//! SET of 16 bytes through three durable replicas, three etcd members and one redis-server that syncs
//! always, by turns in one run and from one generator: `cargo run --release -p peers [-- SECONDS]`.
//!
//! A machine's disk and neighbours change from minute to minute, so figures are compared within a round
//! and the ratios are what counts; the median of the rounds is printed. Whatever is not installed is
//! left out, and said so.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::time::Duration;

use peers::load::{self, Figures};
use peers::servers::{self, Server};

const ROUNDS: usize = 3;
const CLIENTS: [usize; 3] = [1, 50, 256];

fn main() {
    servers::end_on_signals();
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(3);
    let lasting = Duration::from_secs(seconds);
    let installed: Vec<Server> = Server::ALL.into_iter().filter(|it| it.is_installed()).collect();
    println!(
        "{:<22} {:>8} {:>12} {:>10} {:>10} {:>10}",
        "", "clients", "requests/s", "p50 us", "p99 us", "of ours"
    );
    for clients in CLIENTS {
        let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); installed.len()];
        for _ in 0..ROUNDS {
            for (server, figures) in installed.iter().zip(&mut rounds) {
                let running = server.start();
                figures.push(load::closed_loop(
                    &running.addresses,
                    server.speaks(),
                    clients,
                    lasting,
                ));
            }
        }
        let ours = median(&mut rounds[0]);
        for (server, figures) in installed.iter().zip(&mut rounds) {
            let Figures { per_second, p50_us, p99_us } = median(figures);
            let share = per_second / ours.per_second;
            println!(
                "{:<22} {clients:>8} {per_second:>12.0} {p50_us:>10} {p99_us:>10} {share:>10.2}",
                server.name()
            );
        }
    }
}

fn median(rounds: &mut [Figures]) -> Figures {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds[rounds.len() / 2]
}
