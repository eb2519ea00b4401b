//! `node.toml`: the settings of one node.

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;

use super::cluster::ClusterSettings;
use super::limits::LIMITS;
use super::secret::{Secret, secret_file, text_file};
use super::source::{Found, Layers, SettingValue, SettingsFile};
use super::{Addresses, Endpoint, NodeSettings, ReplicaEndpoints, ToleranceOf};
use crate::links::tls::{CLIENT, Tls, TlsFiles, Unusable, name_of};
use crate::model::config::Config;
use crate::model::error::{Error, Problems};
use crate::model::quorum::Votes;
use crate::model::types::ReplicaId;
use crate::observe::frame::Level;

/// Settings of a node that somebody may look for in `cluster.toml`.
pub(super) const NAMES: [&str; 11] = [
    "admin.token_file",
    "clients.password_file",
    "data",
    "limits.clients_max",
    "limits.gather_bytes_max",
    "listen.admin",
    "listen.clients",
    "listen.links",
    "log.level",
    "memory",
    "observe",
];

/// The word for a value, in files and on the command line.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The security of the links between replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum LinkSecurity {
    /// Encrypted, and both ends prove who they are.
    Tls,
    /// Neither encrypted nor authenticated.
    Plain,
}

impl fmt::Display for LinkSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self))
    }
}

impl SettingValue for LinkSecurity {
    const WANTED: &'static str = "\"tls\" or \"plain\"";
}

/// The lowest level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What ends the replica, or keeps it from serving.
    Error,
    /// What somebody should look at.
    Warn,
    /// Changes worth knowing: views, peers, checkpoints.
    Info,
    /// Details, for finding a fault.
    Debug,
    /// Everything.
    Trace,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self))
    }
}

impl SettingValue for LogLevel {
    const WANTED: &'static str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self))
    }
}

impl SettingValue for Level {
    const WANTED: &'static str = "\"off\", \"basic\", \"full\" or \"all\"";
}

/// Reads a node's file, the cluster's file it names, and what overrides the former; and says where
/// each value came from. `tolerance` knows the protocols.
///
/// # Errors
/// [`Error::Settings`] with all that is wrong.
pub fn read(
    path: &Path,
    layers: &Layers,
    tolerance: ToleranceOf,
) -> Result<(NodeSettings, Vec<Found>), Error> {
    if path.file_name().is_some_and(|name| name == "cluster.toml") {
        let path = path.display();
        return Err(Error::Invalid(format!(
            "{path} is the file that all nodes share: name a node.toml, such as replica-0/node.toml"
        )));
    }
    let fail = |problem| Error::Settings(Problems(vec![problem]));
    let mut source = SettingsFile::open(path, layers).map_err(fail)?;
    let id = source.required::<u16>("id");
    let cluster = source.required::<String>("cluster");
    let cluster = cluster.map(|written| {
        ClusterSettings::read(&source.resolve("cluster", written.into()), tolerance)
    });
    let (cluster, of_cluster, wrong_in_cluster) = match cluster {
        Some(Ok((cluster, found))) => (Some(cluster), found, Problems::default()),
        Some(Err(problems)) => (None, Vec::new(), problems),
        None => Default::default(),
    };
    let settings = settings(&mut source, id, cluster);
    let limits: Vec<_> = LIMITS.iter().map(|limit| limit.name).collect();
    let (mut found, mut problems) =
        source.finish(&limits, "cluster.toml, which is the same on all nodes");
    found.extend(of_cluster);
    problems.0.extend(wrong_in_cluster.0);
    match settings {
        Ok(Some(settings)) if problems.0.is_empty() => Ok((settings, found)),
        Err(unknown) if problems.0.is_empty() => Err(unknown),
        _ => Err(Error::Settings(problems)),
    }
}

