use taraflow::simulation::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let from: u64 = a[1].parse().unwrap();
    let to: u64 = a[2].parse().unwrap();
    let calm = a.get(3).is_some_and(|x| x == "calm");
    let keep = a.get(3).is_some_and(|x| x == "trace");
    let subject = taraflow::dataflows::tara::invariants::subject();
    let t = std::time::Instant::now();
    let mut bad = 0;
    let mut msgs = 0;
    let mut all = Stats::default();
    for seed in from..to {
        let settings = if calm { Settings::calm(3) } else { Settings::swarm(seed) };
        let o = World::run(&subject, seed, settings, keep);
        msgs += o.stats.messages;
        all = o.stats;
        if keep {
            for l in &o.trace {
                println!("{l}");
            }
        }
        if let Some(v) = o.violation {
            bad += 1;
            if bad < 12 {
                println!("seed {seed}: {v}");
            }
        }
    }
    let s = t.elapsed().as_secs_f64();
    println!(
        "{} seeds, {bad} bad, {msgs} messages, {:.1} seeds/s, {:.0} msg/s; last {all:?}",
        to - from,
        (to - from) as f64 / s,
        msgs as f64 / s
    );
}
