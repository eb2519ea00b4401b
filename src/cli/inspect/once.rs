//! A scene as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use super::listings;
use crate::cli::outcome::Failure;
use crate::cli::output::listing::{Listing, page_width};
use crate::cli::output::words;
use crate::deploy::settings::nearest;
use crate::observe::findings::Finding;
use crate::observe::frame::Frame;
use crate::observe::scene::Scene;

/// The replicas, what is wrong, and for each replica its operators and why it does not go on.
pub(super) fn text(scene: &Scene, all: bool) -> String {
    let mut text = listings::replicas(scene).text();
    text += &silences(scene);
    text += &findings(&scene.findings);
    text += &memory(scene);
    for frame in scene.replicas.iter().filter_map(|seen| seen.frame.as_deref()) {
        let replica = frame.status.replica;
        let timed = frame.operators.iter().any(|operator| operator.busy_us > 0);
        let order = if timed { ", the busiest first" } else { "" };
        let _ = writeln!(text, "\nreplica {replica}: its operators{order}");
        text += &listings::operators(frame, None, all).text();
        text += &blame(frame);
    }
    text
}

/// Why replicas are silent; those for the same reason share a line.
pub(super) fn silences(scene: &Scene) -> String {
    let mut whose: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in &scene.replicas {
        if let Some(silence) = seen.silence_since() {
            whose.entry(silence).or_default().push(seen.replica.to_string());
        }
    }
    let line = |(silence, replicas): (String, Vec<String>)| {
        let s = if replicas.len() == 1 { "" } else { "s" };
        format!("replica{s} {}: {silence}\n", replicas.join(", "))
    };
    whose.into_iter().map(line).collect()
}

/// What holds the memory of each replica that shows itself, and the checkpoint on its way there.
pub(super) fn memory(scene: &Scene) -> String {
    let mut text = String::new();
    for status in frames(scene).map(|frame| &frame.status) {
        let (replica, held) = (status.replica, words::memory(&status.memory));
        if !held.is_empty() {
            let _ = writeln!(text, "replica {replica}: in memory: {held}");
        }
        if let Some(saving) = status.saving() {
            let (verb, slot) = (if saving.fetched { "fetches" } else { "saves" }, saving.slot);
            let far = words::saving(saving);
            let _ = writeln!(
                text,
                "replica {replica}: {verb} the checkpoint before slot {slot}: {far}"
            );
        }
    }
    text
}

/// Each finding with its reasons, each reason below what it is the reason of.
pub(in crate::cli) fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(text, "{}: {}", words::severity(finding.severity), finding.text);
        for (depth, reason) in finding.because.iter().enumerate() {
            let _ = writeln!(text, "{:depth$}because {reason}", "", depth = 2 * depth + 2);
        }
    }
    text
}

/// Why the application of a replica does not go on.
pub(super) fn blame(frame: &Frame) -> String {
    let replica = frame.status.replica;
    let mut text = String::new();
    for (depth, link) in frame.blame.iter().enumerate() {
        let because =
            if depth == 0 { format!("replica {replica}: ") } else { "because ".to_owned() };
        let _ = writeln!(text, "{:depth$}{because}{}", "", link.text, depth = 2 * depth);
    }
    if text.is_empty() {
        let _ = writeln!(text, "replica {replica}: nothing waits");
    }
    text
}

/// One operator, on all replicas side by side; under each of its addresses, as timely's own share names.
pub(super) fn operator(scene: &Scene, name: &str) -> String {
    let operators = || frames(scene).flat_map(|frame| &frame.operators);
    let addresses: BTreeSet<_> = operators().map(|operator| &operator.address).collect();
    let listings: Vec<_> =
        addresses.into_iter().map(|address| listings::details(scene, name, address)).collect();
    let mut text = listings.iter().map(Listing::text).collect::<Vec<_>>().join("\n");
    let left_out = listings.iter().map(|listing| listing.left_out(page_width())).max().unwrap_or(0);
    if left_out > 0 {
        let s = if left_out == 1 { "" } else { "s" };
        let _ = writeln!(
            text,
            "the terminal is too narrow for the last {left_out} replica{s}: `--replica NUMBER` shows one"
        );
    }
    for frame in frames(scene) {
        let replica = frame.status.replica;
        let inputs = frame.operators.iter().filter(|operator| operator.name == name);
        for input in inputs.flat_map(|operator| &operator.inputs) {
            let _ = writeln!(text, "replica {replica}: {}", words::input(input));
        }
        for link in frame.blame.iter().filter(|link| link.operator == name) {
            let _ = writeln!(text, "replica {replica}: {}", link.text);
        }
    }
    text
}

