//! Links: what joins replicas, and native clients to replicas, over TCP.
//!
//! A link carries frames one way between replicas (each end dials the other), both ways between a
//! client and a replica. It begins with a [handshake](hello) that binds it to cluster, settings,
//! protocol and the two ends; with TLS the certificate says who the peer is. All sockets are driven
//! by the thread that uses them and never block it. What comes in is untrusted until it is decoded:
//! a length is checked before anything is reserved, and any fault ends the connection, which its
//! owner makes anew.

pub mod client_messages;
pub mod dropped;
pub mod frame;
pub mod hello;
pub mod socket;
pub mod tls;

use std::io;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Bytes that may wait for one peer.
pub const LINK_BYTES_MAX: usize = 32 << 20;

/// The contents of a frame from one replica to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carried<M> {
    /// A message of its protocol.
    Message(M),
    /// A [frame](crate::observe::frame::Frame), as JSON, so that replicas of different versions can
    /// show each other what both know.
    Frame(ByteBuf),
}

/// The reason for which a connection was given up. The words are for people, [`Fault::kind`] for
/// counting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An error of the system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer has closed it.
    #[error("the peer closed the connection")]
    Closed,
    /// A frame is longer than any may be, by its head.
    #[error("a frame of {length} bytes, where at most {limit} are allowed")]
    TooLong {
        /// By its head.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The bytes of a frame are not what was sent.
    #[error("a frame with a wrong checksum")]
    Checksum,
    /// A frame was repeated or left out.
    #[error("frame {found} where frame {expected} was due")]
    Sequence {
        /// By its head.
        found: u64,
        /// The one due.
        expected: u64,
    },
    /// A whole frame whose contents this version does not understand, or that cannot be true.
    #[error("a frame that cannot be understood")]
    Unreadable,
    /// The peer does not want this connection, or we do not.
    #[error("{0}")]
    Refused(String),
    /// The two ends are not made for each other, and trying again will not change that.
    #[error("{0}")]
    Mismatch(String),
    /// The handshake, or a frame once begun, took too long.
    #[error("the handshake or a frame took too long")]
    Slow,
    /// The peer has taken nothing of what waits for it, or not answered the handshake.
    #[error("the peer has taken no byte for {} s", waited_ms / 1_000)]
    Stuck {
        /// For how long, in milliseconds.
        waited_ms: u64,
    },
}

impl Fault {
    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io(_) => "io",
            Self::Closed => "closed",
            Self::TooLong { .. } => "too_long",
            Self::Checksum => "checksum",
            Self::Sequence { .. } => "sequence",
            Self::Unreadable => "unreadable",
            Self::Refused(_) => "refused",
            Self::Mismatch(_) => "mismatch",
            Self::Slow | Self::Stuck { .. } => "slow",
        }
    }
}
