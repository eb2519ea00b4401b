//! `node.toml`: the settings of one node.

use std::cmp::Ordering;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cluster::ClusterSettings;
use super::limits::LIMITS;
use super::secret::{Secret, secret_file};
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

/// The security of the links between replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LinkSecurity {
    /// Encrypted, and both ends prove who they are.
    Tls,
    /// Neither encrypted nor authenticated.
    Plain,
}

impl fmt::Display for LinkSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Tls { "tls" } else { "plain" })
    }
}

impl SettingValue for LinkSecurity {
    const WANTED: &'static str = "\"tls\" or \"plain\"";
}

/// The lowest level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
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
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

impl SettingValue for LogLevel {
    const WANTED: &'static str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Basic => "basic",
            Self::Full => "full",
            Self::All => "all",
        })
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
        None => (None, Vec::new(), Problems::default()),
    };
    let mine = cluster.as_ref().and_then(|cluster| member(&mut source, id?, cluster));
    let mut node = NodeFile::read(&mut source, mine);
    if let Some(cluster) = &cluster {
        check_exposure(&mut source, cluster, &node);
    }
    if let (Some(id), Some(tls)) = (id, &node.tls) {
        check_keys(&mut source, ReplicaId(id), tls);
    }
    let limits: Vec<_> = LIMITS.iter().map(|limit| limit.name).collect();
    let (mut found, mut problems) =
        source.finish(&limits, "cluster.toml, which is the same on all nodes");
    found.extend(of_cluster);
    problems.0.extend(wrong_in_cluster.0);
    if let (Some(unknown), true) = (node.unknown.take(), problems.0.is_empty()) {
        return Err(unknown);
    }
    match (id, cluster, node.listen) {
        (Some(id), Some(cluster), Some(listen)) if problems.0.is_empty() => {
            Ok((node.settings(ReplicaId(id), listen, cluster), found))
        }
        _ => Err(Error::Settings(problems)),
    }
}

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

/// The settings of the file and of what overrides it.
pub(super) struct NodeFile {
    data: Option<PathBuf>,
    gather_bytes_max: usize,
    clients_max: usize,
    redis: bool,
    log: LogLevel,
    observe: Level,
    pub listen: Option<Addresses>,
    /// The own name that means nothing here, though it is where to listen.
    unknown: Option<Error>,
    pub transport: LinkSecurity,
    pub tls: Option<TlsFiles>,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
}

impl NodeFile {
    const CLIENTS_MAX: usize = 8_000;

    fn read(source: &mut SettingsFile<'_>, mine: Option<ReplicaEndpoints>) -> Self {
        let transport = source.or("links", LinkSecurity::Tls);
        let gather_bytes_max = Config::new(ReplicaId(0), 3).gather_bytes_max;
        let (listen, unknown) = listen(source, mine);
        Self {
            data: data(source),
            listen,
            unknown,
            transport,
            tls: tls(source, transport),
            password: secret(source, "clients.password_file", "password"),
            token: token(source),
            gather_bytes_max: source.within(
                "limits.gather_bytes_max",
                gather_bytes_max,
                64 << 10..=16 << 30,
            ),
            clients_max: source.within("limits.clients_max", Self::CLIENTS_MAX, 1..=1_000_000),
            redis: source.or("clients.redis", true),
            log: source.or("log.level", LogLevel::Info),
            observe: source.or("observe", Level::default()),
        }
    }

    fn settings(self, me: ReplicaId, listen: Addresses, cluster: ClusterSettings) -> NodeSettings {
        let each =
            |of: fn(&ReplicaEndpoints) -> Endpoint| cluster.replicas.iter().map(of).collect();
        NodeSettings {
            shared: cluster.shared(),
            peers: each(|replica| replica.links.clone()),
            clients_of: each(|replica| replica.clients.clone()),
            admins: each(|replica| replica.admin.clone()),
            config: Config { me, gather_bytes_max: self.gather_bytes_max, ..cluster.config },
            protocol: cluster.protocol,
            cluster: cluster.id,
            data: self.data,
            listen,
            tls: self.tls,
            password: self.password,
            token: self.token,
            clients_max: self.clients_max,
            redis: self.redis,
            log: self.log,
            observe: self.observe,
        }
    }
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

/// Notes each address that would be open to more than it should be. A replica takes what reaches
/// its links for its peers' word, and what reaches its clients' port for commands, so nothing that
/// other machines can reach is open by accident.
fn check_exposure(source: &mut SettingsFile<'_>, cluster: &ClusterSettings, node: &NodeFile) {
    let Some(listen) = node.listen else { return };
    if node.transport == LinkSecurity::Plain {
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
    if !listen.clients.ip().is_loopback() && node.password.is_none() {
        let what = format!(
            "the clients' port {} is reachable from other machines and has no password: set \
             clients.password_file",
            listen.clients
        );
        source.problem("listen.clients", what);
    }
    if !listen.admin.ip().is_loopback() && node.token.is_none() {
        let what = format!(
            "the admin port {} is reachable from other machines and has no authentication: set \
             admin.token_file, or listen.admin to a loopback address, like 127.0.0.1:{}",
            listen.admin,
            listen.admin.port()
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

/// Where to listen: where others reach this node, unless it is told otherwise; and why that is not
/// known.
fn listen(
    source: &mut SettingsFile<'_>,
    mine: Option<ReplicaEndpoints>,
) -> (Option<Addresses>, Option<Error>) {
    let mut unknown = None;
    let mut address = |name: &'static str, of: fn(&ReplicaEndpoints) -> &Endpoint| {
        if source.is_said(name) {
            return source.optional(name);
        }
        let endpoint = of(mine.as_ref()?);
        match endpoint.look_up() {
            Ok(address) => Some(source.or(name, address)),
            Err(source) => {
                let endpoint = endpoint.to_string();
                unknown = Some(Error::Lookup { endpoint, setting: name, source });
                None
            }
        }
    };
    let links = address("listen.links", |mine| &mine.links);
    let clients = address("listen.clients", |mine| &mine.clients);
    let admin = address("listen.admin", |mine| &mine.admin);
    let all = || Some(Addresses { links: links?, clients: clients?, admin: admin? });
    (all(), unknown)
}

/// The keys of the links, all of them or none.
fn tls(source: &mut SettingsFile<'_>, transport: LinkSecurity) -> Option<TlsFiles> {
    let mut path = |name| {
        let path = source.path(name);
        if transport == LinkSecurity::Plain {
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
        let read = if name == "tls.key" { secret_file(&path) } else { public_file(&path) };
        match read {
            Ok(_) => Some(path),
            Err(what) => {
                source.problem(name, what);
                None
            }
        }
    };
    let (ca, cert, key) = (path("tls.ca"), path("tls.cert"), path("tls.key"));
    Some(TlsFiles { ca: ca?, cert: cert?, key: key? })
}

fn public_file(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The first line of a file that holds a secret; `what` it is.
fn secret(source: &mut SettingsFile<'_>, name: &str, what: &str) -> Option<Secret> {
    let path = source.path(name)?;
    match secret_file(&path) {
        Ok(text) => match text.lines().next().filter(|line| !line.is_empty()) {
            Some(line) => return Some(Secret::new(line.to_owned())),
            None => source.problem(
                name,
                format!("{} contains no {what}: write it on the first line", path.display()),
            ),
        },
        Err(what) => source.problem(name, what),
    }
    None
}

/// What whoever asks the admin port must show.
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
