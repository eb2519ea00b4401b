//! Whether somebody leads whom enough replicas hear.

use super::rules::Cluster;
use super::why::absence;
use super::{Code, Finding, Severity};
use crate::events::Wait;
use crate::observe::blame::replicas as list;
use crate::observe::doing::Stuck;
use crate::observe::frame::Frame;
use crate::observe::scene::Sighting;
use crate::observe::status::Role;
use crate::quorum::majority;
use crate::types::{ReplicaId, View};

impl Cluster<'_> {
    /// The latest view that a majority has entered, by frames that may be a second old; or the latest that
    /// all have entered who show themselves.
    fn view(&self) -> View {
        let mut views: Vec<View> = self.fresh.iter().map(|frame| frame.status.view).collect();
        views.sort();
        let entered = majority(self.replicas.len()).min(views.len());
        views.iter().nth_back(entered.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Who leads by the latest that was seen of it, if that is not overtaken.
    fn leader(&self) -> Option<(&Sighting, &Frame)> {
        let view = self.view();
        let seen = self.replicas.iter().filter_map(|seen| Some((seen, seen.frame.as_deref()?)));
        let leads = |(_, frame): &(_, &Frame)| {
            frame.status.role == Role::Leader && frame.status.view >= view
        };
        seen.filter(leads).max_by_key(|(_, frame)| frame.status.view)
    }

    pub(super) fn no_leader(&self) -> Vec<Finding> {
        let needed = majority(self.replicas.len());
        // Without enough of them nobody can lead, and why not has been found.
        if self.there() < needed + self.stuck_ones().count() || self.fresh.is_empty() {
            return Vec::new();
        }
        match self.leader() {
            // It is there, and goes on when that is done.
            Some((seen, _)) if seen.stuck.as_ref().is_some_and(Stuck::is_pause) => Vec::new(),
            Some((seen, frame)) if seen.silence.is_none() => self.unfollowed(frame, needed),
            // Nobody can say.
            _ if self.fresh.len() < needed => Vec::new(),
            _ => vec![self.nobody_leads()],
        }
    }

    /// That somebody leads whom too few hear, or who hears too few.
    fn unfollowed(&self, leader: &Frame, needed: usize) -> Vec<Finding> {
        let (me, view) = (leader.status.replica, leader.status.view);
        let others = || self.replicas.iter().filter(|seen| seen.replica != me);
        let deaf = |seen: &Sighting| {
            if seen.fresh().is_none() {
                let there = seen.stuck.is_none() && self.is_heard(seen.replica);
                return (!there).then(|| absence(seen));
            }
            let hears = |by: &Frame, from| self.unheard(&by.status, from);
            seen.fresh().and_then(|other| hears(other, me)).or_else(|| hears(leader, seen.replica))
        };
        let lost: Vec<String> = others().filter_map(deaf).collect();
        let joined = self.replicas.len() - lost.len();
        if joined >= needed {
            return Vec::new();
        }
        let text = format!(
            "replica {me} leads view {view}, and only {joined} of {} replicas take part, itself \
             included",
            self.replicas.len()
        );
        let (code, severity, because) = (Code::NoLeader, Severity::Down, vec![lost.join("; ")]);
        vec![Finding { code, severity, replica: Some(me), text, because }]
    }

    fn nobody_leads(&self) -> Finding {
        let view = self.view();
        let leader = view.leader(self.replicas.len());
        let text = format!("nobody leads view {view}, which replica {leader} is to lead");
        let because = match self.frame(leader) {
            None => self.replicas.get(leader.0 as usize).map(absence).into_iter().collect(),
            Some(frame) => {
                let records = frame.holdings.iter().find_map(|holding| match &holding.wait {
                    Wait::Records(of) => Some(of),
                    _ => None,
                });
                let lacks = |of: &Vec<ReplicaId>| {
                    format!("replica {leader} has not heard the records of {}", list(of))
                };
                let learns = || {
                    format!(
                        "the new leader, replica {leader}, is still collecting what earlier views left behind"
                    )
                };
                let mut because = vec![records.map_or_else(learns, lacks)];
                let mut others = records.cloned().unwrap_or_default();
                others.retain(|other| *other != leader);
                because.extend(self.excuses(&others, frame));
                because
            }
        };
        let severity = Severity::Down;
        Finding { code: Code::NoLeader, severity, replica: Some(leader), text, because }
    }
}