/// The settings of replica `id`, if that, its cluster and its addresses are known. All of them are
/// read and checked in any case, so that all that is wrong is reported at once.
///
/// # Errors
/// [`Error::Lookup`] when the replica's own name, at which it is to listen, cannot be resolved.
fn settings(
    source: &mut SettingsFile<'_>,
    id: Option<u16>,
    cluster: Option<ClusterSettings>,
) -> Result<Option<NodeSettings>, Error> {
    let mine = id.zip(cluster.as_ref()).and_then(|(id, cluster)| member(source, id, cluster));
    let security = source.or("links", LinkSecurity::Tls);
    let listen = listen(source, mine);
    let (data, tls) = (data(source), tls(source, security));
    let password = secret(source, "clients.password_file", "password");
    let token = token(source);
    let gather_bytes_max = Config::new(ReplicaId(0), 3).gather_bytes_max;
    let gather_bytes_max =
        source.within("limits.gather_bytes_max", gather_bytes_max, 64 << 10..=16 << 30);
    let clients_max = source.within("limits.clients_max", CLIENTS_MAX, 1..=1_000_000);
    let redis = source.or("clients.redis", true);
    let log = source.or("log.level", LogLevel::Info);
    let observe = source.or("observe", Level::default());
    if let (Some(cluster), Ok(Some(listen))) = (&cluster, &listen) {
        if security == LinkSecurity::Plain {
            check_plain_links(source, cluster, listen);
        }
        check_exposure(source, listen, password.is_some(), token.is_some());
    }
    let me = ReplicaId(id.unwrap_or_default());
    if let (Some(_), Some(tls)) = (id, &tls) {
        check_keys(source, me, tls);
    }
    let (Some(_), Some(cluster), Some(listen)) = (id, cluster, listen?) else { return Ok(None) };
    let each = |of: fn(&ReplicaEndpoints) -> &Endpoint| {
        cluster.replicas.iter().map(|replica| of(replica).clone()).collect()
    };
    Ok(Some(NodeSettings {
        shared: cluster.shared(),
        peers: each(|replica| &replica.links),
        clients_of: each(|replica| &replica.clients),
        admins: each(|replica| &replica.admin),
        config: Config { me, gather_bytes_max, ..cluster.config },
        protocol: cluster.protocol,
        cluster: cluster.id,
        data,
        listen,
        tls,
        password,
        token,
        clients_max,
        redis,
        log,
        observe,
    }))
}

/// Clients at a time, unless the file says otherwise.
const CLIENTS_MAX: usize = 8_000;

/// The addresses of replica `id`.
fn member(
    source: &mut SettingsFile<'_>,
    id: u16,
    cluster: &ClusterSettings,
) -> Option<ReplicaEndpoints> {
    let mine = cluster.replicas.get(id as usize);
    if mine.is_none() {
        let last = cluster.replicas.len() - 1;
        source.problem("id", format!("there is no replica {id}; the cluster has 0 to {last}"));
    }
    mine.cloned()
}

/// Notes keys with which no link could be made.
fn check_keys(source: &mut SettingsFile<'_>, me: ReplicaId, files: &TlsFiles) {
    let tls = match Tls::load(files) {
        Ok(tls) => tls,
        Err(Unusable { setting, why }) => return source.problem(setting, why),
    };
    let (mine, path) = (name_of(me), files.cert.display());
    if tls.names(&mine) {
        return;
    }
    let others = (0..Votes::REPLICAS_MAX as u16).map(ReplicaId);
    let other = others.map(name_of).chain([CLIENT.to_owned()]).find(|name| tls.names(name));
    let whose = other.map_or(String::new(), |name| format!(", but {name}'s"));
    let what = format!("the certificate {path} is not {mine}'s{whose}: use this replica's own");
    source.problem("tls.cert", what);
}

/// Notes links that other machines could reach without proving who they are. A replica takes what
/// reaches its links for its peers' messages.
fn check_plain_links(source: &mut SettingsFile<'_>, cluster: &ClusterSettings, listen: &Addresses) {
    let own = Endpoint::from(listen.links);
    let mut all = cluster.replicas.iter().map(|replica| &replica.links).chain([&own]);
    if let Some(address) = all.find(|address| !address.is_loopback()) {
        let what = format!(
            "plain links are only for replicas on one machine, but {address} is not a loopback \
             address: set tls.ca, tls.cert and tls.key, and remove `links = \"plain\"`"
        );
        source.problem("links", what);
    }
}

/// Notes each port that other machines could use without a secret, so that none is open by
/// accident.
fn check_exposure(
    source: &mut SettingsFile<'_>,
    Addresses { clients, admin, .. }: &Addresses,
    has_password: bool,
    has_token: bool,
) {
    if !clients.ip().is_loopback() && !has_password {
        let what = format!(
            "the clients' port {clients} is reachable from other machines and has no password: \
             set clients.password_file"
        );
        source.problem("listen.clients", what);
    }
    if !admin.ip().is_loopback() && !has_token {
        let what = format!(
            "the admin port {admin} is reachable from other machines and has no authentication: \
             set admin.token_file, or listen.admin to a loopback address, like 127.0.0.1:{}",
            admin.port()
        );
        source.problem("listen.admin", what);
    }
}

