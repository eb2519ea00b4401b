//! Events in words.

use super::frame::Happened;
use crate::model::events::{Event, Suspicion};
use crate::model::types::{Slot, View};

impl Happened {
    /// An event as it is told, if it is worth telling: slots and repeated requests are only
    /// counted.
    #[must_use]
    pub fn of(event: &Event, at_us: u64) -> Option<Self> {
        let told = |kind: &str, view: Option<View>, slot: Option<Slot>, text: String| {
            Some(Self { at_us, kind: kind.to_owned(), view, slot, text })
        };
        match event {
            Event::Executed { .. }
            | Event::Duplicates { .. }
            | Event::Digest { .. }
            | Event::Saved { .. }
            | Event::Holds(_) => None,
            Event::Suspected { of, view, why } => {
                let (kind, text) = match why {
                    Suspicion::Late { source, waited_ms } => {
                        let what = format!(
                            "suspects the leader of view {of}: nothing that replica {source} \
                             asked for was executed for {waited_ms} ms"
                        );
                        ("suspected", what)
                    }
                    Suspicion::Silent { silent_ms } => {
                        let what = format!(
                            "suspects the leader of view {of}: nothing was heard of it for \
                             {silent_ms} ms"
                        );
                        ("suspected", what)
                    }
                    Suspicion::Resigns => {
                        let what = format!("resigns as the leader of view {of}: it is to end");
                        ("resigned", what)
                    }
                };
                told(kind, Some(*view), None, text)
            }
            Event::EnteredView { view, .. } => {
                told("entered_view", Some(*view), None, format!("entered view {view}"))
            }
            Event::Started { view, .. } => {
                told("started", Some(*view), None, format!("started in view {view}"))
            }
            Event::Leads { view, base, recovered } => {
                let slots = if *recovered == 1 { "slot" } else { "slots" };
                let text = format!(
                    "leads view {view} from slot {base}, with {recovered} {slots} left behind by \
                     earlier views"
                );
                told("leads", Some(*view), Some(*base), text)
            }
            Event::Checkpointed { slot } => {
                let text = format!("cut a checkpoint of all slots below {slot}");
                told("checkpointed", None, Some(*slot), text)
            }
            Event::Stable { slot } => {
                let text = format!("knows the checkpoint before slot {slot} to be stable");
                told("stable", None, Some(*slot), text)
            }
            Event::Installed { slot } => {
                let text =
                    format!("took over another replica's checkpoint of all slots below {slot}");
                told("installed", None, Some(*slot), text)
            }
            Event::Diverged { slot, replica } => {
                let text = format!("sees another state before slot {slot} in replica {replica}");
                told("diverged", None, Some(*slot), text)
            }
        }
    }
}
