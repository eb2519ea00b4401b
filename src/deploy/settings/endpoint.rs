//! Endpoints: hosts, by address or name, with a port.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::source::SettingValue;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// The host by its address.
    Address(SocketAddr),
    /// The host by a name that is looked up.
    Name(String, u16),
}

impl Endpoint {
    /// An address that connects to nobody, in place of a name that is unknown here.
    pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }

    /// The address, if it need not be looked up.
    pub fn address(&self) -> Option<SocketAddr> {
        if let Self::Address(address) = self { Some(*address) } else { None }
    }

    /// The address, looked up if need be. That may take as long as the system's resolver does.
    ///
    /// # Errors
    /// What the resolver says.
    pub fn look_up(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Address(address) => Ok(*address),
            Self::Name(name, port) => {
                let mut found = (name.as_str(), *port).to_socket_addrs()?;
                found.next().ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }

    /// Whether it can only be on this machine.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().is_loopback(),
            Self::Name(name, _) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether it names no machine in particular, as `0.0.0.0` does.
    pub fn is_unspecified(&self) -> bool {
        matches!(self, Self::Address(address) if address.ip().is_unspecified())
    }
}

/// The addresses of all of them; [`Endpoint::NOWHERE`] for those whose name cannot be resolved here.
///
/// # Errors
/// What the resolver says of the last one, if none of them is known.
pub fn look_up_all<'a>(
    endpoints: impl Iterator<Item = &'a Endpoint>,
) -> io::Result<Vec<SocketAddr>> {
    let (mut all, mut last) = (Vec::new(), None);
    for endpoint in endpoints {
        all.push(endpoint.look_up().unwrap_or_else(|error| {
            last =
                Some(io::Error::new(error.kind(), format!("cannot look up {endpoint}: {error}")));
            Endpoint::NOWHERE
        }));
    }
    match last {
        Some(error) if all.iter().all(|address| *address == Endpoint::NOWHERE) => Err(error),
        _ => Ok(all),
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let (name, port) = text.rsplit_once(':').ok_or(Self::WANTED)?;
        let port = port.parse().map_err(|_| Self::WANTED)?;
        let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
        // Digits and dots only would be an address, mistyped.
        let numeric = name.bytes().all(|letter| letter.is_ascii_digit() || letter == b'.');
        if numeric || name.len() > 253 || !name.bytes().all(is_letter) {
            return Err(Self::WANTED);
        }
        Ok(Self::Name(name.to_owned(), port))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl SettingValue for Endpoint {
    const WANTED: &'static str =
        "a host and a port in quotes, like \"127.0.0.1:7000\" or \"db-1.example.org:7000\"";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_or_names_and_a_mistyped_address_is_neither() {
        for text in ["127.0.0.1:7000", "[::1]:7000", "db-1.example.org:7000", "localhost:1"] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
        for text in ["", "7000", ":7000", "10.0.0:7000", "10.0.0.300:7000", "a b:1", "db:70000"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_nobody_knows_leaves_the_others_to_be_used() {
        let endpoints: Vec<Endpoint> =
            ["127.0.0.1:1", "no-such-host.invalid:2"].map(|text| text.parse().unwrap()).into();

        let all = look_up_all(endpoints.iter()).unwrap();

        assert_eq!(all, ["127.0.0.1:1".parse().unwrap(), Endpoint::NOWHERE]);
        let error = look_up_all(endpoints[1..].iter()).unwrap_err();
        assert!(error.to_string().contains("cannot look up no-such-host.invalid:2"), "{error}");
    }
}
