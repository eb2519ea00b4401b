//! Controller: suspects a leader under which requests wait too long (TA-6), or that is silent.

use crate::engine::operators::executor::{Executed, Progress};
use crate::engine::operators::requests::Announce;
use crate::engine::ordering::turnover::Turnover;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Suspicion, Wait};
use crate::model::types::{Millis, ReplicaId, View};

use super::messages::ViewRequest;

/// Asks for the next view when the batches of a source wait too long.
pub fn controller<'s>(
    announces: Stream<'s, (ReplicaId, Announce)>,
    executed: Stream<'s, Executed>,
    entered: Stream<'s, View>,
    requests: Stream<'s, (ReplicaId, ViewRequest)>,
    resign: Stream<'s, ()>,
    Pulse { clock, looks }: Pulse<'s>,
    controller: Controller,
) -> (Stream<'s, ViewRequest>, Stream<'s, Event>) {
    let mut role = Role::new("controller", clock.scope(), controller);
    let (ask, view_requests) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event.clone(), Controller::holding);
    role.on(executed, |controller, executed| controller.on_executed(&executed));
    role.on(entered, Controller::on_entered);
    role.on(announces, |controller, (from, announce)| controller.on_announce(from, announce));
    role.on(requests, |controller, (from, request)| controller.on_request(from, request));
    let event_too = event.clone();
    role.on(resign, move |controller, ()| event_too.send(controller.on_resign()));
    role.on(clock, move |controller, now| {
        event.send(controller.suspect(now));
        ask.send(controller.on_tick());
    });
    role.build();
    (view_requests, events)
}

/// Owns the suspicion of the leader.
#[derive(Clone, Debug)]
pub struct Controller {
    me: ReplicaId,
    n: usize,
    /// A replica that was given no turn for so long has stood still.
    stood_still_ms: Millis,
    gossip_every_ms: Millis,
    entered: View,
    wanted: View,
    sources: Vec<Source>,
    turnover: Turnover,
    /// When the leader last announced or asked for anything.
    leader_at: Millis,
    asked_at: Millis,
    asked: View,
    now: Millis,
}

#[derive(Clone, Copy, Debug, Default)]
struct Source {
    /// What its clients wait for, and when it last announced that: a silent source is not
    /// waiting for anything that another leader could give it.
    target: Progress,
    announced_at: Millis,
    /// What has been executed.
    actual: Progress,
    /// Since when it has been waiting without progress.
    since: Option<Millis>,
}

impl Controller {
    /// The controller of a replica in view `entered`. One that led this view before a restart
    /// cannot lead it again, and resigns.
    pub fn new(entered: View, resigns: bool, config: &Config) -> Self {
        Self {
            me: config.me,
            n: config.n,
            stood_still_ms: config.suspect_after_ms / 2,
            gossip_every_ms: config.gossip_every_ms,
            entered,
            wanted: if resigns { entered.next() } else { entered },
            sources: vec![Source::default(); config.n],
            turnover: Turnover::new(config),
            leader_at: 0,
            asked_at: 0,
            asked: entered,
            now: 0,
        }
    }

    /// It holds the sources that wait for the leader.
    fn holding(&self) -> Holding {
        let since = || self.sources.iter().filter_map(|source| source.since);
        let (held, first) = (since().count() as u64, since().min().unwrap_or_default());
        let leader = self.entered.leader(self.n);
        let wait = if held > 0 { Wait::Proposal(leader) } else { Wait::Nothing };
        Holding { held, first, wait, ..Holding::nothing("controller") }
    }

    fn on_announce(&mut self, from: ReplicaId, announce: Announce) {
        if from == self.entered.leader(self.n) {
            // This waits for no disk: a leader whose disk is slow is not silent.
            self.leader_at = self.now;
        }
        if let Some(source) = self.sources.get_mut(from.0 as usize) {
            source.target = announce.target.max(source.target);
            source.announced_at = self.now;
        }
    }

    fn on_executed(&mut self, executed: &Executed) {
        for (source, progress) in self.sources.iter_mut().zip(executed.sources.iter()) {
            if *progress != source.actual {
                source.actual = *progress;
                source.since = None;
            }
        }
    }

    /// Gives the new leader as long as the old one had.
    fn on_entered(&mut self, view: View) {
        assert!(view > self.entered, "a view is entered after {}, not {view}", self.entered);
        self.entered = view;
        self.turnover.on_entered(self.now);
        self.leader_at = self.now;
        for source in &mut self.sources {
            source.since = None;
        }
    }

    /// Nobody need wait for a leader that does not want to lead.
    fn on_request(&mut self, from: ReplicaId, request: ViewRequest) {
        if from != self.entered.leader(self.n) {
            return;
        }
        self.leader_at = self.now;
        if request.wanted == self.entered.next() {
            self.wanted = request.wanted.max(self.wanted);
        }
    }

    /// A leader that is about to end asks for the next one. Any other replica is not missed.
    fn on_resign(&mut self) -> Option<Event> {
        let leads = self.entered.leader(self.n) == self.me;
        if leads { self.want_next(Suspicion::Resigns) } else { None }
    }

    fn want_next(&mut self, why: Suspicion) -> Option<Event> {
        let view = self.entered.next();
        (view > self.wanted).then(|| {
            self.wanted = view;
            Event::Suspected { of: self.entered, view, why }
        })
    }

