//! Observer: announces a view that `f + 1` controllers ask for (TA-7).
//!
//! `f + 1`, so that one confused controller cannot churn views. A replica that learns that another
//! has entered a view follows at once, for then `f + 1` have asked (T7): in a cluster that is only
//! partly connected not every replica reaches `f + 1`.

use crate::engine::role::{Role, Stream};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::quorum::Watermark;
use crate::model::types::{ReplicaId, View};

use super::messages::ViewRequest;

/// Announces views to this replica's committer.
pub fn observer<'s>(
    requests: Stream<'s, (ReplicaId, ViewRequest)>,
    looks: Stream<'s, ()>,
    config: &Config,
) -> (Stream<'s, View>, Stream<'s, Event>) {
    let mut role = Role::new("observer", requests.scope(), Observer::new(config));
    let (enter, views) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event, Observer::holding);
    role.on(requests, move |observer, (from, request)| {
        enter.send(observer.on_request(from, request));
    });
    role.build();
    (views, events)
}

/// Owns the count of who asks for which view.
#[derive(Debug)]
pub struct Observer {
    wanted: Watermark<View>,
    announced: View,
}

impl Observer {
    fn new(config: &Config) -> Self {
        Self { wanted: Watermark::new(config.n, config.quorum()), announced: View(0) }
    }

    /// It waits for others to ask for what one replica asks for.
    fn holding(&self) -> Holding {
        let reached = self.wanted.reached();
        let highest = reached.iter().copied().max().unwrap_or_default();
        let all = (0..).map(ReplicaId).zip(reached);
        let (asked, missing): (Vec<_>, Vec<_>) = all.partition(|(_, view)| **view == highest);
        if highest <= self.announced {
            return Holding::nothing("observer");
        }
        let missing = missing.into_iter().map(|(replica, _)| replica).collect();
        let wait = Wait::for_word("view request", missing);
        let (held, first) = (asked.len() as u64, highest.0);
        Holding { held, first, wait, ..Holding::nothing("observer") }
    }

    fn on_request(&mut self, from: ReplicaId, request: ViewRequest) -> Option<View> {
        let wanted = self.wanted.raise(from, request.wanted);
        let view = wanted.unwrap_or_default().max(request.entered);
        (view > self.announced).then(|| {
            self.announced = view;
            view
        })
    }
}
