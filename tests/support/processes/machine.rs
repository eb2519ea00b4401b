//! Turns on the machine: a test that needs all of it runs beside no cluster of another test.
//!
//! Tests of a program run in parallel. Most wait for processes more than they work, and bear
//! company; a few take all that the machine has, or measure how long something takes.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A turn of this thread, which ends when it is dropped. A thread may have several at once.
pub struct Turn {
    /// It ends on the thread that took it.
    _thread: PhantomData<MutexGuard<'static, ()>>,
}

/// How many threads have a turn beside others, and how many wait to have one alone.
struct Turns {
    beside: usize,
    waiting: usize,
    alone: bool,
}

static TURNS: Mutex<Turns> = Mutex::new(Turns { beside: 0, waiting: 0, alone: false });
static ENDED: Condvar = Condvar::new();

thread_local! {
    /// How many turns this thread has.
    static HELD: Cell<usize> = const { Cell::new(0) };
    /// Whether it has the machine for itself.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

fn turns() -> MutexGuard<'static, Turns> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hold() -> Turn {
    HELD.set(HELD.get() + 1);
    Turn { _thread: PhantomData }
}

/// Waits until nobody has the machine for himself. Every cluster holds such a turn.
pub fn beside() -> Turn {
    if HELD.get() == 0 {
        let busy = |turns: &mut Turns| turns.alone || turns.waiting > 0;
        ENDED.wait_while(turns(), busy).unwrap_or_else(PoisonError::into_inner).beside += 1;
    }
    hold()
}

/// Waits until no other thread has a turn, and lets none have one meanwhile. To be taken before a
/// test starts its first cluster.
pub fn alone() -> Turn {
    assert!(HELD.get() == 0 || ALONE.get(), "this test has a cluster already");
    if HELD.get() == 0 {
        let mut turns = turns();
        turns.waiting += 1;
        let busy = |turns: &mut Turns| turns.alone || turns.beside > 0;
        let mut turns = ENDED.wait_while(turns, busy).unwrap_or_else(PoisonError::into_inner);
        turns.waiting -= 1;
        turns.alone = true;
        ALONE.set(true);
    }
    hold()
}

impl Drop for Turn {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
        if HELD.get() > 0 {
            return;
        }
        let mut turns = turns();
        if ALONE.take() {
            turns.alone = false;
        } else {
            turns.beside -= 1;
        }
        ENDED.notify_all();
    }
}
