//! `taraflow node`: one replica as a process.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::LevelFilter;

use super::config::{NodeArgs, check_data};
use super::program::Program;
use super::told_to_end;
use crate::cli::outcome::Failure;
use crate::dataflows;
use crate::deploy::settings::{Found, LogLevel, NodeSettings};
use crate::model::error::Error;
use crate::model::types::ReplicaId;
use crate::observe::board::Board;
use crate::web::admin::{Admin, AdminConfig, Setting};

/// Arguments of `taraflow node`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  taraflow node --config ./cluster/replica-0/node.toml

Logs go to standard error: as text on a terminal, else as JSON, an object a line; each names its \
replica. SIGTERM and SIGINT stop the replica cleanly; SIGHUP is ignored, since settings are read only at the \
start. Exit codes: 2 the settings cannot be used; 7 the data directory is gone, empty or damaged; \
8 the disk has failed; 101 a bug: it has panicked, and its log says where.")]
pub(super) struct RunArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// End when standard input closes, as it does when a supervisor ends
    #[arg(long, hide = true)]
    while_stdin_is_open: bool,
}

/// Runs a replica until it is told to end.
///
/// # Errors
/// Why it cannot start, or why it has ended; [`Failure::Reported`] where the log says that.
pub(super) fn run(args: &RunArgs, program: &Program) -> Result<(), Failure> {
    match start(args, program) {
        Err(error) if !io::stderr().is_terminal() => {
            log_the_end(&error);
            Failure::reported(error.exit_code())
        }
        outcome => outcome,
    }
}

fn start(args: &RunArgs, program: &Program) -> Result<(), Failure> {
    let (mut settings, found) = args.node.read()?;
    log_to_stderr(settings.log, settings.config.me);
    super::panics::install();
    tracing::info!(settings = in_words(&found), "settings in force");
    ignore_hangups()?;
    settings.clients_max = allow_clients(settings.clients_max);
    if args.while_stdin_is_open {
        end_with_stdin()?;
    }
    serve(&settings, &found, program)
}

/// Asks the system for as many open files as it gives, and returns how many clients fit on each port. A
/// replica without a file left for its journal would have to stop.
fn allow_clients(wanted: usize) -> usize {
    /// For the journal, checkpoints, other replicas, and connections before their handshake.
    const OTHERS: u64 = 512;
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let files = if raised.is_ok() { limit.maximum } else { limit.current };
    let fits = files.map_or(wanted as u64, |files| files.saturating_sub(OTHERS) / 2) as usize;
    if fits < wanted {
        tracing::warn!(
            files = files.unwrap_or_default(),
            wanted,
            fits,
            "the system allows too few open files for limits.clients_max; raise `ulimit -n`"
        );
    }
    fits.min(wanted)
}

fn serve(settings: &NodeSettings, found: &[Found], program: &Program) -> Result<(), Failure> {
    let ending = told_to_end()?;
    let boards: Vec<Board> = (0..settings.config.n).map(|_| Board::default()).collect();
    let told = |found: &Found| Setting { name: found.name.clone(), value: found.value.clone() };
    boards[usize::from(settings.config.me.0)].set_starting();
    // It answers while the disk is read, which may take long.
    Admin::bind(settings.listen.admin)?.start(AdminConfig {
        config: settings.config.clone(),
        boards: boards.clone(),
        cluster: format!("{:016x}", settings.cluster),
        protocol: settings.protocol.clone(),
        token: settings.token.clone(),
        data: settings.data.clone(),
        settings: found.iter().map(told).collect(),
        graph_of: dataflows::graph,
        orders: None,
    })?;
    let protocol = dataflows::find(&settings.protocol)?;
    let service = (program.service)(&settings.config);
    let served = protocol.serve(settings, service, boards, ending);
    served.map_err(|error| in_full(error, settings))
}

/// A file of another replica is damage where it is the only one. Where all are, the settings may be wrong.
fn in_full(error: Error, settings: &NodeSettings) -> Failure {
    let (Error::Damaged { .. }, Some(data)) = (&error, &settings.data) else {
        return error.into();
    };
    match check_data(settings, data) {
        Err(foreign @ Failure::Foreign { .. }) => foreign,
        _ => error.into(),
    }
}

/// All settings on one line.
fn in_words(found: &[Found]) -> String {
    let each = found.iter().map(|found| format!("{}={}", found.name, found.value));
    each.collect::<Vec<_>>().join(" ")
}

/// A terminal that closes, or an operator who would have settings read anew, must not end a replica.
fn ignore_hangups() -> io::Result<()> {
    let watch = |mut signals: Signals| {
        for _ in signals.forever() {
            tracing::info!("SIGHUP is ignored: settings are read only at the start");
        }
    };
    let signals = Signals::new([SIGHUP])?;
    std::thread::Builder::new().name("hangups".to_owned()).spawn(move || watch(signals))?;
    Ok(())
}

fn log_to_stderr(level: LogLevel, replica: ReplicaId) {
    let filter: LevelFilter = level.to_string().parse().expect("tracing has the same levels");
    let logs = tracing_subscriber::fmt().with_max_level(filter);
    if io::stderr().is_terminal() {
        let named = move || Named { start: format!("replica {replica} "), replaced: 0 };
        logs.with_writer(named).init();
    } else {
        // In place of the brace that begins the object.
        let named = move || Named { start: format!("{{\"replica\":{replica},"), replaced: 1 };
        logs.with_writer(named).json().flatten_event(true).init();
    }
}

/// Logs as JSON why the process ends.
fn log_the_end(error: &Failure) {
    // Nobody logs yet where the settings cannot be read.
    let unnamed = || Named { start: String::new(), replaced: 0 };
    let _ = tracing_subscriber::fmt().json().flatten_event(true).with_writer(unnamed).try_init();
    tracing::error!("{error}");
}

/// Writes a line of the log, which comes whole, to standard error with the replica named first: logs of
/// several are read together.
struct Named {
    start: String,
    /// Bytes of the line that `start` stands in place of.
    replaced: usize,
}

impl Write for Named {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let rest = line.get(self.replaced..).unwrap_or_default();
        // The caller would report an error on standard error, and panic if that fails.
        let _ = io::stderr().lock().write_all(&[self.start.as_bytes(), rest].concat());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends this process when nobody holds the other end of its standard input any more: first in order,
/// as a signal does, then at once.
fn end_with_stdin() -> Result<(), Failure> {
    const GRACE: Duration = Duration::from_secs(10);
    let watch = || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1)) {}
        tracing::warn!("the supervisor has ended, so this replica stops");
        let _ = signal_hook::low_level::raise(SIGTERM);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    };
    std::thread::Builder::new().name("supervisor".to_owned()).spawn(watch)?;
    Ok(())
}
