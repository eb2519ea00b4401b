//! `taraflow node`: one replica as a process.

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use clap::Args;
use signal_hook::consts::SIGTERM;
use tracing_subscriber::filter::LevelFilter;

use super::config::NodeArgs;
use crate::error::Error;
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
    let (settings, _) = args.node.read()?;
    log_to_stderr(settings.log);
    if args.while_stdin_is_open {
        end_with_stdin()?;
    }
    serve(&settings)
}

fn serve(settings: &NodeSettings) -> Result<(), Error> {
    tracing::info!(
        replica = settings.config.me.0,
        of = settings.config.n,
        protocol = settings.protocol,
        "the settings can be used"
    );
    Err(Error::Usage("replicas cannot run as processes yet; try `taraflow demo`".to_owned()))
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
