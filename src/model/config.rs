//! The configuration of a replica, checked once, before it starts.

use crate::model::error::Error;
use crate::model::quorum::Tolerance;
use crate::model::types::{Millis, ReplicaId};

/// The settings of one replica. Those marked *replicated* must be the same on all replicas, because
/// the replicated state depends on them.
#[derive(Clone, Debug)]
pub struct Config {
    /// This replica.
    pub me: ReplicaId,
    /// *Replicated.* How many replicas there are.
    pub n: usize,
    /// The fault model of the protocol they speak, which sets it.
    pub tolerance: Tolerance,
    /// How often the clock ticks for the roles, in milliseconds.
    pub tick_ms: Millis,
    /// How often a role repeats what its peers must learn in the end, in milliseconds.
    pub gossip_every_ms: Millis,
    /// How long a message may go unanswered before it is sent again, in milliseconds.
    pub retry_after_ms: Millis,
    /// How long a leader may be silent before it is suspected, in milliseconds; one that is heard
    /// of, and under which requests wait, has four times as long.
    pub suspect_after_ms: Millis,
    /// *Replicated.* Slots after which a checkpoint is cut.
    pub checkpoint_every: u64,
    /// *Replicated.* Bytes of executed batches after which a checkpoint is cut, whatever their
    /// number.
    pub checkpoint_bytes: usize,
    /// How many slots the proposer may be ahead of the stable checkpoint; at least two checkpoints.
    pub window: u64,
    /// How many bytes of batches it may be ahead; at least two checkpoints.
    pub window_bytes: usize,
    /// Batches of one replica's clients that may be on their way to execution.
    pub batches_in_flight: usize,
    /// Requests in a batch.
    pub batch_requests_max: usize,
    /// Bytes of commands in a batch; one that is longer has a batch to itself.
    pub batch_bytes_max: usize,
    /// Bytes of a command.
    pub command_bytes_max: usize,
    /// Bytes of requests a replica gathers for its clients before it refuses more.
    pub gather_bytes_max: usize,
    /// *Replicated.* Requests a client may have open at a time.
    pub client_window: u64,
    /// *Replicated.* Sessions kept; one more closes the one that has been silent longest.
    pub sessions_max: usize,
    /// Bytes of a message that carries part of a log or of a checkpoint.
    pub chunk_bytes: usize,
    /// *Replicated.* Bytes of the application's state above which it refuses to take more; 0 for as
    /// many as there may be.
    pub memory_max: u64,
}

impl Config {
    /// Above this a command would come near the longest frame that its head can hold.
    const COMMAND_BYTES_MAX: usize = 512 << 20;

    /// The defaults for replica `me` of `n`.
    pub fn new(me: ReplicaId, n: usize) -> Self {
        Self {
            me,
            n,
            tolerance: Tolerance::default(),
            tick_ms: 10,
            gossip_every_ms: 50,
            retry_after_ms: 50,
            suspect_after_ms: 300,
            checkpoint_every: 1 << 15,
            checkpoint_bytes: 64 << 20,
            window: 1 << 17,
            window_bytes: 256 << 20,
            batches_in_flight: 4,
            batch_requests_max: 4096,
            batch_bytes_max: 1 << 20,
            command_bytes_max: 24 << 20,
            gather_bytes_max: 8 << 20,
            client_window: 64,
            sessions_max: 10_000,
            chunk_bytes: 1 << 20,
            memory_max: 0,
        }
    }

    /// For how long a peer counts as present after its last message: peers gossip, whatever else
    /// they send.
    pub fn present_ms(&self) -> Millis {
        (10 * self.gossip_every_ms).max(1_000)
    }

    /// Bytes of the application's state above which it refuses to take more, if there is such a
    /// limit.
    pub fn memory_limit(&self) -> Option<u64> {
        (self.memory_max > 0).then_some(self.memory_max)
    }

    /// The least limit of memory that can be set.
    const MEMORY_MIN: u64 = 1 << 20;

    /// Slots of a window. An account of them takes a few bytes as a rule, and some twelve megabytes
    /// where no two that follow each other were accepted in the same view.
    const WINDOW_MAX: u64 = 1 << 20;

    /// Bytes of commands in the largest batch there may be.
    pub fn largest_batch_bytes(&self) -> usize {
        self.batch_bytes_max.max(self.command_bytes_max)
    }

    /// Replicas that may be faulty at the same time: `f`.
    pub fn f(&self) -> usize {
        self.tolerance.faults(self.n)
    }

    /// Replicas that decide together: `n - f`.
    pub fn quorum(&self) -> usize {
        self.tolerance.quorum(self.n)
    }

    /// Refuses settings under which no protocol works.
    ///
    /// # Errors
    /// [`Error::Replicas`] when `n` does not fit the fault model, [`Error::Settings`] for
    /// everything else, with the name of the setting and what it should be.
    pub fn check(&self) -> Result<(), Error> {
        if !self.tolerance.fits(self.n) {
            return Err(Error::Replicas { n: self.n, fit: self.tolerance.sizes() });
        }
        let demand = |holds: bool, setting, wanted| match holds {
            true => Ok(()),
            false => Err(Error::setting(setting, wanted)),
        };
        demand((self.me.0 as usize) < self.n, "me", "a number below the number of replicas")?;
        demand(self.tick_ms > 0, "tick_ms", "at least 1")?;
        demand(self.checkpoint_every > 0, "checkpoint_every", "at least 1")?;
        demand(
            self.window >= 2 * self.checkpoint_every,
            "window",
            "at least twice checkpoint_every, or the leader waits for each checkpoint",
        )?;
        demand(
            self.window <= Self::WINDOW_MAX,
            "window",
            "at most 1048576, or an account of what was accepted may not fit a message",
        )?;
        demand(
            self.command_bytes_max <= Self::COMMAND_BYTES_MAX,
            "command_bytes_max",
            "at most 536870912 (512 MiB), or it does not fit a frame",
        )?;
        demand(
            self.window_bytes / 2
                >= self.checkpoint_bytes.saturating_add(self.largest_batch_bytes()),
            "window_bytes",
            "at least twice checkpoint_bytes and the larger of batch_bytes_max and \
             command_bytes_max together",
        )?;
        demand(self.batches_in_flight > 0, "batches_in_flight", "at least 1")?;
        demand(self.batch_requests_max > 0, "batch_requests_max", "at least 1")?;
        demand(self.client_window > 0, "client_window", "at least 1")?;
        demand(self.sessions_max > 0, "sessions_max", "at least 1")?;
        demand(self.chunk_bytes > 0, "chunk_bytes", "at least 1")?;
        demand(
            self.memory_limit().is_none_or(|bytes| bytes >= Self::MEMORY_MIN),
            "memory_max",
            "at least 1048576 (1 MiB), or 0 for no limit",
        )
    }
}
