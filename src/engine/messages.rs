//! A protocol's table of messages, from which its streams, its sorting and its names follow.

use crate::model::types::ReplicaId;

/// An item of a stream of messages: a body, or one with its sender.
pub trait Arrival<T> {
    /// What arrived from a replica.
    fn new(from: ReplicaId, body: T) -> Self;
}

impl<T> Arrival<T> for T {
    fn new(_from: ReplicaId, body: T) -> Self {
        body
    }
}

impl<T> Arrival<T> for (ReplicaId, T) {
    fn new(from: ReplicaId, body: T) -> Self {
        (from, body)
    }
}

/// Makes of a table of messages the enumeration of them, and the streams into which it is sorted
/// when it arrives. A line is the kind of message with its body, and the stream with its items: the
/// bodies, or `(ReplicaId, body)` where the sender matters.
macro_rules! messages {
    (
        $(#[$about:meta])* $vis:vis enum $Message:ident => $Received:ident;
        $($(#[$doc:meta])* $Kind:ident($Body:ty) => $stream:ident: $Item:ty,)+
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        $vis enum $Message {
            $($(#[$doc])* $Kind($Body),)+
        }

        impl $Message {
            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($Kind)),+];

            /// The name of its kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => stringify!($Kind),)+
                }
            }
        }

        /// The messages that arrived, one stream a kind.
        pub(super) struct $Received<'s> {
            $(pub $stream: $crate::engine::role::Stream<'s, $Item>,)+
        }

        impl<'s> $Received<'s> {
            /// Sorts the messages that arrived by kind.
            pub fn sort(messages: $crate::engine::role::Stream<'s, (ReplicaId, $Message)>) -> Self {
                use $crate::engine::messages::Arrival;
                let mut role = $crate::engine::role::Role::new("sort", messages.scope(), ());
                $(let $stream = role.output();)+
                let received = Self { $($stream: $stream.1.clone(),)+ };
                $(let $stream = $stream.0;)+
                role.on(messages, move |(), (from, message)| match message {
                    $($Message::$Kind(body) => $stream.send([Arrival::new(from, body)]),)+
                });
                role.build();
                received
            }
        }
    };
}

pub(crate) use messages;
