//! `taraflow cluster`: all replicas of a cluster on this machine.

mod logs;
mod up;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::args::known;
use super::args::whole;
use super::ask::TokenArgs;
use super::config::assignment;
use super::output::print;
use super::program::Program;
use super::{args, status};
use crate::cli::outcome::Failure;
use crate::dataflows;
use crate::deploy::setup::{Plan, replica_home};
use crate::deploy::supervisor;
use crate::disk::Files;
use crate::model::error::in_shell;

/// Arguments of `taraflow cluster`.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the files of a new cluster: settings, keys, a directory for each replica
    #[command(after_help = "\
Examples:
  taraflow cluster init --dir ./cluster
  taraflow cluster init --replicas 5 --base-port 9000 --dry-run

Replica I listens on the base port + I for Redis clients, 100 above that for the other replicas, and 200 \
above for admin requests. To move a replica to another machine, copy its directory, cluster.toml and ca.pem, \
laid out as they are, and edit the addresses or host names in cluster.toml on all machines. Copy client.pem \
and client-key.pem to where commands are run.")]
    Init {
        #[command(flatten)]
        wishes: PlanArgs,
        /// Print what would be made, and make nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Run all replicas until Ctrl-C, and restart those that die; make the cluster if there is none
    #[command(after_help = "\
Examples:
  taraflow cluster up                                three replicas in ./cluster
  taraflow cluster up --dir /srv/five --replicas 5 --base-port 9000
  taraflow cluster up --set observe=full --set limits.clients_max=100

A replica whose settings or data cannot be used does not keep the others from starting. Ctrl-C or SIGTERM stops \
all replicas cleanly; a second one kills them. However this process ends, the replicas end with it. \
DIR/replica-I holds the replica's log, its process number in the file pid, and, while something is wrong with \
it, the reason in the file trouble.")]
    Up {
        #[command(flatten)]
        wishes: PlanArgs,
        /// Any setting of node.toml, for all replicas while this runs, as in `--set observe=full`
        #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
        set: Vec<(String, String)>,
    },
    /// Show the state of the cluster, as `taraflow status` does
    Status {
        #[arg(long, value_name = "DIR", help = args::DIR_HELP)]
        dir: Option<PathBuf>,
        #[command(flatten)]
        token: TokenArgs,
        #[command(flatten)]
        manner: status::ShowArgs,
    },
    /// Stop what `taraflow cluster up` runs, and wait until it has ended
    #[command(after_help = "Example:\n  taraflow cluster down --dir ./cluster")]
    Down {
        #[arg(long, value_name = "DIR", help = args::DIR_HELP)]
        dir: Option<PathBuf>,
        /// How long to wait, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = whole::<u64>)]
        timeout: u64,
    },
}

/// Arguments about a cluster. Those left out are as the cluster is, or the defaults.
#[derive(Debug, Args)]
struct PlanArgs {
    #[arg(long, value_name = "DIR", help = args::DIR_HELP)]
    dir: Option<PathBuf>,
    /// How many replicas: an odd number from 3 [default: 3]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    replicas: Option<usize>,
    #[arg(long, value_name = "NAME", value_parser = known(), help = protocol_help())]
    protocol: Option<String>,
    /// The port of replica 0's clients; the others are above it [default: 7000]
    #[arg(long, value_name = "PORT", value_parser = whole::<u16>)]
    base_port: Option<u16>,
    /// Keep no data on disk; a replica that stops cannot rejoin
    #[arg(long)]
    memory: bool,
    /// No TLS between replicas (any local user can connect)
    #[arg(long)]
    plain: bool,
}

/// Help on `--protocol`.
fn protocol_help() -> String {
    let usual = dataflows::usual();
    format!("The protocol the replicas speak [default: that of the cluster, or {usual}]")
}

impl PlanArgs {
    fn directory(&self) -> PathBuf {
        args::directory(self.dir.as_deref())
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let protocol = self.protocol.as_deref().unwrap_or(dataflows::usual());
        let tolerance = dataflows::tolerance(protocol)?;
        Ok(Plan {
            directory: self.directory(),
            protocol: protocol.to_owned(),
            tolerance,
            replicas: self.replicas.unwrap_or(tolerance.smallest()),
            base_port: self.base_port.unwrap_or(7000),
            memory: self.memory,
            plain: self.plain,
        })
    }
}

/// Makes the files of a cluster, or prints which they would be.
fn make(plan: &Plan, dry_run: bool) -> Result<(), Failure> {
    let shown = plan.directory.display();
    if dry_run {
        let line = |path: PathBuf| format!("{}\n", path.display());
        return print(&plan.check()?.into_iter().map(line).collect::<String>());
    }
    plan.carry_out()?;
    say!("made a cluster of {} in {shown}", plan.replicas);
    if !plan.plain {
        say!(
            "keep {shown}/ca-key.pem safe: no replica needs it, and anybody who has it can make keys for \
             this cluster"
        );
    }
    Ok(())
}

/// The replicas of a cluster that run without a supervisor, by their homes, where these hold their data.
fn run_by_hand(directory: &Path) -> impl Iterator<Item = (String, String)> {
    let homes = (0..).map(|index| directory.join(replica_home(index)));
    homes.take_while(|home| home.exists()).filter_map(|home| {
        let holder = Files::holder(&home.join("data"))?;
        Some((home.display().to_string(), holder))
    })
}

/// Runs the command.
///
/// # Errors
/// What it could not do.
pub(super) fn run(args: &ClusterArgs, program: &Program) -> Result<(), Failure> {
    match &args.command {
        Command::Init { wishes, dry_run } => {
            make(&wishes.plan()?, *dry_run)?;
            if !dry_run {
                let dir = wishes.directory().display().to_string();
                say!("next: taraflow cluster up --dir {}", in_shell(&dir));
            }
            Ok(())
        }
        Command::Up { wishes, set } => up::run(wishes, set, program),
        Command::Status { dir, token, manner } => {
            token.show()?;
            status::run_in(&args::cluster(dir.as_deref())?, manner)
        }
        Command::Down { dir, timeout } => {
            let dir = args::cluster(dir.as_deref())?;
            match supervisor::stop(&dir, Duration::from_secs(*timeout))? {
                Some(pid) => say!("process {pid} and its replicas have ended"),
                None => say!("no `taraflow cluster up` runs the cluster in {}", dir.display()),
            }
            for (home, holder) in run_by_hand(&dir) {
                say!("{home} still runs, as {holder}: it was not started by `cluster up`");
            }
            Ok(())
        }
    }
}
