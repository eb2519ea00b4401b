//! The settings of a run, drawn from its seed: the cluster, and how bad its world is.

use super::commands::Sizes;
use super::random::Random;
use crate::kv::service::STRING_BYTES_MAX;
use crate::model::config::Config;
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;

/// Microseconds of virtual time.
pub type Micros = u64;

/// One simulated world. Chances are per million.
#[derive(Clone, Debug)]
pub struct WorldSettings {
    /// WorldSettings of the replicas; `me` is filled in.
    pub config: Config,
    /// Clients, one at least with a session.
    pub clients: usize,
    /// Those of them that have no session but a line, which sends once and in order.
    pub lines: usize,
    /// Keys they work on.
    pub keys: u64,
    /// How large keys and values are.
    pub sizes: Sizes,
    /// Operations of all clients together.
    pub operations: u64,
    /// Reads beside the log, of other clients; none of them if 0.
    pub reads: u64,
    /// Operations a client has open at a time.
    pub pipeline: usize,
    /// Whether clients give up on an operation and leave it unknown.
    pub give_up: bool,
    /// For how long things go wrong.
    pub chaos_us: Micros,
    /// How long after that everything must be answered and equal.
    pub calm_us: Micros,
    /// Network.
    pub network: Network,
    /// Disks.
    pub disks: Disks,
    /// Time between two acts of the nemesis, on average; none if 0.
    pub nemesis_every_us: Micros,
    /// What the nemesis does, each with its weight.
    pub acts: Vec<(Act, u64)>,
    /// Chance that a replica is killed right after it sent a message of one kind.
    pub trip: u64,
    /// Chance that the disk of a replica that starts dies under one of the first things asked of
    /// it.
    pub stillborn: u64,
}

/// How links behave.
#[derive(Clone, Debug)]
pub struct Network {
    /// Chance that a message is lost.
    pub loss: u64,
    /// Chance that it arrives twice.
    pub duplication: u64,
    /// Least time under way.
    pub delay_us: Micros,
    /// Most time under way on top of that; reordering comes from it.
    pub jitter_us: Micros,
    /// Chance of half a second more.
    pub spike: u64,
    /// Bytes that may wait for a link; a message that does not fit beside those before it is lost.
    pub link_bytes: usize,
    /// Microseconds that a thousand bytes take on a link, 1 at least.
    pub us_per_kb: Micros,
}

/// How disks behave.
#[derive(Clone, Debug)]
pub struct Disks {
    /// Least time of a sync.
    pub sync_us: Micros,
    /// Most time of a sync on top of that.
    pub jitter_us: Micros,
    /// Chance that a crash leaves garbage in what was not synced.
    pub torn: u64,
}

/// What the nemesis can do. Those that take a replica choose one at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Cuts a replica off, both ways.
    Isolate,
    /// Nobody hears a replica.
    Mute,
    /// A replica hears nobody.
    Deafen,
    /// Cuts some links, each way by itself.
    CutSome,
    /// All can talk to one replica only.
    Star,
    /// A replica does nothing for a while.
    Pause,
    /// Its syncs take very long.
    SlowDisk,
    /// Its disk is full for a while.
    FullDisk,
    /// Its next sync fails.
    FailSync,
    /// Its disk dies in the middle of something.
    DieInside,
    /// Its clock jumps, ahead or back.
    ClockJump,
    /// It crashes, and comes back.
    Crash,
    /// All crash, and come back.
    CrashAll,
    /// It crashes, and something on its disk rots before it comes back.
    Rot,
    /// Its process is killed, and a file of it harmed before it comes back.
    Harm,
}

