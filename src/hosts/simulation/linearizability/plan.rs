//! The subject of a search: the model of an object, and the history of one object made ready.

use std::collections::HashMap;
use std::hash::Hash;

use super::memory::FixedState;

/// A sequential specification: what the object would answer if nothing were concurrent.
pub trait Model {
    /// The object's state; the default is the state before the first operation.
    type State: Clone + Eq + Hash + Default;
    /// An operation together with its answer, or with the fact that there was none.
    type Op: PartialEq;

    /// The state after `op`, or `None` if from `state` the answer would have been another one.
    fn step(state: &Self::State, op: &Self::Op) -> Option<Self::State>;

    /// Marks of a state, each shared by a group of states; see [`Makes::Marked`].
    fn marks(_state: &Self::State) -> [u64; 2] {
        [0; 2]
    }

    /// What is true of `op` in whatever state it meets. Saying nothing is right, only slower.
    fn facts(_op: &Self::Op) -> Facts<Self::State> {
        Facts::default()
    }
}

/// What a model knows about an operation without knowing the state it meets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<S> {
    /// It leaves every state it fits as it was.
    pub reads: bool,
    /// It fits every state and always leads to the one state in `makes`.
    pub blind: bool,
    /// The only state it fits.
    pub needs: Option<S>,
    /// Where it leads whenever it changes anything.
    pub makes: Makes<S>,
}

/// Where an operation may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Makes<S> {
    /// Anywhere.
    #[default]
    Any,
    /// Only to states that have this mark.
    Marked(u64),
    /// Only to this state.
    One(S),
}

/// An operation and when it ran.
#[derive(Clone, Debug)]
pub struct HistoryEvent<'a, O> {
    /// What was asked and answered.
    pub op: &'a O,
    /// When it was asked.
    pub call: u64,
    /// When it was answered; an unanswered one may take effect at any time after `call`, or never.
    pub end: Option<u64>,
}

/// No operation, no state.
pub(super) const NONE: u32 = u32::MAX;
/// How far back twins of an unanswered operation are looked for.
const TWIN_DISTANCE: usize = 64;

/// An operation as the search sees it.
pub(super) struct Entry<'a, M: Model> {
    pub(super) op: &'a M::Op,
    pub(super) event: usize,
    pub(super) call: u64,
    pub(super) end: Option<u64>,
    pub(super) reads: bool,
    blind: bool,
    /// Places in `Plan::states`, or `NONE`.
    pub(super) needs: u32,
    pub(super) makes: u32,
    /// A place in `Plan::marks` where `makes` is `NONE`.
    mark: u32,
    /// Unanswered, and as good as not asked.
    left_out: bool,
    /// An unanswered operation like this one, called no later.
    pub(super) twin: u32,
}

impl<M: Model> Entry<'_, M> {
    /// Whether it would notice that the state before it was another one than it needs.
    fn is_exact(&self) -> bool {
        self.blind || self.needs != NONE
    }
}

/// Who still depends on a state, and who can still bring it about.
pub(super) struct Tally<S> {
    pub(super) state: S,
    pub(super) needed: u32,
    made: u32,
    marks: [u32; 2],
    /// When the first operation that needs this state ended.
    first_seen: u64,
}

/// The history of one object, ready to be searched.
pub(super) struct Plan<'a, M: Model> {
    pub(super) entries: Vec<Entry<'a, M>>,
    pub(super) states: Vec<Tally<M::State>>,
    pub(super) ids: HashMap<M::State, u32, FixedState>,
    /// How many operations may lead to any state with a mark; the first is borne by every state.
    marks: Vec<u32>,
    mark_ids: HashMap<u64, u32, FixedState>,
}

/// The place in `Plan::marks` of the mark that every state bears.
const ANY: u32 = 0;