/// The directory of journal and checkpoints; none without a disk.
fn data(source: &mut SettingsFile<'_>) -> Option<PathBuf> {
    let memory = source.or("memory", false);
    let written = source.path("data");
    if !memory {
        return written.or_else(|| {
            let default = source.or("data", "data".to_owned());
            Some(source.resolve("data", default.into()))
        });
    }
    match source.layer("data").cmp(&source.layer("memory")) {
        Ordering::Less => return written,
        Ordering::Equal => {
            source.problem("data", "`memory` and `data` contradict each other: remove one");
        }
        Ordering::Greater => {}
    }
    None
}

/// The addresses at which to listen: those at which others reach this node, unless the settings say
/// otherwise.
fn listen(
    source: &mut SettingsFile<'_>,
    mine: Option<ReplicaEndpoints>,
) -> Result<Option<Addresses>, Error> {
    type Of = fn(&ReplicaEndpoints) -> &Endpoint;
    let mut address = |name: &'static str, of: Of| -> Result<_, Error> {
        if source.is_said(name) {
            return Ok(source.optional(name));
        }
        let Some(endpoint) = mine.as_ref().map(of) else { return Ok(None) };
        let unknown =
            |source| Error::Lookup { endpoint: endpoint.to_string(), setting: name, source };
        Ok(Some(source.or(name, endpoint.look_up().map_err(unknown)?)))
    };
    // All are read before any is needed.
    let links = address("listen.links", |mine| &mine.links);
    let clients = address("listen.clients", |mine| &mine.clients);
    let (Some(admin), Some(clients), Some(links)) =
        (address("listen.admin", |mine| &mine.admin)?, clients?, links?)
    else {
        return Ok(None);
    };
    Ok(Some(Addresses { links, clients, admin }))
}

/// The keys of the links, all of them or none.
fn tls(source: &mut SettingsFile<'_>, security: LinkSecurity) -> Option<TlsFiles> {
    let mut path = |name| {
        let path = source.path(name);
        if security == LinkSecurity::Plain {
            return None;
        }
        let Some(path) = path else {
            // An empty path has been reported already.
            if source.layer(name) == Layers::NOBODY {
                let what = format!(
                    "`{name}` is missing: links need tls.ca, tls.cert and tls.key, or, if all \
                     replicas are on this machine, `links = \"plain\"`"
                );
                source.problem(name, what);
            }
            return None;
        };
        let read = if name == "tls.key" { secret_file(&path) } else { text_file(&path) };
        read.map(|_| path).map_err(|what| source.problem(name, what)).ok()
    };
    let (ca, cert, key) = (path("tls.ca"), path("tls.cert"), path("tls.key"));
    Some(TlsFiles { ca: ca?, cert: cert?, key: key? })
}

/// The first line of a file that holds a secret; `what` it is.
fn secret(source: &mut SettingsFile<'_>, name: &str, what: &str) -> Option<Secret> {
    let path = source.path(name)?;
    let read = secret_file(&path).and_then(|text| {
        let line = text.lines().next().filter(|line| !line.is_empty());
        line.map(|line| Secret::new(line.to_owned())).ok_or_else(|| {
            format!("{} contains no {what}: write it on the first line", path.display())
        })
    });
    read.map_err(|what| source.problem(name, what)).ok()
}

/// The token that requests to the admin port must show.
fn token(source: &mut SettingsFile<'_>) -> Option<Secret> {
    const NAME: &str = "admin.token_file";
    let token = secret(source, NAME, "token")?;
    let printable = token.bytes().all(|letter| letter.is_ascii_graphic());
    if token.len() < TOKEN_BYTES_MIN || !printable {
        let what = format!(
            "the token must be {TOKEN_BYTES_MIN} or more letters and digits, such as \
             `openssl rand -hex 32` prints"
        );
        source.problem(NAME, what);
        return None;
    }
    Some(token)
}

/// A token that is shorter could be guessed.
const TOKEN_BYTES_MIN: usize = 16;
