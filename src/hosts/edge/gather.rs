//! Requests of many clients on their way into batches.
//!
//! A pack that is large, or alone, is proposed as it came, without a copy; small ones and single
//! requests are packed together. Nothing waits for company: what has gathered leaves whenever the
//! replica has room. When too much has gathered, the replica reads no more from its clients, which
//! holds them up.

use std::collections::{BTreeMap, VecDeque};

use crate::model::batch::{Packer, Request, Requests};
use crate::model::config::Config;
use crate::model::reads::{Freshness, Reads, Way};
use crate::model::types::Slot;

/// Owns the requests of a replica's clients until they are proposed.
pub struct Gather {
    requests_max: usize,
    bytes_max: usize,
    gather_bytes_max: usize,
    packs: VecDeque<Requests>,
    /// Bytes of `packs`.
    bytes: usize,
    /// Requests that came one by one, after `packs`.
    singles: Packer,
    /// Where small packs are put together.
    packer: Packer,
    /// Whether all reads pass the log.
    is_log_only: bool,
    /// Reads that must be the latest, and those that need not.
    latest: Packer,
    bounded: BTreeMap<Slot, Packer>,
}

impl Gather {
    /// Nothing yet, within the limits of `config`.
    pub fn new(config: &Config, is_log_only: bool) -> Self {
        Self {
            requests_max: config.batch_requests_max,
            bytes_max: config.batch_bytes_max,
            gather_bytes_max: config.gather_bytes_max,
            packs: VecDeque::new(),
            bytes: 0,
            singles: Packer::default(),
            packer: Packer::default(),
            is_log_only,
            latest: Packer::default(),
            bounded: BTreeMap::new(),
        }
    }

