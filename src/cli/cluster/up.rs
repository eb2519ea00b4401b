//! `taraflow cluster up`: all replicas as processes, under a supervisor.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{PlanArgs, logs};
use crate::cli::ask::last_line;
use crate::cli::config::flags;
use crate::cli::outcome::Failure;
use crate::cli::program::{Program, named};
use crate::dataflows;
use crate::deploy::settings::{
    self, Addresses, ClusterSettings, DIRECTORY, Layers, NodeSettings, PREFIX,
};
use crate::deploy::setup::replica_home;
use crate::deploy::supervisor::{PID, Supervisor, TROUBLE, lock, signals};
use crate::disk::Files;
use crate::model::error::{Error, in_shell};
use crate::model::types::ReplicaId;

/// Runs the cluster, made first if there is none, with further settings for all its replicas.
pub(super) fn run(
    wishes: &PlanArgs,
    set: &[(String, String)],
    program: &Program,
) -> Result<(), Failure> {
    let directory = &wishes.directory();
    warn_of_environment();
    if !directory.join("cluster.toml").exists() {
        let plan = wishes.plan()?;
        plan.check()?;
        let replicas = 0..plan.replicas;
        check_ports(replicas.map(|each| (ReplicaId(each as u16), plan.addresses(each))))?;
        super::make(&plan, false)?;
    }
    let _lock = lock(directory)?;
    let (n, nodes) = read(directory, set)?;
    agree(wishes, n, &nodes)?;
    check_ports(nodes.iter().map(|node| (node.config.me, node.listen)))
        .map_err(|error| nodes.iter().find_map(runs_already).map_or(error, Failure::from))?;
    // Before the first child, or its end could be missed.
    let signals = signals()?;
    say_hello(directory, n, &nodes, program.redis);
    let program = std::env::current_exe()?;
    let home = |index| directory.join(replica_home(index));
    logs::keep_short((0..n).map(home).collect())?;
    Supervisor {
        command: Box::new(|index| command(&program, &home(index), set)),
        last_words: Box::new(|index| last_line(&home(index).join(logs::NAME))),
        // That nobody reads it, as when its terminal is gone, must not end a cluster.
        tell: Box::new(|line| drop(writeln!(io::stderr(), "{}", named(line)))),
        // Where it cannot be written, the terminal has it.
        keep: Box::new(|index, what| drop(keep(&home(index).join(TROUBLE), what))),
        note_pid: Box::new(|index, pid| {
            let Some(pid) = pid else { return drop(keep(&home(index).join(PID), None)) };
            if let Err(error) = keep(&home(index).join(PID), Some(&pid.to_string())) {
                say!("replica {index} is process {pid}, which cannot be noted in its file {PID}: {error}");
            }
        }),
        durable: nodes.iter().all(|node| node.data.is_some()),
    }
    .run(n, &signals)?;
    Ok(())
}

/// Writes a line into a file, or takes the file away, which is not left without its line.
fn keep(path: &Path, line: Option<&str>) -> io::Result<()> {
    let Some(line) = line else { return fs::remove_file(path) };
    fs::write(path, format!("{line}\n")).inspect_err(|_| drop(fs::remove_file(path)))
}

/// Names variables that a replica would read and that are ignored here.
fn warn_of_environment() {
    for (name, value) in std::env::vars() {
        if name.starts_with(PREFIX) && name != DIRECTORY {
            let value = value.escape_debug();
            say!(
                "taraflow: {name}={value} is ignored: `cluster up` takes --set NAME=VALUE instead"
            );
        }
    }
}

