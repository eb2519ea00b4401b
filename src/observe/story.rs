//! Events in words.

use super::frame::Happened;
use crate::model::events::{Event, Suspicion};

impl Happened {
    /// An event in words, if people need to know of it: slots and repeated requests are only
    /// counted.
    pub fn of(event: &Event, at_us: u64) -> Option<Self> {
        let (kind, view, slot, text) = match event {
            Event::Executed { .. }
            | Event::Duplicates { .. }
            | Event::Read { .. }
            | Event::Digest { .. }
            | Event::Saved { .. }
            | Event::Paced { .. }
            | Event::Holds(_) => return None,
            Event::Suspected { of, view, why } => {
                let (kind, text) = match why {
                    Suspicion::Late { source, waited_ms } => (
                        "suspected",
                        format!(
                            "suspects the leader of view {of}: no request of replica {source} was \
                             executed for {waited_ms} ms"
                        ),
                    ),
                    Suspicion::Silent { silent_ms } => (
                        "suspected",
                        format!(
                            "suspects the leader of view {of}: it has sent nothing for {silent_ms} ms"
                        ),
                    ),
                    Suspicion::Unanswered { silent_ms } => (
                        "suspected",
                        format!(
                            "suspects the leader of view {of}: no quorum has answered it for \
                             {silent_ms} ms"
                        ),
                    ),
                    Suspicion::Resigns => {
                        ("resigned", format!("resigns as the leader of view {of}: it is stopping"))
                    }
                };
                (kind, Some(*view), None, text)
            }
            Event::EnteredView { view, .. } => {
                ("entered_view", Some(*view), None, format!("entered view {view}"))
            }
            Event::Started { view, .. } => {
                ("started", Some(*view), None, format!("started in view {view}"))
            }
            Event::Leads { view, base, recovered } => {
                let slots = if *recovered == 1 { "slot" } else { "slots" };
                let text = format!(
                    "leads view {view} from slot {base}, with {recovered} {slots} left behind by \
                     earlier views"
                );
                ("leads", Some(*view), Some(*base), text)
            }
            Event::Checkpointed { slot } => {
                let text = format!("cut a checkpoint of all slots below {slot}");
                ("checkpointed", None, Some(*slot), text)
            }
            Event::Stable { slot } => {
                let text = format!("knows the checkpoint before slot {slot} to be stable");
                ("stable", None, Some(*slot), text)
            }
            Event::Installed { slot } => {
                let text =
                    format!("took over another replica's checkpoint of all slots below {slot}");
                ("installed", None, Some(*slot), text)
            }
            Event::Unrestored { slot, damaged } => {
                let text = format!("stops: of the checkpoint of all slots below {slot}, {damaged}");
                ("unrestored", None, Some(*slot), text)
            }
            Event::Diverged { slot, replica } => {
                let text = format!("sees another state before slot {slot} in replica {replica}");
                ("diverged", None, Some(*slot), text)
            }
        };
        Some(Self { at_us, kind: kind.to_owned(), view, slot, text })
    }
}