    /// Whether it should be given no more.
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.gather_bytes_max
    }

    /// Whether there is a batch to be proposed.
    pub fn has_batch(&self) -> bool {
        !self.packs.is_empty() || !self.singles.is_empty()
    }

    /// Whether there are reads that must be the latest, and whether there are others.
    pub fn has_reads(&self) -> (bool, bool) {
        (!self.latest.is_empty(), !self.bounded.is_empty())
    }

    /// How much has gathered, in bytes.
    pub fn bytes(&self) -> usize {
        let bounded = self.bounded.values().map(Packer::bytes).sum::<usize>();
        self.bytes + self.singles.bytes() + self.latest.bytes() + bounded
    }

    /// Takes one request by the way it has to take.
    pub fn add_by(&mut self, way: Way, request: Request<'_>) {
        match way {
            Way::State(_) if self.is_log_only => self.add(request),
            Way::State(Freshness::Latest) => self.latest.push(request),
            Way::State(Freshness::Executed(slot)) => {
                self.bounded.entry(slot).or_default().push(request);
            }
            Way::Log => self.add(request),
        }
    }

    /// Reads to be answered from the state; those that must be the latest only if there `is_room`.
    pub fn next_reads(&mut self, is_room: bool) -> Option<Reads> {
        if let Some((slot, mut packer)) = self.bounded.pop_first() {
            let freshness = Freshness::Executed(slot);
            return Some(Reads { freshness, requests: packer.finish() });
        }
        let takes = is_room && !self.latest.is_empty();
        takes.then(|| Reads { freshness: Freshness::Latest, requests: self.latest.finish() })
    }

    /// Takes what a client has packed.
    pub fn add_pack(&mut self, requests: Requests) {
        self.close_singles();
        self.bytes += requests.bytes();
        self.packs.push_back(requests);
    }

    /// Takes one request.
    pub fn add(&mut self, request: Request<'_>) {
        if self.singles.len() >= self.requests_max
            || self.singles.bytes() + request.command.len() > self.bytes_max
        {
            self.close_singles();
        }
        self.singles.push(request);
    }

    fn close_singles(&mut self) {
        if !self.singles.is_empty() {
            let requests = self.singles.finish();
            self.bytes += requests.bytes();
            self.packs.push_back(requests);
        }
    }

    /// The next batch to be proposed.
    pub fn next_batch(&mut self) -> Option<Requests> {
        self.close_singles();
        let first = self.packs.pop_front()?;
        self.bytes -= first.bytes();
        let enough = |len, bytes| 2 * len >= self.requests_max || 2 * bytes >= self.bytes_max;
        if self.packs.is_empty() || enough(first.len(), first.bytes()) {
            return Some(first);
        }
        first.iter().for_each(|request| self.packer.push(request));
        while let Some(next) = self.packs.front() {
            if self.packer.len() + next.len() > self.requests_max
                || self.packer.bytes() + next.bytes() > self.bytes_max
            {
                break;
            }
            next.iter().for_each(|request| self.packer.push(request));
            self.bytes -= next.bytes();
            self.packs.pop_front();
        }
        Some(self.packer.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::{ClientId, ReplicaId};

    fn gather() -> Gather {
        Gather::new(&Config { batch_requests_max: 4, ..Config::new(ReplicaId(0), 3) }, false)
    }

    fn request(number: u64) -> Request<'static> {
        Request { client: ClientId(1), number, acknowledged: 0, command: b"command" }
    }

    fn pack(numbers: std::ops::Range<u64>) -> Requests {
        let mut packer = Packer::default();
        numbers.for_each(|number| packer.push(request(number)));
        packer.finish()
    }

    fn batches(gather: &mut Gather) -> Vec<Vec<u64>> {
        let numbers = |batch: Requests| batch.iter().map(|request| request.number).collect();
        std::iter::from_fn(|| gather.next_batch().map(numbers)).collect()
    }

    #[test]
    fn single_requests_and_small_packs_share_batches_in_the_order_they_came() {
        let mut gather = gather();
        gather.add(request(1));
        gather.add_pack(pack(2..3));
        gather.add(request(3));
        gather.add_pack(pack(4..6));

        assert_eq!(batches(&mut gather), [vec![1, 2, 3], vec![4, 5]]);
        assert!(!gather.has_batch());
        assert_eq!(gather.bytes(), 0);
    }

    #[test]
    fn reads_leave_together_by_how_recent_they_must_be_and_the_latest_when_there_is_room() {
        let mut gather = gather();
        for (number, freshness) in [
            (1, Freshness::Latest),
            (2, Freshness::Executed(Slot(7))),
            (3, Freshness::Latest),
            (4, Freshness::Executed(Slot(0))),
        ] {
            gather.add_by(Way::State(freshness), request(number));
        }
        let mut next = |is_room| {
            let Reads { freshness, requests } = gather.next_reads(is_room)?;
            Some((freshness, requests.iter().map(|request| request.number).collect::<Vec<_>>()))
        };
        assert_eq!(next(false), Some((Freshness::Executed(Slot(0)), vec![4])));
        assert_eq!(next(false), Some((Freshness::Executed(Slot(7)), vec![2])));
        assert_eq!(next(false), None);
        assert_eq!(next(true), Some((Freshness::Latest, vec![1, 3])));
        assert!(!gather.has_batch() && gather.bytes() == 0);
    }

    #[test]
    fn where_all_reads_pass_the_log_they_are_requests_like_others() {
        let mut gather = Gather::new(&Config::new(ReplicaId(0), 3), true);
        gather.add_by(Way::Log, request(1));
        gather.add_by(Way::State(Freshness::Latest), request(2));
        assert!(gather.next_reads(true).is_none());
        assert_eq!(batches(&mut gather), [vec![1, 2]]);
    }

    #[test]
    fn no_batch_holds_more_requests_than_allowed() {
        let mut gather = gather();
        (0..10).for_each(|number| gather.add(request(number)));
        assert!(batches(&mut gather).iter().all(|batch| batch.len() <= 4));
    }

    #[test]
    fn however_much_has_gathered_it_leaves_in_batches_that_are_allowed() {
        let config = Config::new(ReplicaId(0), 3);
        let command = vec![7; 1 << 10];
        let request = |number| Request { command: &command, ..request(number) };
        for bytes in
            [config.gather_bytes_max / 2, config.gather_bytes_max, 4 * config.gather_bytes_max]
        {
            let mut gather = Gather::new(&config, false);
            let count = (bytes / command.len()) as u64;
            for number in 0..count {
                match number % 2 {
                    0 => gather.add(request(number)),
                    _ => {
                        let mut packer = Packer::default();
                        packer.push(request(number));
                        gather.add_pack(packer.finish());
                    }
                }
            }

            assert_eq!(gather.is_full(), bytes >= config.gather_bytes_max, "{bytes} bytes");
            let mut numbers = Vec::new();
            while let Some(batch) = gather.next_batch() {
                assert!(batch.bytes() <= config.batch_bytes_max, "{} bytes", batch.bytes());
                numbers.extend(batch.iter().map(|request| request.number));
            }
            assert!(numbers.into_iter().eq(0..count), "{bytes} bytes");
            assert!(!gather.is_full() && gather.bytes() == 0);
        }
    }
}
