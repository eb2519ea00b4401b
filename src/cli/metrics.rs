//! `taraflow metrics`: what goes with the figures that each node gives Prometheus.

use clap::{Args, Subcommand};

use super::output::print;
use crate::model::error::Error;

/// Alert rules, for Prometheus.
pub const ALERTS: &str = include_str!("../web/admin/prometheus/alerts.yml");
/// A dashboard, for Grafana.
pub const DASHBOARD: &str = include_str!("../web/admin/prometheus/dashboard.json");

/// What `taraflow metrics` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
The figures themselves are at /metrics of each node's admin port. Examples:\n  \
taraflow metrics alerts > /etc/prometheus/taraflow.yml\n  \
taraflow metrics dashboard > taraflow.json")]
pub struct MetricsArgs {
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
pub fn run(args: &MetricsArgs) -> Result<(), Error> {
    print(match args.file {
        File::Alerts => ALERTS,
        File::Dashboard => DASHBOARD,
    })
}
