//! Observation of a replica: its operators, the streams between them, and who holds what back.
//!
//! ```text
//!  meters of operators ─┐                              ┌─> GET /v1/..., /metrics, the page
//!  timely's own logs ───┼─> observer ─> frame ─> board ┼─> the other replicas, over the links
//!  events, slots ───────┘   (dataflow)                 └─> a recording
//! ```
//!
//! A [`Frame`](frame::Frame) is a snapshot of one replica, taken between two turns: all of it was true
//! at the same time. A [`Scene`](scene::Scene) holds the latest frame of each replica,
//! [`findings`] says what is wrong in it, and [`verdict`] what that amounts to. Whoever shows something (the terminal, the browser,
//! a program) shows frames; so all of them tell the same.

pub mod blame;
pub mod board;
pub mod counters;
pub mod findings;
pub mod frame;
pub mod graph;
pub mod health;
pub mod logs;
pub mod machine;
pub mod memory;
pub mod monitor;
pub mod past;
pub mod reach;
mod reading;
mod roster;
pub mod saving;
pub mod scene;
pub mod status;
mod story;
pub mod syncs;
pub mod verdict;
pub mod views;
mod waits;
mod window;
