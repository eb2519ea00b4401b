//! What can be listed of a scene.

mod channels;
mod details;
mod events;
mod operators;
mod replicas;
mod slots;

pub(super) use channels::channels;
pub(super) use details::details;
pub(super) use events::events;
pub(super) use operators::operators;
pub(super) use replicas::replicas;
pub(super) use slots::slots;