    fn suspect(&mut self, now: Millis) -> Option<Event> {
        // A replica that stood still has received nothing meanwhile, and that is nobody's fault.
        if now.saturating_sub(self.now) > self.stood_still_ms {
            self.leader_at = now;
        }
        self.now = now;
        let fresh = 4 * self.gossip_every_ms;
        for source in &mut self.sources {
            // A source that has sent nothing in its life waits for nothing, whatever was done
            // before.
            let waits = source.target.number > 0
                && source.target > source.actual
                && now.saturating_sub(source.announced_at) <= fresh;
            source.since = if waits { source.since.or(Some(now)) } else { None };
        }
        let patience = self.turnover.patience_ms();
        self.turnover.on_tick(now);
        let waits = (0..).map(ReplicaId).zip(&self.sources);
        let waits = waits.filter_map(|(id, source)| Some((id, now.saturating_sub(source.since?))));
        let is_late = |(_, waited_ms): &(ReplicaId, Millis)| *waited_ms >= Self::HEARD * patience;
        let late = waits.filter(is_late).max_by_key(|late| late.1);
        match late {
            Some((source, waited_ms)) => self.want_next(Suspicion::Late { source, waited_ms }),
            None => self.suspect_silence(patience),
        }
    }

    /// A leader that is not there is replaced though nobody waits for it: whoever asks next need
    /// not.
    fn suspect_silence(&mut self, patience: Millis) -> Option<Event> {
        let silent_ms = self.now.saturating_sub(self.leader_at);
        let leads = self.entered.leader(self.n) == self.me;
        if leads || silent_ms < patience {
            return None;
        }
        self.want_next(Suspicion::Silent { silent_ms })
    }

    fn on_tick(&mut self) -> Option<ViewRequest> {
        let now = self.now;
        let due = now.saturating_sub(self.asked_at) >= self.gossip_every_ms;
        if !due && self.asked >= self.wanted {
            return None;
        }
        self.asked_at = now;
        self.asked = self.wanted;
        Some(ViewRequest { entered: self.entered, wanted: self.wanted })
    }

    /// A leader that is heard of, and under which requests wait, has so many times our patience: it
    /// may be no fault of its own. While two disks took 300 ms for a sync, one that was filled was
    /// given another leader again and again, for which they were no faster.
    const HEARD: Millis = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(controller: &mut Controller, now: Millis) {
        controller.suspect(now);
        controller.on_tick();
    }

    fn waiting() -> Controller {
        let mut controller = Controller::new(View(0), false, &Config::new(ReplicaId(0), 3));
        tick(&mut controller, 1000);
        let target = Progress { incarnation: 1, number: 5 };
        controller.on_announce(ReplicaId(1), Announce { target });
        tick(&mut controller, 1000);
        controller
    }

    fn asked_at(controller: &mut Controller, from: Millis) -> Option<Millis> {
        let target = Progress { incarnation: 1, number: 5 };
        (from..from + 100_000).step_by(10).find(|&now| {
            controller.on_announce(ReplicaId(1), Announce { target });
            tick(controller, now);
            controller.wanted > controller.entered
        })
    }

    #[test]
    fn a_source_that_has_sent_nothing_since_it_started_waits_for_nothing() {
        let mut controller = Controller::new(View(0), false, &Config::new(ReplicaId(0), 3));
        for now in (0..10_000).step_by(10) {
            let target = Progress { incarnation: 2, number: 0 };
            controller.on_announce(ReplicaId(1), Announce { target });
            tick(&mut controller, now);
        }
        assert_eq!(controller.wanted, View(0));
    }

    #[test]
    fn a_leader_is_suspected_when_a_request_waits_too_long() {
        let mut controller = waiting();
        assert_eq!(asked_at(&mut controller, 1000), Some(2200));
    }

    #[test]
    fn patience_doubles_after_a_round_of_leaders() {
        let mut controller = waiting();
        for view in 1..=3 {
            controller.on_entered(View(view));
        }
        assert_eq!(asked_at(&mut controller, 1010), Some(3410));
    }

    #[test]
    fn a_source_that_has_fallen_silent_raises_no_suspicion() {
        let mut controller = waiting();
        for now in (1010..9000).step_by(10) {
            tick(&mut controller, now);
        }
        assert_eq!(controller.wanted, View(0));
    }

    #[test]
    fn a_leader_that_announces_is_not_silent_though_its_disk_holds_back_all_else() {
        let config = Config::new(ReplicaId(1), 3);
        let mut controller = Controller::new(View(0), false, &config);
        let target = Progress { incarnation: 1, number: 0 };
        for now in (0..3000).step_by(50) {
            controller.on_announce(ReplicaId(0), Announce { target });
            tick(&mut controller, now);
        }
        assert_eq!(controller.wanted, View(0));
        for now in (3000..3400).step_by(50) {
            controller.on_announce(ReplicaId(2), Announce { target });
            tick(&mut controller, now);
        }
        assert_eq!(controller.wanted, View(1));
    }

    #[test]
    fn only_the_leader_asks_for_another_when_it_is_to_end() {
        let config = Config::new(ReplicaId(1), 3);
        let mut controller = Controller::new(View(0), false, &config);
        controller.on_resign();
        assert_eq!(controller.wanted, View(0));
        controller.on_entered(View(1));
        controller.on_resign();
        assert_eq!(controller.wanted, View(2));
    }

    #[test]
    fn a_leader_that_resigns_is_not_waited_for() {
        let mut controller = waiting();
        let wish = ViewRequest { entered: View(0), wanted: View(1) };
        controller.on_request(ReplicaId(1), wish);
        assert_eq!(controller.wanted, View(0), "replica 1 does not lead view 0");
        controller.on_request(ReplicaId(0), wish);
        assert_eq!(controller.wanted, View(1));
    }

    #[test]
    #[should_panic(expected = "a view is entered after 0, not 0")]
    fn no_view_is_entered_again() {
        waiting().on_entered(View(0));
    }
}
