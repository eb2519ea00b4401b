//! `taraflow doctor`: what is wrong with a cluster, and why.

use std::io::{self, Write};

use clap::Args;

use super::inspect::sources::Place;
use super::inspect::{findings, words};
use super::log::{Form, quietly, write_json};
use crate::error::Error;
use crate::observe::findings::Severity;
use crate::observe::scene::Scene;

/// What `taraflow doctor` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
With --dir each replica is asked for itself. With --addr those at the addresses, one is enough, are asked \
what they know of all. What is wrong is told in words, the worst first, each with its reasons. Exit codes: 0 \
nothing is wrong; 2 usage; 3 nobody answers; 4 requests are not answered; 5 they are, and something must be \
looked at; 7 replicas contradict each other, or the trace is damaged.")]
pub struct DoctorArgs {
    #[command(flatten)]
    place: Place,
    /// The form of the answer: words, or the findings as JSON
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Looks, and says what is wrong.
///
/// # Errors
/// [`Error::Integrity`], [`Error::Down`] or [`Error::Ails`], once all of it has been printed; as
/// `taraflow inspect` if there is nobody to look at.
pub fn run(args: &DoctorArgs) -> Result<(), Error> {
    let scene = args.place.source()?.scene(args.place.patience())?;
    let mut out = io::stdout().lock();
    quietly(match args.output {
        Form::Json => write_json(&mut out, &scene.findings),
        Form::Table => write!(out, "{}", text(&scene)).map_err(Error::from),
    })?;
    outcome(&scene)
}

fn text(scene: &Scene) -> String {
    match &scene.findings[..] {
        [] => words::all_is_well(scene) + "\n",
        wrong => findings(wrong),
    }
}

/// What the process should end with.
fn outcome(scene: &Scene) -> Result<(), Error> {
    let worst = scene.findings.iter().min_by_key(|finding| finding.severity);
    let Some(worst) = worst else { return Ok(()) };
    let what = worst.text.clone();
    Err(match worst.severity {
        Severity::Fatal => Error::Integrity(format!("the replicas contradict each other: {what}")),
        Severity::Down => Error::Down { what },
        Severity::Degraded => Error::Ails { what },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        let code = |severities: &[Severity]| {
            let mut scene = example::scene();
            let finding = scene.findings.remove(0);
            for severity in severities {
                scene.findings.push(crate::observe::findings::Finding {
                    severity: *severity,
                    ..finding.clone()
                });
            }
            outcome(&scene).map_or_else(|error| error.exit_code(), |()| 0)
        };

        assert_eq!(code(&[]), 0);
        assert_eq!(code(&[Severity::Degraded]), 5);
        assert_eq!(code(&[Severity::Degraded, Severity::Down]), 4);
        assert_eq!(code(&[Severity::Down, Severity::Fatal, Severity::Degraded]), 7);
    }

    #[test]
    fn a_healthy_cluster_is_said_to_be_one() {
        let mut scene = example::scene();
        scene.findings.clear();

        assert_eq!(
            text(&scene),
            "nothing is wrong: 3 replicas, replica 0 leads view 4, slot 2000\n"
        );
    }
}
