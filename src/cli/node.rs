//! `taraflow node`: one replica as a process.

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::SIGTERM;
use tracing_subscriber::filter::LevelFilter;

use super::config::NodeArgs;
use super::told_to_end;
use crate::admin::{Admin, Shown};
use crate::app::kv::KeyValue;
use crate::dataflows;
use crate::error::Error;
use crate::observe::board::Board;
use crate::observe::status::Bounds;
use crate::settings::{LogLevel, NodeSettings};

/// What `taraflow node` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Logs go to standard error: for people on a terminal, else as JSON, an object a line. SIGTERM and SIGINT \
end the replica in order. Exit codes: 2 the settings cannot be used; 7 the files are damaged; 8 the disk \
has failed.")]
pub struct RunArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// End when standard input closes, as it does when a supervisor ends
    #[arg(long, hide = true)]
    while_stdin_is_open: bool,
}

/// Runs a replica until it is told to end.
///
/// # Errors
/// Why it cannot start, or why it has ended.
pub fn run(args: &RunArgs) -> Result<(), Error> {
    let (mut settings, _) = args.node.read()?;
    log_to_stderr(settings.log);
    settings.clients_max = allow_clients(settings.clients_max);
    if args.while_stdin_is_open {
        end_with_stdin()?;
    }
    serve(&settings)
}

/// Asks the system for as many open files as it gives, and answers how many clients fit on each port. A
/// replica that has none left for its journal would have to stop.
fn allow_clients(wanted: usize) -> usize {
    /// For the journal, checkpoints, other replicas, and those who have yet to say who they are.
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

fn serve(settings: &NodeSettings) -> Result<(), Error> {
    let ending = told_to_end()?;
    let boards: Vec<Board> = (0..settings.config.n).map(|_| Board::default()).collect();
    // It answers while the disk is read, which may take long.
    Admin::bind(settings.listen.admin)?.start(Shown {
        config: settings.config.clone(),
        boards: boards.clone(),
        bounds: Bounds::of(settings),
        orders: None,
    })?;
    let application = Box::new(KeyValue::default());
    let served = dataflows::serve(settings, application, boards, ending);
    served.unwrap_or_else(|| Err(Error::no_protocol(&settings.protocol)))
}

fn log_to_stderr(level: LogLevel) {
    let filter = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let terminal = io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_max_level(filter).with_writer(io::stderr);
    if terminal { logs.init() } else { logs.json().flatten_event(true).init() }
}

/// Ends this process when nobody holds the other end of its standard input any more: first in order,
/// as a signal does, then at once.
fn end_with_stdin() -> Result<(), Error> {
    const GRACE: Duration = Duration::from_secs(10);
    let watch = || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1)) {}
        tracing::warn!("the supervisor has ended, so this replica does");
        let _ = signal_hook::low_level::raise(SIGTERM);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    };
    std::thread::Builder::new().name("supervisor".to_owned()).spawn(watch)?;
    Ok(())
}
