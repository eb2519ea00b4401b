//! What a native client and a replica say to each other on a link, a frame each.

use serde::{Deserialize, Serialize};

use crate::batch::{Replies, Requests};

/// What a client says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Asked {
    /// "Do this." Every request belongs to a session, or opens one.
    Requests(Requests),
}

/// What a replica says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Told {
    /// What came of requests asked for on this link, and perhaps of some asked for on an earlier one.
    Replies(Replies),
}
