//! The search for a legal order: Wing and Gong, "Testing and verifying concurrent objects" (1993),
//! with the memory of Lowe, "Testing for linearizability" (2017).
//!
//! The search places one operation after another; an operation may be next if no unplaced one
//! ended before it was called. A configuration is the set of operations placed and the state they
//! led to, and none is entered twice. Four things keep the search small, each argued where it is
//! done: reads are not a choice (`take_reads`), a state somebody still has to see is not left for
//! good (`is_stranded`), a configuration that used up more unanswered operations than another is
//! not better (`Memory`), and unanswered operations nobody can have seen are left out
//! (`Plan::settle`).

use super::memory::{Memory, fingerprint};
use super::plan::{Entry, HistoryEvent, Model, NONE, Plan};

/// What the search found out. Numbers are places in the slice of events it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchOutcome<S> {
    /// There is a legal order.
    Ordered,
    /// There is none, because no operation leads to the state this one must have met.
    Unmade(usize),
    /// There is none: every order was tried.
    Stuck {
        /// The longest legal order found.
        order: Vec<usize>,
        /// The state it leads to.
        state: S,
        /// The operation that ended first of those left over: nothing can pass it.
        left_over: usize,
        /// The operation left over that can be met by no other state than this one, where nothing
        /// leads back to it: why it cannot be left.
        holder: Option<usize>,
    },
    /// The budget was spent before the answer was known.
    OutOfSteps,
}

