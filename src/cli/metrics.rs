//! `taraflow metrics`: alert rules and a dashboard for the figures of each node.

use clap::{Args, Subcommand};

use super::output::print;
use crate::cli::outcome::Failure;
use crate::web::admin::{ALERTS, DASHBOARD};

/// Arguments of `taraflow metrics`.
#[derive(Debug, Args)]
#[command(after_help = "\
The figures themselves are at /metrics of each node's admin port. Examples:\n  \
taraflow metrics alerts > /etc/prometheus/taraflow.yml\n  \
taraflow metrics dashboard > taraflow.json")]
pub(super) struct MetricsArgs {
    #[command(subcommand)]
    file: File,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum File {
    /// Print alert rules for Prometheus
    Alerts,
    /// Print a dashboard for Grafana
    Dashboard,
}

/// Prints it.
///
/// # Errors
/// What standard output says.
pub(super) fn run(args: &MetricsArgs) -> Result<(), Failure> {
    print(match args.file {
        File::Alerts => ALERTS,
        File::Dashboard => DASHBOARD,
    })
}
