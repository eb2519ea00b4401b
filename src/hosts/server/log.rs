//! Log lines for what happens in a replica.

use crate::model::events::{Event, Suspicion};

/// Logs what an operator wants to read later.
pub(super) fn event(event: &Event) {
    match event {
        Event::Suspected { view, of: _, why: Suspicion::Late { source, waited_ms } } => {
            let (view, source) = (view.0, source.0);
            tracing::warn!(
                view,
                source,
                waited_ms,
                "suspects the leader: requests have waited too long"
            );
        }
        Event::Suspected { view, of: _, why: Suspicion::Silent { silent_ms } } => {
            tracing::warn!(view = view.0, silent_ms, "suspects the leader: nothing is heard of it");
        }
        Event::Suspected { view, of: _, why: Suspicion::Unanswered { silent_ms } } => {
            tracing::warn!(
                view = view.0,
                silent_ms,
                "suspects the leader: no quorum has answered it"
            );
        }
        Event::Suspected { view, of: _, why: Suspicion::Resigns } => {
            tracing::info!(view = view.0, "hands leadership over, because it is stopping");
        }
        Event::EnteredView { view, .. } => tracing::info!(view = view.0, "entered view"),
        Event::Started { view, .. } => tracing::info!(view = view.0, "started in view"),
        Event::Leads { view, .. } => tracing::info!(view = view.0, "leads the view"),
        Event::Installed { slot } => {
            tracing::info!(slot = slot.0, "installed a checkpoint of another replica")
        }
        Event::Diverged { slot, replica } => {
            tracing::error!(
                slot = slot.0,
                peer = replica.0,
                "its state differs from this replica's"
            );
        }
        _ => {}
    }
}
