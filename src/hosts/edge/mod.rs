//! The client edge of a replica, whatever its connections are made of: gathers requests into
//! batches, and finds out whom a reply is for.

mod gather;
mod routes;

pub use gather::Gather;
pub use routes::Routes;
