//! The limits in `cluster.toml`: one table, by which they are read, checked and compared.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::model::config::Config;

/// A limit that all nodes share.
pub(super) struct Limit {
    /// Its full name in the file.
    pub name: &'static str,
    /// Whether replicas that differ in it must not exchange a message: the replicated state or the
    /// sizes of messages depend on it. The others are paces, which may differ while nodes are
    /// changed one by one.
    binds: bool,
    pub range: RangeInclusive<u64>,
    pub get: fn(&Config) -> u64,
    pub set: fn(&mut Config, u64),
}

/// Writes the table. Each field of [`Config`] has to be named, here or among those of one node, so
/// that none is forgotten.
macro_rules! limits {
    (own: $($own:ident),*; $($kind:ident $field:ident: $range:expr;)*) => {
        /// All limits, in the order in which they are shown.
        pub(super) static LIMITS: &[Limit] = &[$(Limit {
            name: concat!("limits.", stringify!($field)),
            binds: limits!($kind),
            range: $range,
            get: |config| config.$field as u64,
            set: |config, value| config.$field = value as _,
        }),*];

        const _: fn(Config) = |config| {
            let Config { $($own: _,)* $($field: _),* } = config;
        };
    };
    (binding) => { true };
    (pace) => { false };
}

limits! {
    own: me, n, tolerance, gather_bytes_max;
    pace tick_ms: 1..=1_000;
    pace gossip_every_ms: 1..=10_000;
    pace retry_after_ms: 1..=60_000;
    pace suspect_after_ms: 10..=600_000;
    binding checkpoint_every: 1..=1 << 32;
    binding checkpoint_bytes: 1 << 10..=64 << 30;
    binding window: 2..=1 << 20;
    pace window_bytes: 1 << 10..=256 << 30;
    pace batches_in_flight: 1..=1_024;
    binding batch_requests_max: 1..=1 << 20;
    binding batch_bytes_max: 1 << 10..=256 << 20;
    binding command_bytes_max: 1 << 10..=256 << 20;
    binding client_window: 1..=65_536;
    binding sessions_max: 1..=10_000_000;
    binding chunk_bytes: 1 << 10..=256 << 20;
    binding memory_max: 0..=1 << 50;
}

/// The names and values of the limits that bind replicas, or of the others.
pub(super) fn named(config: &Config, binding: bool) -> BTreeMap<String, u64> {
    let chosen = LIMITS.iter().filter(|limit| limit.binds == binding);
    chosen.map(|limit| (limit.name.to_owned(), (limit.get)(config))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::ReplicaId;

    #[test]
    fn each_limit_is_read_where_it_is_written_and_its_default_is_in_range() {
        let default = Config::new(ReplicaId(0), 3);
        for limit in LIMITS {
            assert!(limit.range.contains(&(limit.get)(&default)), "{}", limit.name);
            let mut changed = default.clone();
            (limit.set)(&mut changed, 77);
            let differ =
                LIMITS.iter().filter(|other| (other.get)(&changed) != (other.get)(&default));
            let differ: Vec<_> = differ.map(|limit| limit.name).collect();
            assert_eq!(((limit.get)(&changed), differ), (77, vec![limit.name]));
        }
    }
}
