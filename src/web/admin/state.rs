//! State of the admin port, shared by all its answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use crossbeam_channel::Sender;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::answer::{ErrorResponse, refusal};
use super::history::ServedHistory;
use super::orders::Order;
use crate::deploy::settings::Secret;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::model::types::ReplicaId;
use crate::observe::board::{self, Board};
use crate::observe::health::{Code, HealthLimits, Reason};
use crate::observe::past::Past;
use crate::observe::scene::Scene;
use crate::observe::status::ReplicaStatus;
use crate::observe::verdict::Verdict;
use crate::web::page::GraphOf;

/// Everything a port needs to know at its start.
pub struct AdminConfig {
    /// Of the replica that is asked when none is named.
    pub config: Config,
    /// One for each replica of the cluster.
    pub boards: Vec<Board>,
    /// The cluster's number, in hexadecimal.
    pub cluster: String,
    /// The protocol that its replicas speak.
    pub protocol: String,
    /// What whoever asks must show; nothing on a port that only this machine reaches.
    pub token: Option<Secret>,
    /// Where the replica's data is, if it keeps any on disk.
    pub data: Option<PathBuf>,
    /// The settings in force.
    pub settings: Vec<Setting>,
    /// Knows the graph that the page draws.
    pub graph_of: GraphOf,
    /// The one who may be told to do things to the replicas; nobody but in embedded clusters.
    pub orders: Option<Sender<Order>>,
}

/// A setting that is in force.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Setting {
    /// Its name, the tables it stands in first.
    pub name: String,
    /// Its value, as text.
    pub value: String,
}

/// Everything that answers are made from.
pub(super) struct AdminState {
    pub me: ReplicaId,
    /// One for each replica of the cluster.
    pub boards: Vec<Board>,
    /// Whether replicas can be killed, paused and restarted from here.
    pub takes_orders: bool,
    /// Places for those who are told what happens.
    pub streams: Arc<Semaphore>,
    pub history: Arc<ServedHistory>,
    pub settings: Vec<Setting>,
    /// The cluster's number, in hexadecimal.
    pub cluster: String,
    pub limits: HealthLimits,
}

impl AdminState {
    /// How this replica stood, and how long ago; nothing before its first tick.
    pub fn status(&self) -> Option<(ReplicaStatus, Duration)> {
        let (mut status, silent) = self.boards.get(self.me.0 as usize)?.status()?;
        status.not_ready = self.limits.reasons(&status, silent);
        Some((status, silent))
    }

    /// All that keeps this replica from being of use to clients: what is wrong with it, and that the
    /// cluster does not answer requests.
    pub fn reasons(&self) -> Vec<Reason> {
        let status = self.status();
        let mut reasons = status.map_or(vec![Reason::starting()], |(status, _)| status.not_ready);
        let scene = self.scene();
        if reasons.is_empty() && matches!(scene.verdict, Verdict::Down | Verdict::Fatal) {
            reasons.push(Reason { code: Code::ClusterDown, text: scene.headline() });
        }
        reasons
    }

    /// All replicas, as they are known here.
    pub fn scene(&self) -> Scene {
        let scene = board::scene(&self.boards, Clock::start().now_us());
        Scene { cluster: self.cluster.clone(), ..scene }
    }

    pub fn past(&self, replica: Option<ReplicaId>) -> Result<(ReplicaId, Past), ErrorResponse> {
        let replica = replica.unwrap_or(self.me);
        let past = self.boards.get(replica.0 as usize).and_then(|board| board.past());
        past.map(|past| (replica, past)).ok_or_else(|| {
            let why = format!("replica {replica} is not watched here: ask its own admin port");
            refusal(StatusCode::NOT_FOUND, why)
        })
    }
}