/// Leaves of a scene what is about the operator called `name`.
///
/// # Errors
/// [`Failure::Usage`] if there is none.
pub(super) fn only(scene: &mut Scene, name: &str) -> Result<(), Failure> {
    let names: BTreeSet<_> =
        frames(scene).flat_map(|frame| frame.operators.iter().map(|it| it.name.clone())).collect();
    if !names.contains(name) {
        let names: Vec<_> = names.into_iter().collect();
        let meant = nearest(name, &names);
        let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
        let names = names.join(", ");
        return Err(Failure::Usage(format!(
            "there is no operator `{name}`{meant} There is {names}"
        )));
    }
    for frame in scene.replicas.iter_mut().filter_map(|seen| seen.frame.as_mut()) {
        let frame = Arc::make_mut(frame);
        frame.operators.retain(|operator| operator.name == name);
        frame.channels.retain(|channel| channel.from == name || channel.to == name);
        frame.holdings.retain(|holding| holding.role == name);
    }
    Ok(())
}

fn frames(scene: &Scene) -> impl Iterator<Item = &Frame> {
    scene.replicas.iter().filter_map(|seen| seen.frame.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;
    use crate::model::types::Slot;
    use crate::observe::saving::SavingStatus;
    use crate::observe::status::DiskStatus;

    #[test]
    fn blame_goes_from_the_application_to_what_holds_it() {
        assert_eq!(
            blame(&example::frame(1)),
            "replica 1: executor waits for release\n  because learner holds slot \
             2000: it lacks the vote of replica 2\n"
        );
        let frame = Frame { blame: Vec::new(), ..example::frame(1) };
        assert_eq!(blame(&frame), "replica 1: nothing waits\n");
    }

    #[test]
    fn all_of_a_scene_is_told_in_words() {
        let text = text(&example::scene(), false);

        assert!(
            text.contains("\nreplica 2: no answer within 400ms; last seen 3.2 s ago\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "\ndegraded: replica 2 is away\n  because it has not answered for 3.2 s\n    \
                 because nobody hears it\n"
            ),
            "{text}"
        );
        assert_eq!(text.matches("its operators, the busiest first").count(), 3);
        assert!(!text.contains("Map"), "{text}");
    }

    #[test]
    fn what_holds_memory_and_a_checkpoint_on_its_way_have_a_line_a_replica() {
        let mut scene = example::scene();
        assert_eq!(memory(&scene), "", "nothing is told where nothing is known");
        let status = &mut Arc::make_mut(scene.replicas[1].frame.as_mut().unwrap()).status;
        (status.memory.state_bytes, status.memory.copied_bytes) = (Some(2 << 20), 4 << 10);
        let saving = SavingStatus { slot: Slot(9), parts_done: 1, parts: 4, ..Default::default() };
        status.disk = Some(DiskStatus { saving: Some(saving), ..DiskStatus::default() });

        assert_eq!(
            memory(&scene),
            "replica 1: in memory: state 2.0 MiB, copies for the checkpoint 4.0 KiB\nreplica 1: saves \
             the checkpoint before slot 9: 25 %: 1 of 4 parts, 0 B, for 0 us\n"
        );
    }

    #[test]
    fn an_unknown_operator_is_answered_with_those_there_are() {
        let error = only(&mut example::scene(), "lerner").unwrap_err();

        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            "there is no operator `lerner`; did you mean `learner`? There is Map, clock, executor, \
             learner"
        );
    }

    #[test]
    fn of_one_operator_nothing_else_is_told() {
        let mut scene = example::scene();
        only(&mut scene, "learner").unwrap();

        let text = operator(&scene, "learner");

        assert!(text.contains("committer => learner (Commit)"), "{text}");
        assert!(!text.contains("executor"), "{text}");
        assert!(
            text.ends_with("replica 2: learner holds slot 2000: it lacks the vote of replica 2\n")
        );
    }
}
