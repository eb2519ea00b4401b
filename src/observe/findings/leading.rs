//! Findings about leadership: whether enough replicas follow a leader.

use super::rules::Cluster;
use super::why::{absence, link};
use super::{Code, Finding, Severity};
use crate::engine::activity::Stuck;
use crate::model::events::Wait;
use crate::model::types::{Millis, ReplicaId, View};
use crate::observe::blame::words;
use crate::observe::frame::Frame;
use crate::observe::scene::Sighting;
use crate::observe::status::ReplicaRole;

/// How often replicas show themselves, in milliseconds: a frame may be that old.
const FRAME_MS: Millis = 250;

impl Cluster<'_> {
    /// The latest view that a majority has entered, by frames that may be a second old; or the
    /// latest that all have entered who show themselves.
    fn view(&self) -> View {
        let mut views: Vec<View> = self.fresh.iter().map(|frame| frame.status.view).collect();
        views.sort();
        let entered = self.quorum.min(views.len());
        views.iter().nth_back(entered.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Who leads by the latest that was seen of it, if that is not overtaken.
    fn leader(&self) -> Option<(&Sighting, &Frame)> {
        let view = self.view();
        let seen = self.replicas.iter().filter_map(|seen| Some((seen, seen.frame.as_deref()?)));
        let leads = |(_, frame): &(_, &Frame)| {
            frame.status.role == ReplicaRole::Leader && frame.status.view >= view
        };
        seen.filter(leads).max_by_key(|(_, frame)| frame.status.view)
    }

    /// That it is only now that nobody leads, if nobody has for so many milliseconds: a leader that
    /// is lost is missed after some patience, and the next has as long. Frames are taken at their
    /// word, so that their age does not count.
    fn change(&self, unled_ms: Option<Millis>) -> Option<String> {
        let patience = self.fresh.iter().map(|frame| frame.status.suspect_after_ms).max()?;
        let ms = unled_ms.filter(|ms| patience > 0 && *ms <= 2 * patience + FRAME_MS)?;
        Some(format!("the leader is changing: nobody has led for {ms} ms"))
    }

    /// Who is to lead a view, by the word of those in it; nobody where all propose.
    fn leader_of(&self, view: View) -> Option<ReplicaId> {
        let of_view = self.fresh.iter().find(|frame| frame.status.view == view)?;
        of_view.status.leader
    }

    /// For how long nobody has led, by what was last executed, when one that is gone and may have
    /// led last sent something, or how recently `leader` has started; nothing if that is not known.
    fn unled_ms(&self, leader: ReplicaId) -> Option<Millis> {
        let may_have_led = |seen: &&Sighting| {
            let followed = |frame: &Frame| frame.status.role == ReplicaRole::Follower;
            seen.fresh().is_none() && !seen.frame.as_deref().is_some_and(followed)
        };
        let gone = self.replicas.iter().filter(may_have_led).map(|seen| seen.replica);
        let heard = gone.flat_map(|gone| {
            let heard = move |frame: &&Frame| link(&frame.status, gone)?.heard_ms_ago;
            self.fresh.iter().filter_map(heard)
        });
        let executed = self.fresh.iter().filter_map(|frame| frame.status.executed_ms_ago);
        let started = self.frame(leader).map(|frame| frame.status.up_ms);
        heard.chain(executed).chain(started).min()
    }

    pub(super) fn no_leader(&self) -> Option<Finding> {
        let needed = self.quorum;
        // Without enough of them nobody can lead, and why not has been found.
        let unable = self.stuck_ones().count();
        if self.there() < needed + unable || self.fresh.is_empty() || !self.full_ones().is_empty() {
            return None;
        }
        match self.leader() {
            // It is there, and goes on when that is done.
            Some((seen, _)) if seen.stuck.as_ref().is_some_and(Stuck::is_pause) => None,
            Some((seen, frame)) if seen.silence.is_none() => self.unfollowed(frame, needed),
            // It is not known.
            _ if self.fresh.len() < needed => None,
            _ => self.nobody_leads(),
        }
    }

    /// That a leader is in contact with too few replicas.
    fn unfollowed(&self, leader: &Frame, needed: usize) -> Option<Finding> {
        let (me, view) = (leader.status.replica, leader.status.view);
        let others = || self.replicas.iter().filter(|seen| seen.replica != me);
        let cut = |seen: &Sighting| {
            if seen.fresh().is_none() {
                let there = seen.stuck.is_none() && self.is_in_contact(seen.replica);
                return (!there).then(|| absence(seen));
            }
            let hears = |by: &Frame, from| self.no_contact(&by.status, from);
            seen.fresh().and_then(|other| hears(other, me)).or_else(|| hears(leader, seen.replica))
        };
        let lost: Vec<String> = others().filter_map(cut).collect();
        let joined = self.replicas.len() - lost.len();
        if joined >= needed {
            return None;
        }
        let text = format!(
            "replica {me} leads view {view}, and only {joined} of {} replicas take part, itself \
             included",
            self.replicas.len()
        );
        let cut = self.fresh.iter().filter(|by| self.no_contact(&by.status, me).is_some());
        let heard = cut.filter_map(|by| link(&by.status, me)?.heard_ms_ago).min();
        let (severity, text) = worth(text, self.change(heard));
        let because = vec![lost.join("; ")];
        Some(Finding { code: Code::NoLeader, severity, replica: Some(me), text, because })
    }

    fn nobody_leads(&self) -> Option<Finding> {
        let view = self.view();
        let leader = self.leader_of(view)?;
        let text = format!("nobody leads view {view}, which replica {leader} is to lead");
        let because = match self.frame(leader) {
            None => self.replicas.get(leader.0 as usize).map(absence).into_iter().collect(),
            Some(frame) => {
                let lacking = frame.holdings.iter().find_map(|holding| match &holding.wait {
                    wait @ Wait::ToLead { of, .. } => Some((wait, of)),
                    _ => None,
                });
                let lacks = |(wait, _)| format!("replica {leader} {}", words(wait, None));
                let learns = || {
                    format!(
                        "the new leader, replica {leader}, is still collecting the slots of earlier \
                         views"
                    )
                };
                let mut because = vec![lacking.map_or_else(learns, lacks)];
                let mut others = lacking.map(|(_, of)| of.clone()).unwrap_or_default();
                others.retain(|other| *other != leader);
                because.extend(self.excuses(&others, frame));
                because
            }
        };
        let (severity, text) = worth(text, self.change(self.unled_ms(leader)));
        Some(Finding { code: Code::NoLeader, severity, replica: Some(leader), text, because })
    }
}

/// How bad it is that nobody leads, and the sentence for it: no more than that, if the leader is
/// changing.
fn worth(text: String, change: Option<String>) -> (Severity, String) {
    change.map_or((Severity::Down, text), |change| (Severity::Degraded, change))
}