impl WorldSettings {
    /// A world without faults.
    pub fn calm(n: usize) -> Self {
        let mut config = Config::new(ReplicaId(0), n);
        config.checkpoint_every = 32;
        config.window = 128;
        config.client_window = 16;
        config.sessions_max = 64;
        Self {
            config,
            clients: 4,
            lines: 0,
            keys: 8,
            sizes: Sizes::default(),
            operations: 300,
            reads: 0,
            pipeline: 4,
            give_up: false,
            chaos_us: 0,
            calm_us: 30_000_000,
            network: Network {
                loss: 0,
                duplication: 0,
                delay_us: 100,
                jitter_us: 400,
                spike: 0,
                link_bytes: 32 << 20,
                us_per_kb: 1,
            },
            disks: Disks { sync_us: 50, jitter_us: 100, torn: 0 },
            nemesis_every_us: 0,
            acts: Vec::new(),
            trip: 0,
            stillborn: 0,
        }
    }

    /// The world of a seed, for a protocol of this fault model. Half the faults are off in each, so
    /// that rare combinations run long.
    pub fn swarm(seed: u64, tolerance: Tolerance) -> Self {
        let mut random = Random::new(seed ^ 0x05EE_DF00_D5EE_D000);
        let r = &mut random;
        let n = *r.pick(match tolerance {
            Tolerance::Crash => &[3, 3, 3, 5, 5, 7],
            Tolerance::Byzantine => &[4, 4, 4, 7, 7, 10],
        });
        let mut settings = Self::calm(n);
        settings.config = swarm_config(r, n);
        settings.clients = r.within(2..7) as usize;
        settings.keys = r.within(1..9);
        settings.pipeline = r.within(1..6) as usize;
        settings.give_up = r.chance(300_000);
        settings.chaos_us = r.within(2_000_000..10_000_000);
        let sometimes = |r: &mut Random, most| if r.chance(500_000) { r.below(most) } else { 0 };
        settings.network = Network {
            loss: sometimes(r, 200_000),
            duplication: sometimes(r, 200_000),
            delay_us: r.within(50..3_000),
            jitter_us: r.within(100..30_000),
            spike: sometimes(r, 40_000),
            link_bytes: *r.pick(&[4 << 10, 16 << 10, 32 << 20]),
            us_per_kb: *r.pick(&[1, 10, 1_000]),
        };
        settings.disks = Disks {
            sync_us: r.within(20..2_000),
            jitter_us: r.within(50..30_000),
            torn: r.below(1_000_000),
        };
        settings.nemesis_every_us = r.within(80_000..700_000);
        settings.acts = Act::ALL
            .into_iter()
            .map(|act| (act, sometimes(r, 10)))
            .filter(|act| act.1 > 0)
            .collect();
        settings.trip = if r.chance(500_000) { *r.pick(&[5_000, 100_000]) } else { 0 };
        settings.stillborn = sometimes(r, 300_000);
        settings.lines = r.below(settings.clients.min(3) as u64) as usize;
        settings.config.sessions_max = *r.pick(&[settings.clients, settings.clients + 2, 64]);
        settings.bend(r);
        settings.reads = 200 * (seed % 2);
        settings
    }

    /// Bends nearly every other world out of its usual proportions.
    fn bend(&mut self, r: &mut Random) {
        let config = &mut self.config;
        match r.below(16) {
            // Each slot or two has a checkpoint, so that one ends where the log does.
            9 | 10 => {
                config.checkpoint_every = r.within(1..4);
                config.window = config.checkpoint_every * r.within(2..5);
            }
            // A whole history may wait to be executed again when all have crashed.
            11 | 12 => {
                config.checkpoint_every = r.within(48..300);
                config.window = config.checkpoint_every * r.within(2..4);
                config.checkpoint_bytes = 1 << 20;
                config.window_bytes = 4 << 20;
                config.batch_requests_max = 1;
                self.acts.push((Act::CrashAll, 10));
            }
            // Leaders vanish with proposals that some have received, and not those before them.
            13 => {
                config.suspect_after_ms = 120;
                (config.batches_in_flight, config.batch_requests_max) = (6, 1);
                self.pipeline = 8;
                self.network.loss = 300_000;
                self.acts.extend([(Act::Mute, 10), (Act::Crash, 10)]);
            }
            // Batches and checkpoints have the sizes they have in use.
            14 => {
                self.sizes.value_bytes = *r.pick(&[1_000, 10_000, 60_000]);
                self.sizes.key_bytes = *r.pick(&[0, 10, 1_000]);
                self.operations = 120;
                self.let_in(128 << 10);
            }
            // Values are at the limit, but for room for what is appended.
            15 => {
                self.sizes.value_bytes = STRING_BYTES_MAX.min(1 << 20) - 4_096;
                self.sizes.key_bytes = 4_000;
                self.operations = 40;
                self.keys = self.keys.min(3);
                self.let_in(1 << 20);
            }
            _ => {}
        }
    }

