//! `taraflow doctor`: the findings about a cluster, with reasons.

use clap::Args;

use super::inspect::findings;
use super::inspect::sources::SourceArgs;
use super::output::{OutputForm, print, print_json};
use crate::cli::outcome::Failure;
use crate::observe::findings::Finding;
use crate::observe::scene::Scene;

/// Arguments of `taraflow doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --dir, each replica is asked about itself. With --addr, one address is enough: the replicas there are \
asked what they know about all. The findings are printed, the worst first, each with its reasons. Exit codes: 0 nothing is wrong; 2 usage; 3 nobody answers; 4 requests are not answered; 5 they are, but \
the cluster needs attention; 7 replicas contradict each other, or the recording is damaged.")]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    place: SourceArgs,
    /// The form of the answer: words, or the findings as JSON
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
}

/// Prints the findings.
///
/// # Errors
/// [`Failure::Reported`] if something is, once all of it has been printed; as `taraflow inspect` if there is
/// nobody to look at.
pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let scene = args.place.source()?.scene_to_judge(args.place.patience());
    if let (Err(Failure::Silent { said, .. }), OutputForm::Json) = (&scene, args.output) {
        print_json(&[Finding::unreachable(said)])?;
    }
    let scene = scene?;
    match args.output {
        OutputForm::Json => print_json(&scene.findings),
        OutputForm::Text => print(&text(&scene)),
    }?;
    Failure::reported(scene.verdict.exit_code())
}

fn text(scene: &Scene) -> String {
    let mut text = match &scene.findings[..] {
        [] => scene.headline() + "\n",
        wrong => findings(wrong),
    };
    for seen in &scene.replicas {
        if let Some(why) = &seen.unasked {
            let replica = seen.replica;
            text += &format!(
                "replica {replica} could not be asked, and is judged by what the others last saw of it: {why}\n"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;
    use crate::observe::verdict::Verdict;

    #[test]
    fn a_healthy_cluster_is_said_to_be_one() {
        let mut scene = example::scene();
        scene.findings.clear();
        scene.verdict = Verdict::Healthy;

        assert_eq!(
            text(&scene),
            "healthy: nothing is wrong: 3 replicas, replica 0 leads view 4, slot 2000\n"
        );
    }

    #[test]
    fn that_a_replica_was_not_asked_itself_is_said() {
        let mut scene = example::scene();
        scene.replicas[1].unasked = Some("127.0.0.1:7201: refused".to_owned());

        let said = "\nreplica 1 could not be asked, and is judged by what the others last saw of it: 127.0.0.1:7201: refused\n";
        assert!(text(&scene).ends_with(said), "{}", text(&scene));
    }
}
