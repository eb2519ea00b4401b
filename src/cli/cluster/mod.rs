//! `taraflow cluster`: all replicas of a cluster on this machine.

mod init;
mod logs;
mod up;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::config::assignment;
use super::status;
use crate::error::Error;
use crate::setup::Plan;
use crate::supervisor;

/// What `taraflow cluster` is told.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the files of a new cluster: settings, keys, a directory for each replica
    #[command(after_help = "\
Replica I serves Redis clients on the base port + I, the other replicas 100 above that, and questions \
200 above. To move a replica to another machine, copy its directory, cluster.toml and ca.pem, laid out \
as they are, and edit the addresses in cluster.toml on all machines.")]
    Init {
        #[command(flatten)]
        wishes: Wishes,
        /// Print what would be made, and make nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Run all replicas until Ctrl-C, and start again those that die; makes the cluster if there is none
    #[command(after_help = "\
Ctrl-C or SIGTERM ends all replicas in order; a second one kills them. However this process ends, the \
replicas end with it. What replica I logs is in DIR/replica-I/log.")]
    Up {
        #[command(flatten)]
        wishes: Wishes,
        /// Any setting of node.toml, for all replicas as long as this runs, as in `--set observe=full`
        #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
        set: Vec<(String, String)>,
    },
    /// Show how the replicas are, as `taraflow status` does
    Status {
        /// The cluster's directory
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        #[command(flatten)]
        manner: status::Manner,
    },
    /// End what `taraflow cluster up` runs, and wait for it
    Down {
        /// The cluster's directory
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// How long to wait, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        timeout: u64,
    },
}

/// What a cluster should be like. What is not said is as the cluster is, or as is usual.
#[derive(Debug, Args)]
struct Wishes {
    /// The cluster's directory
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How many replicas: an odd number from 3 [default: 3]
    #[arg(long, value_name = "N")]
    replicas: Option<usize>,
    /// The port of replica 0's clients; the others are above it [default: 7000]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Keep nothing: a replica that ends must not return
    #[arg(long)]
    memory: bool,
    /// No keys: everybody on this machine is trusted
    #[arg(long)]
    plain: bool,
}

impl Wishes {
    fn plan(&self) -> Plan {
        Plan {
            directory: self.dir.clone(),
            replicas: self.replicas.unwrap_or(3),
            base_port: self.base_port.unwrap_or(7000),
            memory: self.memory,
            plain: self.plain,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What it could not do.
pub fn run(args: &ClusterArgs) -> Result<(), Error> {
    match &args.command {
        Command::Init { wishes, dry_run } => {
            init::run(&wishes.plan(), *dry_run)?;
            if !dry_run {
                eprintln!("next: taraflow cluster up --dir {}", wishes.dir.display());
            }
            Ok(())
        }
        Command::Up { wishes, set } => up::run(wishes, set),
        Command::Status { dir, manner } => status::run_in(dir, manner),
        Command::Down { dir, timeout } => {
            match supervisor::stop(dir, Duration::from_secs(*timeout))? {
                Some(pid) => eprintln!("process {pid} and its replicas have ended"),
                None => eprintln!("nothing runs in {}", dir.display()),
            }
            Ok(())
        }
    }
}