    /// Has batches be as large as this, and all else in proportion.
    fn let_in(&mut self, batch_bytes: usize) {
        let config = &mut self.config;
        config.batch_bytes_max = batch_bytes;
        config.command_bytes_max = batch_bytes;
        config.chunk_bytes = (batch_bytes / 4).max(config.chunk_bytes);
        config.checkpoint_bytes = 4 * batch_bytes;
        config.window_bytes = 2 * (config.checkpoint_bytes + config.batch_bytes_max);
        // A link holds the largest batch and others, as it does with the settings in use.
        self.network.link_bytes = self.network.link_bytes.max(4 * batch_bytes);
        // Whatever is sent arrives within the patience of whoever waits for it.
        self.network.us_per_kb = self.network.us_per_kb.min(10);
    }
}

/// WorldSettings at which checkpoints, transfers in pieces and full windows are frequent.
fn swarm_config(r: &mut Random, n: usize) -> Config {
    let mut config = Config::new(ReplicaId(0), n);
    config.checkpoint_every = r.within(4..48);
    config.window = config.checkpoint_every * r.within(2..5);
    config.gossip_every_ms = r.within(20..60);
    config.retry_after_ms = r.within(20..80);
    config.suspect_after_ms = r.within(120..400);
    config.batches_in_flight = r.within(1..6) as usize;
    config.batch_requests_max = r.within(1..9) as usize;
    config.client_window = 16;
    config.sessions_max = *r.pick(&[8, 64]);
    config.chunk_bytes = r.within(100..4_000) as usize;
    // Now the slots and now the bytes make a checkpoint due, and fill the window.
    config.checkpoint_bytes = 8 * config.chunk_bytes;
    config.batch_bytes_max = 4 << 10;
    config.command_bytes_max = config.batch_bytes_max;
    config.window_bytes = 2 * (config.checkpoint_bytes + config.batch_bytes_max);
    config
}

impl Act {
    /// Everything the nemesis knows.
    pub const ALL: [Self; 15] = [
        Self::Isolate,
        Self::Mute,
        Self::Deafen,
        Self::CutSome,
        Self::Star,
        Self::Pause,
        Self::SlowDisk,
        Self::FullDisk,
        Self::FailSync,
        Self::DieInside,
        Self::ClockJump,
        Self::Crash,
        Self::CrashAll,
        Self::Rot,
        Self::Harm,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_worlds_hold_every_kind_of_client_size_and_fault() {
        let worlds: Vec<WorldSettings> =
            (0..100).map(|seed| WorldSettings::swarm(seed, Tolerance::Crash)).collect();
        let some =
            |holds: fn(&WorldSettings) -> bool| worlds.iter().filter(|world| holds(world)).count();
        assert!(some(|world| world.lines > 0) > 20);
        assert!(some(|world| world.lines == 0) > 20);
        assert!(some(|world| world.stillborn > 0) > 20);
        assert!(some(|world| world.config.sessions_max <= world.clients) > 20);
        assert!(some(|world| world.config.checkpoint_every < 4) > 5);
        assert!(some(|world| world.config.window > 200) > 5);
        assert!(some(|world| world.sizes.value_bytes > 500_000) > 2);
        assert!(worlds.iter().all(|world| world.lines < world.clients));
        let (mut configs, me) = (worlds.iter().map(|world| &world.config), ReplicaId(0));
        assert!(configs.all(|config| config.me == me && config.check().is_ok()));
    }
}
