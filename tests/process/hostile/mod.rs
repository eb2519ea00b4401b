//! A cluster of processes among people who mean it harm: no replica dies, honest clients are
//! served, and what is refused is said in the log.

mod caller;
mod crowds;
mod frames;
mod tls;
