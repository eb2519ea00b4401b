//! The state of a link, for whoever watches it.

/// Bytes that may wait for one peer.
pub const LINK_BYTES_MAX: usize = 32 << 20;

/// The state of a link.
#[derive(Clone, Debug, Default)]
pub struct LinkStatus {
    /// Whether the peer has let us in.
    pub up: bool,
    /// How often it has.
    pub connects: u64,
    /// Why it was last lost or could not be made.
    pub fault: Option<String>,
    /// Messages that found it down or full.
    pub dropped: u64,
    /// Messages that it was given.
    pub sent: u64,
    /// Bytes that it was given.
    pub bytes: u64,
    /// Bytes that wait for the peer to take them.
    pub queued: usize,
}
