//! The protocols.

pub mod tara;

use crate::app::StateMachine;
use crate::embedded::{Cluster, Protocol, Settings};
use crate::error::Error;

impl Cluster {
    /// Starts a cluster that speaks Tara.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn start(
        settings: Settings,
        application: impl Fn() -> Box<dyn StateMachine> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let protocol = Protocol { dataflow: tara::dataflow, weight: tara::message_weight };
        Self::launch(settings, protocol, application)
    }
}