/// Looks for a legal order of `events`, looking at candidates at most about `steps` times.
///
/// Memory is bounded with time: a remembered configuration costs several steps.
pub fn search<M: Model>(events: &[HistoryEvent<'_, M::Op>], steps: u64) -> SearchOutcome<M::State> {
    assert!(events.len() < NONE as usize, "places in a history are counted in 32 bits");
    let mut plan = Plan::<M>::of(events);
    plan.settle();
    match plan.unmade() {
        Some(event) => SearchOutcome::Unmade(event),
        None => Search::new(plan, steps).run(),
    }
}

/// What remembering a configuration costs, in steps.
const STEPS_PER_MEMORY: u64 = 8;

/// The operations still to be placed, in some order; taking one out is undone by putting it back,
/// last out first in.
struct Links {
    next: Vec<u32>,
    previous: Vec<u32>,
}

impl Links {
    /// `head` stands before the first and after the last.
    fn of(order: impl Iterator<Item = u32>, head: u32) -> Links {
        let mut links =
            Links { next: vec![head; head as usize + 1], previous: vec![head; head as usize + 1] };
        let mut last = head;
        for i in order {
            links.next[last as usize] = i;
            links.previous[i as usize] = last;
            last = i;
        }
        links.next[last as usize] = head;
        links.previous[head as usize] = last;
        links
    }

    fn take_out(&mut self, i: u32) {
        let (before, after) = (self.previous[i as usize], self.next[i as usize]);
        self.next[before as usize] = after;
        self.previous[after as usize] = before;
    }

    fn put_back(&mut self, i: u32) {
        let (before, after) = (self.previous[i as usize], self.next[i as usize]);
        self.next[before as usize] = i;
        self.previous[after as usize] = i;
    }
}

/// A choice that can be taken back.
struct Choice<S> {
    op: u32,
    state_before: S,
    used_before: u32,
}

struct Search<'a, M: Model> {
    plan: Plan<'a, M>,
    answered: u32,
    /// Stands for "nothing" where an operation is expected, and closes the circles.
    head: u32,
    by_call: Links,
    by_end: Links,
    state: M::State,
    placed: u128,
    /// Sets of unanswered operations, each made when one was used; the first is empty.
    sets: Vec<Box<[u64]>>,
    used: u32,
    memory: Memory<M::State>,
    path: Vec<u32>,
    choices: Vec<Choice<M::State>>,
    longest: Vec<u32>,
    /// How much of `longest` is still the beginning of `path`.
    shared: usize,
    steps_left: u64,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(plan: Plan<'a, M>, steps: u64) -> Self {
        let (answered, head) = (plan.answered() as u32, plan.entries.len() as u32);
        let mut ends: Vec<u32> = (0..answered).collect();
        ends.sort_by_key(|&i| (plan.entries[i as usize].end, i));
        let words = (head - answered).div_ceil(64) as usize;
        Search {
            answered,
            head,
            by_call: Links::of(0..answered, head),
            by_end: Links::of(ends.into_iter(), head),
            state: M::State::default(),
            placed: 0,
            sets: vec![vec![0; words].into_boxed_slice()],
            used: 0,
            memory: Memory::new(),
            path: Vec::new(),
            choices: Vec::new(),
            longest: Vec::new(),
            shared: 0,
            steps_left: steps,
            plan,
        }
    }

    fn run(mut self) -> SearchOutcome<M::State> {
        self.take_reads();
        let mut after = self.head;
        while self.first_end().is_some() {
            if self.steps_left == 0 {
                return SearchOutcome::OutOfSteps;
            }
            let Some((op, state)) = self.next_choice(after) else {
                self.note_longest();
                match self.undo() {
                    Some(op) => after = op,
                    None => return self.stuck(),
                }
                continue;
            };
            self.choose(op, state);
            if self.is_stranded() || !self.is_new() {
                self.undo();
                after = op;
            } else {
                self.take_reads();
                after = self.head;
            }
        }
        SearchOutcome::Ordered
    }

    fn entry(&self, i: u32) -> &Entry<'a, M> {
        &self.plan.entries[i as usize]
    }

    fn spend(&mut self, steps: u64) {
        self.steps_left = self.steps_left.saturating_sub(steps);
    }

    /// When the first of the unplaced operations ended: what was called later has to wait.
    fn first_end(&self) -> Option<u64> {
        let first = self.by_end.next[self.head as usize];
        self.plan.entries.get(first as usize).and_then(|entry| entry.end)
    }

    fn is_used(&self, i: u32) -> bool {
        let bit = (i - self.answered) as usize;
        self.sets[self.used as usize][bit / 64] >> (bit % 64) & 1 == 1
    }

    /// Places every read that may be next and fits. This is no choice: put at the front of any
    /// legal order of the rest, a fitting read leaves that order legal.
    fn take_reads(&mut self) {
        let mut i = self.by_call.next[self.head as usize];
        while i != self.head && self.first_end().is_some_and(|end| self.entry(i).call <= end) {
            let next = self.by_call.next[i as usize];
            let entry = self.entry(i);
            if entry.reads && M::step(&self.state, entry.op).is_some() {
                self.place(i);
            }
            self.spend(1);
            i = next;
        }
    }

    /// The next candidate after `after` that fits, answered ones first: most unanswered operations
    /// are never needed to explain anything.
    fn next_choice(&mut self, after: u32) -> Option<(u32, M::State)> {
        let end = self.first_end()?;
        let mut i = after;
        loop {
            i = if i == self.head || i < self.answered {
                let next = self.by_call.next[i as usize];
                let waits = next == self.head || self.entry(next).call > end;
                if waits { self.answered } else { next }
            } else {
                i + 1
            };
            if i >= self.head || self.entry(i).call > end {
                return None;
            }
            self.spend(1);
            if let Some(state) = self.try_step(i) {
                return Some((i, state));
            }
        }
    }

    fn try_step(&self, i: u32) -> Option<M::State> {
        let entry = self.entry(i);
        if entry.reads {
            return None;
        }
        if i < self.answered {
            return M::step(&self.state, entry.op);
        }
        // Of two alike the one called first goes first: in any order they could change places.
        if self.is_used(i) || (entry.twin != NONE && !self.is_used(entry.twin)) {
            return None;
        }
        // Without effect it may as well not have happened.
        M::step(&self.state, entry.op).filter(|state| *state != self.state)
    }

    fn choose(&mut self, op: u32, state: M::State) {
        let state_before = std::mem::replace(&mut self.state, state);
        self.choices.push(Choice { op, state_before, used_before: self.used });
        if op >= self.answered {
            let mut set = self.sets[self.used as usize].clone();
            let bit = (op - self.answered) as usize;
            set[bit / 64] |= 1 << (bit % 64);
            self.spend(set.len() as u64);
            self.used = self.sets.len() as u32;
            self.sets.push(set);
        }
        self.place(op);
    }

    fn place(&mut self, i: u32) {
        self.path.push(i);
        if i < self.answered {
            self.by_call.take_out(i);
            self.by_end.take_out(i);
            self.placed ^= fingerprint(i);
        }
        self.plan.place(i);
    }

    fn put_back(&mut self, i: u32) {
        if i < self.answered {
            self.by_end.put_back(i);
            self.by_call.put_back(i);
            self.placed ^= fingerprint(i);
        }
        self.plan.put_back(i);
    }

    /// Takes back the last choice and the reads placed since.
    fn undo(&mut self) -> Option<u32> {
        let Choice { op, state_before, used_before } = self.choices.pop()?;
        while let Some(i) = self.path.pop() {
            self.put_back(i);
            if i == op {
                break;
            }
        }
        self.state = state_before;
        self.used = used_before;
        self.shared = self.shared.min(self.path.len());
        Some(op)
    }

    /// Whether the last choice left a state that an unplaced operation needs and none can bring
    /// back. Without this check the loss shows only when that operation ends, after all orders of
    /// what runs beside it were tried.
    fn is_stranded(&self) -> bool {
        let Some(Choice { state_before, .. }) = self.choices.last() else { return false };
        if *state_before == self.state {
            return false;
        }
        let tally = self.plan.ids.get(state_before).map(|&id| &self.plan.states[id as usize]);
        tally.is_some_and(|tally| tally.needed > 0 && self.plan.makers(tally) == 0)
    }

    fn is_new(&mut self) -> bool {
        self.spend(STEPS_PER_MEMORY);
        self.memory.is_new(self.placed, &self.state, self.used, &self.sets)
    }

    fn note_longest(&mut self) {
        if self.path.len() > self.longest.len() {
            self.longest.truncate(self.shared);
            self.longest.extend_from_slice(&self.path[self.shared..]);
            self.shared = self.longest.len();
        }
    }

    fn stuck(mut self) -> SearchOutcome<M::State> {
        // What is placed but not in the longest order goes back, so that the tallies are of it.
        for &i in &self.path {
            self.plan.put_back(i);
        }
        let mut state = M::State::default();
        let mut is_left = vec![true; self.plan.entries.len()];
        for &i in &self.longest {
            self.plan.place(i);
            is_left[i as usize] = false;
            state = M::step(&state, self.entry(i).op).unwrap_or(state);
        }
        let entries = self.plan.entries.iter().zip(is_left);
        let mut left: Vec<_> = entries.filter_map(|(entry, left)| left.then_some(entry)).collect();
        left.sort_by_key(|entry| (entry.end.is_none(), entry.end, entry.call));
        let left_over = left.first().expect("a search is stuck only if something is left over");
        let needed = self.plan.ids.get(&state).copied();
        let is_lost = |id: &u32| self.plan.makers(&self.plan.states[*id as usize]) == 0;
        let needed = needed.filter(is_lost);
        let holder = left.iter().find(|entry| needed == Some(entry.needs));
        SearchOutcome::Stuck {
            order: self.longest.iter().map(|&i| self.entry(i).event).collect(),
            left_over: left_over.event,
            holder: holder.map(|entry| entry.event),
            state,
        }
    }
}
