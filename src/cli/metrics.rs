//! `taraflow metrics`: what goes with the figures that each node gives Prometheus.

use std::io::{self, Write};

use clap::{Args, Subcommand};

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
    what: What,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum What {
    /// Print alert rules for Prometheus
    Alerts,
    /// Print a dashboard for Grafana
    Dashboard,
}

/// Prints it.
///
/// # Errors
/// What standard output says.
pub fn run(args: &MetricsArgs) -> io::Result<()> {
    let text = match args.what {
        What::Alerts => ALERTS,
        What::Dashboard => DASHBOARD,
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
