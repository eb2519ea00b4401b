//! A replica's share of its machine: memory, processors, files, room on its disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::types::Slot;

/// What the process and the directory of a replica take of its machine; what the system does not
/// tell is not there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Bytes of the process that are in memory.
    pub memory_bytes: Option<u64>,
    /// Processor time that the process has used of late: 1 is the whole of one processor.
    pub processors: Option<f64>,
    /// Its threads.
    pub threads: Option<u64>,
    /// Its open files, sockets among them.
    pub open_files: Option<u64>,
    /// Bytes of its journal; nothing if it keeps none.
    pub journal_bytes: Option<u64>,
    /// The checkpoints on its disk, from the oldest on.
    #[serde(default)]
    pub checkpoints: Vec<Kept>,
    /// Bytes of all packs, in which the parts of these checkpoints are; nothing if it keeps none.
    #[serde(default)]
    pub packs_bytes: Option<u64>,
    /// Bytes that its disk has left.
    pub free_bytes: Option<u64>,
}

/// A checkpoint on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// Bytes that were written for it: what had not changed is in the packs of earlier ones.
    pub bytes: u64,
    /// How long ago it was written, in milliseconds.
    pub age_ms: u64,
}