impl<'a, M: Model> Plan<'a, M> {
    pub(super) fn of(events: &[HistoryEvent<'a, M::Op>]) -> Self {
        let mut plan = Plan {
            entries: Vec::new(),
            states: Vec::new(),
            ids: HashMap::default(),
            marks: vec![0],
            mark_ids: HashMap::default(),
        };
        for (event, &HistoryEvent { op, call, end }) in events.iter().enumerate() {
            let Facts { reads, blind, needs, makes } = M::facts(op);
            // A read without an answer tells nothing and changes nothing.
            if reads && end.is_none() {
                continue;
            }
            // Without an answer there is nothing that could fail to fit.
            let needs = needs.filter(|_| end.is_some()).map_or(NONE, |state| plan.id(state));
            let (makes, mark) = match makes {
                _ if reads => (NONE, NONE),
                Makes::Any => (NONE, ANY),
                Makes::Marked(mark) => (NONE, plan.mark(mark)),
                Makes::One(state) => (plan.id(state), NONE),
            };
            let (left_out, twin) = (false, NONE);
            let entry =
                Entry { op, event, call, end, reads, blind, needs, makes, mark, left_out, twin };
            plan.entries.push(entry);
        }
        for i in 0..plan.entries.len() {
            plan.put_back(i as u32);
            let Entry { needs, end: Some(end), .. } = plan.entries[i] else { continue };
            if let Some(tally) = plan.states.get_mut(needs as usize) {
                tally.first_seen = tally.first_seen.min(end);
            }
        }
        plan
    }

    fn id(&mut self, state: M::State) -> u32 {
        if let Some(id) = self.ids.get(&state) {
            return *id;
        }
        let id = self.states.len() as u32;
        let marks = M::marks(&state).map(|mark| self.mark(mark));
        self.ids.insert(state.clone(), id);
        self.states.push(Tally { state, needed: 0, made: 0, marks, first_seen: u64::MAX });
        id
    }

    fn mark(&mut self, mark: u64) -> u32 {
        let marks = &mut self.marks;
        *self.mark_ids.entry(mark).or_insert_with(|| {
            marks.push(0);
            (marks.len() - 1) as u32
        })
    }

    /// Counts an operation as placed: it needs nothing any more, and can lead nowhere.
    pub(super) fn place(&mut self, i: u32) {
        let Entry { needs, makes, mark, .. } = self.entries[i as usize];
        if let Some(tally) = self.states.get_mut(needs as usize) {
            tally.needed -= 1;
        }
        if let Some(tally) = self.states.get_mut(makes as usize) {
            tally.made -= 1;
        }
        if let Some(marked) = self.marks.get_mut(mark as usize) {
            *marked -= 1;
        }
    }

    /// Counts an operation as still to be placed.
    pub(super) fn put_back(&mut self, i: u32) {
        let Entry { needs, makes, mark, .. } = self.entries[i as usize];
        if let Some(tally) = self.states.get_mut(needs as usize) {
            tally.needed += 1;
        }
        if let Some(tally) = self.states.get_mut(makes as usize) {
            tally.made += 1;
        }
        if let Some(marked) = self.marks.get_mut(mark as usize) {
            *marked += 1;
        }
    }

    /// How many unplaced operations may lead to a state.
    pub(super) fn makers(&self, tally: &Tally<M::State>) -> u32 {
        let marked = |mark: u32| self.marks[mark as usize];
        let [one, other] = tally.marks;
        let others = if one == other { 0 } else { marked(other) };
        tally.made + marked(ANY) + marked(one) + others
    }

    /// Decides about unanswered operations where the history leaves no doubt.
    ///
    /// *Seen.* If an answered operation needs state v, v is not the first state, and only u leads
    /// to v, then u took effect, and before that answer.
    ///
    /// *Not seen.* Say u leads to v, nobody needs v, and every other operation is exact: blind, or
    /// answered and bound to one state. Take a legal order with u in effect. Strike u and the
    /// unanswered operations without effect that follow it. The next one, if any, meets v. It does
    /// not need v, so it is blind, and leads where it led. The order is legal without u, so u
    /// may be left out. One operation that is not exact (a deletion told that something was there,
    /// an increment, an append) could tell v from what was before, and u stays.
    pub(super) fn settle(&mut self) {
        let first = self.ids.get(&M::State::default()).copied().unwrap_or(NONE);
        let inexact = self.entries.iter().filter(|entry| !entry.is_exact()).count();
        for i in 0..self.entries.len() {
            let entry = &self.entries[i];
            if entry.end.is_some() || entry.makes == NONE {
                continue;
            }
            let tally = &self.states[entry.makes as usize];
            if tally.needed == 0 && inexact == usize::from(!entry.is_exact()) {
                self.place(i as u32);
                self.entries[i].left_out = true;
            } else if tally.needed > 0 && self.makers(tally) == 1 && entry.makes != first {
                let end = Some(tally.first_seen);
                self.entries[i].end = end;
            }
        }
        self.entries.retain(|entry| !entry.left_out);
        // Answered before unanswered, each by call: the search counts on it.
        self.entries.sort_by_key(|e| (e.end.is_none(), e.call, e.end, e.event));
        let answered = self.answered();
        for i in answered..self.entries.len() {
            let from = i.saturating_sub(TWIN_DISTANCE).max(answered);
            let twin = (from..i).rev().find(|&j| self.entries[j].op == self.entries[i].op);
            self.entries[i].twin = twin.map_or(NONE, |j| j as u32);
        }
    }

    pub(super) fn answered(&self) -> usize {
        self.entries.partition_point(|entry| entry.end.is_some())
    }

    /// An operation that met a state which nothing leads to.
    pub(super) fn unmade(&self) -> Option<usize> {
        let first = M::State::default();
        let is_unmade = |entry: &&Entry<'a, M>| {
            let tally = self.states.get(entry.needs as usize);
            tally.is_some_and(|tally| self.makers(tally) == 0 && tally.state != first)
        };
        self.entries.iter().find(is_unmade).map(|entry| entry.event)
    }
}