/// How many replicas there are, and the settings of those that can use theirs. One that cannot must not keep
/// the others from serving: it reports itself what is wrong, and is not started again.
fn read(directory: &Path, set: &[(String, String)]) -> Result<(usize, Vec<NodeSettings>), Failure> {
    let cluster = ClusterSettings::read(&directory.join("cluster.toml"), dataflows::tolerance);
    let (cluster, _) = cluster.map_err(Error::Settings)?;
    let n = cluster.replicas.len();
    let (mut nodes, mut wrong) = (Vec::new(), None);
    for index in 0..n {
        let path = directory.join(replica_home(index)).join("node.toml");
        let layers = Layers { flags: flags(set), ..Layers::default() };
        match settings::read(&path, &layers, dataflows::tolerance) {
            Ok((node, _)) => nodes.push(node),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    match wrong {
        Some(error) if nodes.len() < cluster.config.quorum() => Err(error.into()),
        _ => Ok((n, nodes)),
    }
}

/// Refuses options that contradict the cluster.
fn agree(wishes: &PlanArgs, n: usize, nodes: &[NodeSettings]) -> Result<(), Failure> {
    let protocol = nodes.first().map(|node| &node.protocol);
    let first = nodes.iter().find(|node| node.config.me == ReplicaId(0));
    let port = first.map(|node| node.listen.clients.port());
    let replicas = wishes.replicas.filter(|wish| *wish != n);
    let spoken = wishes.protocol.as_ref().zip(protocol).filter(|(wish, fact)| wish != fact);
    let ports = wishes.base_port.zip(port).filter(|(wish, fact)| wish != fact);
    let memory = wishes.memory && nodes.iter().any(|node| node.data.is_some());
    let plain = wishes.plain && nodes.iter().any(|node| node.tls.is_some());
    let refused = [
        replicas.map(|wish| (format!("--replicas {wish}"), format!("has {n} replicas"))),
        spoken.map(|(wish, fact)| (format!("--protocol {wish}"), format!("speaks {fact}"))),
        ports.map(|(wish, fact)| (format!("--base-port {wish}"), format!("has base port {fact}"))),
        memory.then(|| ("--memory".to_owned(), "keeps data".to_owned())),
        plain.then(|| ("--plain".to_owned(), "has keys".to_owned())),
    ];
    let Some((wish, fact)) = refused.into_iter().flatten().next() else { return Ok(()) };
    let directory = wishes.directory();
    let directory = directory.display();
    Err(Failure::Usage(format!(
        "{wish}: the cluster in {directory} {fact}; leave the option out, or choose another --dir"
    )))
}

/// Tries each port, so that a taken one is reported once and not by each replica over and over.
fn check_ports(nodes: impl Iterator<Item = (ReplicaId, Addresses)>) -> Result<(), Failure> {
    let mut base = None;
    for (replica, node) in nodes {
        let base = *base.get_or_insert(node.clients.port());
        for (purpose, address) in node.named() {
            if let Err(source) = bind(address) {
                let instead = base.checked_add(1000).filter(|port| *port < 65_000).unwrap_or(7000);
                return Err(Failure::Port { replica, address, purpose, instead, source });
            }
        }
    }
    Ok(())
}

/// That a replica of the cluster runs already, as by `taraflow node`.
fn runs_already(node: &NodeSettings) -> Option<Error> {
    let data = node.data.as_ref()?;
    let holder = Files::holder(data)?;
    Some(Error::Locked { directory: data.display().to_string(), holder })
}

/// Binds an address. One that was just killed may still hold it: a large process takes a moment to end.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            outcome => return outcome,
        }
    }
}

fn command(program: &Path, home: &Path, set: &[(String, String)]) -> Result<Command, Error> {
    let log = logs::open(home).map_err(Error::file("open the log in", home))?;
    let mut command = Command::new(program);
    command.args(["node", "--while-stdin-is-open", "--config"]).arg(home.join("node.toml"));
    for (name, value) in set {
        command.arg("--set").arg(format!("{name}={value}"));
    }
    // Settings of this process's environment are for none of its replicas in particular.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(PREFIX) {
            command.env_remove(name);
        }
    }
    command.stdout(Stdio::null()).stderr(log);
    Ok(command)
}

fn say_hello(directory: &Path, n: usize, nodes: &[NodeSettings], redis: bool) {
    let shown = in_shell(&directory.display().to_string());
    let pid = std::process::id();
    let logs: PathBuf = directory.join("replica-*").join("log");
    if let Some(node) = nodes.first() {
        let links = if node.tls.is_some() { "encrypted" } else { "plain" };
        let kept = if node.data.is_some() { "kept on disk" } else { "in memory only" };
        let id = node.cluster;
        say!("cluster {id:016x}: {n} replicas, links {links}, data {kept}; process {pid}");
    }
    for node in nodes {
        let Addresses { links, clients, admin } = node.listen;
        let me = node.config.me;
        let clients = match redis && node.redis {
            true => format!("clients {clients}"),
            false => "no Redis clients".to_owned(),
        };
        say!("replica {me}: {clients}, links {links}, admin {admin}");
    }
    if !redis {
        say!("try:    taraflow call --dir {shown} TEXT");
    } else if let Some(node) = nodes.iter().find(|node| node.redis) {
        let port = node.listen.clients.port();
        let password = if node.password.is_some() { " -a PASSWORD" } else { "" };
        say!("try:    redis-cli -p {port}{password} set greeting hello");
    }
    say!("see:    taraflow status --dir {shown}");
    say!("logs:   {} (at most 16 MiB each, and as much in log.old)", logs.display());
    say!("end:    Ctrl-C, or taraflow cluster down --dir {shown}");
}
