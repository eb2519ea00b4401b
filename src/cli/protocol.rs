//! The option that names a protocol.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::dataflows::{self, AnyProtocol};
use crate::model::error::Error;

/// The protocol of a command that works without a cluster's files.
#[derive(Debug, Args)]
pub(super) struct Spoken {
    /// The protocol its replicas speak
    #[arg(long, value_name = "NAME", default_value = dataflows::usual(), value_parser = known())]
    protocol: String,
}

impl Spoken {
    /// The protocol.
    pub(super) fn protocol(&self) -> Result<&'static dyn AnyProtocol, Error> {
        dataflows::find(&self.protocol)
    }
}

/// Takes the names of protocols.
pub(super) fn known() -> PossibleValuesParser {
    PossibleValuesParser::new(dataflows::names())
}
