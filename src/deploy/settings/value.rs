//! The kinds of values a setting can have.

use std::fmt::Display;
use std::net::SocketAddr;

use serde::de::DeserializeOwned;

/// A kind of value. What it prints as, `config print` shows.
pub(super) trait Kind: DeserializeOwned + Display {
    /// What to write instead of something that is not of this kind.
    const WANTED: &'static str;
}

impl Kind for u64 {
    const WANTED: &'static str = "a whole number";
}

impl Kind for usize {
    const WANTED: &'static str = "a whole number";
}

impl Kind for u16 {
    const WANTED: &'static str = "a whole number below 65536";
}

impl Kind for bool {
    const WANTED: &'static str = "true or false";
}

impl Kind for String {
    const WANTED: &'static str = "a text in quotes";
}

impl Kind for SocketAddr {
    const WANTED: &'static str = "an IP address and a port in quotes, like \"127.0.0.1:7000\"";
}
