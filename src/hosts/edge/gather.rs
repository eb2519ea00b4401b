//! Requests of many clients on their way into batches.
//!
//! A pack that is large, or alone, is proposed as it came, without a copy; small ones and single
//! requests are packed together. Nothing waits for company: what has gathered leaves whenever the
//! replica has room. When too much has gathered, the replica reads no more from its clients, which
//! holds them up.

use std::collections::VecDeque;

use crate::model::batch::{Packer, Request, Requests};
use crate::model::config::Config;

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
}

impl Gather {
    /// Nothing yet, within the limits of `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            requests_max: config.batch_requests_max,
            bytes_max: config.batch_bytes_max,
            gather_bytes_max: config.gather_bytes_max,
            packs: VecDeque::new(),
            bytes: 0,
            singles: Packer::default(),
            packer: Packer::default(),
        }
    }

    /// Whether it should be given no more.
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.gather_bytes_max
    }

    /// Whether nothing has gathered.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.singles.is_empty()
    }

    /// How much has gathered, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.singles.bytes()
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
        Gather::new(&Config { batch_requests_max: 4, ..Config::new(ReplicaId(0), 3) })
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
        assert!(gather.is_empty());
        assert_eq!(gather.bytes(), 0);
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
            let mut gather = Gather::new(&config);
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
