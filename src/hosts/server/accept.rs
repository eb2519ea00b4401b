//! The handshake on the links port: who is let in, and what the others are told.

use crate::links::Fault;
use crate::links::client_messages::ClientLimits;
use crate::links::frame::Outbox;
use crate::links::hello::{Common, Hello, HelloReply, Peer};
use crate::links::socket::Socket;
use crate::links::tls::{self, Tls};
use crate::model::config::Config;
use crate::model::types::ReplicaId;

/// What is told to an end that does not speak TLS where it must, and to one that does where it must
/// not.
const WANTS_TLS: &str = "this cluster's links use TLS, and the other end does not: a client needs --dir, or \
                         --ca, --cert and --key; a replica needs tls.ca, tls.cert and tls.key";
const NO_TLS: &str = "this cluster's links are plain, and the other end uses TLS: a client leaves --ca, \
                      --cert and --key out; a replica needs `links = \"plain\"`";

/// How far a connection has come.
pub(super) enum Stage {
    /// It has yet to say who it is.
    Greeting,
    /// Another replica.
    Replica(ReplicaId),
    /// A client with a session, or about to have one.
    Client,
}

/// Settings of the links port, and of what comes in through it.
pub struct AcceptConfig {
    pub config: Config,
    pub common: Common,
    pub tls: Option<Tls>,
    /// Clients at a time; one more is turned away. Replicas are let in however many there are.
    pub clients_max: usize,
}

impl AcceptConfig {
    /// What an end is told that speaks TLS where this one does not, or the other way round.
    pub(super) fn one_sided_tls(has_tls: bool) -> HelloReply {
        let why = if has_tls { WANTS_TLS } else { NO_TLS };
        HelloReply::Mismatch(why.to_owned())
    }

    /// Lets in whoever may come in, and tells the others why not. Of a replica it is said in what
    /// its settings differ from ours, if they do.
    pub(super) fn receive(
        &self,
        hello: Result<Hello, String>,
        clients: usize,
        stream: &Socket,
        outbox: &mut Outbox,
    ) -> Result<(Stage, Option<String>), Fault> {
        let me = self.config.me;
        let turn_away = |outbox: &mut Outbox, why: String| {
            outbox.put(&HelloReply::Mismatch(why.clone()));
            Err(Fault::Mismatch(why))
        };
        let hello = match hello {
            Ok(hello) => hello,
            Err(why) => return turn_away(outbox, why),
        };
        let (stage, name) = match hello.from {
            Peer::Replica(from) => (Stage::Replica(from), tls::name_of(from)),
            Peer::Client => (Stage::Client, tls::CLIENT.to_owned()),
        };
        let foreign = || (!stream.is_of(&name)).then(|| format!("the certificate is not {name}'s"));
        if let Some(why) = hello.objection(me, self.config.n, &self.common).or_else(foreign) {
            return turn_away(outbox, why);
        }
        if hello.from == Peer::Client && clients >= self.clients_max {
            let why = format!("{clients} clients are connected, and no more are allowed");
            outbox.put(&HelloReply::Refused(why.clone()));
            return Err(Fault::Refused(why));
        }
        let differ = hello.differs(me, &self.common);
        if let Some(differ) = &differ {
            tracing::warn!(differ, "cluster.toml is not the same on all nodes");
        }
        let (cluster, limits) = (self.common.cluster, ClientLimits::of(&self.config));
        outbox.put(&HelloReply::Welcome { me, cluster, limits });
        Ok((stage, differ))
    }
}
