//! The program these commands belong to: its name, and the state machine that its clusters
//! replicate.
//!
//! The commands are the same for every state machine, except for a few that send Redis commands, and
//! one in their place.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use clap::Command;

use crate::cli::outcome::Failure;
use crate::hosts::embedded::Application;
use crate::model::config::Config;
use crate::model::types::ReplicaId;

/// The name under which texts are written.
const OWN: &str = "taraflow";
/// The commands that need a state machine with Redis commands, and the one for all others.
const OF_REDIS: [&str; 3] = ["demo", "kv", "submit"];
const OF_OTHERS: &str = "call";

const START: &str = "\
Start here:
  taraflow cluster up         three processes, in ./cluster, until Ctrl-C
  taraflow call TEXT          from another terminal: have the state machine apply TEXT, once
  taraflow status             who leads, and how far each replica is
  taraflow doctor             what is wrong, and why";

/// What is true of all commands of all programs.
const COMMON: &str = "\
Commands about a cluster take --dir DIR; without it the cluster is the one in TARAFLOW_DIR, or in ./cluster.

Exit codes: 0 done; 1 failed; 2 usage or settings; 3 unreachable; 4 no quorum, or requests are not \
answered; 5 serves, but needs attention (status, doctor); 6 outcome unknown; 7 integrity; 8 the disk failed; 101 a bug.";

/// A program of these commands.
pub struct Program {
    /// Makes the state machine, at each start of a replica.
    pub(super) service: Arc<Application>,
    /// Whether that has Redis commands.
    pub(super) redis: bool,
}

impl Program {
    /// A program whose clusters replicate what `service` makes.
    pub(super) fn new(service: Arc<Application>) -> Self {
        let redis = service(&Config::new(ReplicaId(0), 3)).census().is_some();
        Self { service, redis }
    }

    /// The command line, with the commands that make sense here.
    pub(super) fn commands(&self, command: Command) -> Command {
        let hidden: &[&str] = if self.redis { &[OF_OTHERS] } else { &OF_REDIS };
        let hide = |command: Command, name: &&str| {
            command.mut_subcommand(*name, |command| command.hide(true))
        };
        let mut command = hidden.iter().fold(command, hide);
        let own = command.get_after_help().map(ToString::to_string);
        let start = own.filter(|_| self.redis).unwrap_or_else(|| START.to_owned());
        command = command.after_help(format!("{start}\n\n{COMMON}"));
        if name() == OWN {
            return command;
        }
        let version = concat!("on taraflow ", env!("CARGO_PKG_VERSION"));
        let about = "A state machine, replicated with taraflow.";
        with_own_name(command.name(name()).version(version).about(about))
    }

    /// Refuses a command that makes no sense here.
    ///
    /// # Errors
    /// [`Failure::Usage`], with the command that does.
    pub(super) fn expect(&self, command: &str) -> Result<(), Failure> {
        let what = match self.redis {
            true if command == OF_OTHERS => {
                "`call` is for state machines without Redis commands, and this one has them: use \
                 `taraflow kv`"
            }
            false if OF_REDIS.contains(&command) => {
                "this command sends Redis commands, which the state machine of this program does not have: \
                 use `taraflow call`"
            }
            _ => return Ok(()),
        };
        Err(Failure::Usage(what.to_owned()))
    }
}

/// The name of this program, as it was called.
pub(super) fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    let called = || {
        let path = std::env::args_os().next()?;
        Some(Path::new(&path).file_stem()?.to_str()?.to_owned())
    };
    NAME.get_or_init(|| called().unwrap_or_else(|| OWN.to_owned()))
}

/// A text whose commands are to be given to this program.
pub(super) fn named(text: &str) -> Cow<'_, str> {
    match name() {
        OWN => Cow::Borrowed(text),
        name => Cow::Owned(text.replace("taraflow ", &format!("{name} "))),
    }
}

fn with_own_name(command: Command) -> Command {
    let help = command.get_after_help().map(|help| named(&help.to_string()).into_owned());
    let command = match help {
        Some(help) => command.after_help(help),
        None => command,
    };
    command.mut_subcommands(with_own_name)
}
