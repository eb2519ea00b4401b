//! A store on a thread of its own, so that a replica works while its disk does.
//!
//! Turns are handed over with their numbers. The thread takes all that wait, appends them as one
//! write, syncs once, and publishes the number of the last. In between it writes pieces of the
//! checkpoint that is on its way, and leaves time between them: processor and disk are for the
//! clients first. While the disk is full it tries again; after any other error it ends, and the
//! replica must, too.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde::Serialize;

use super::{DiskMeter, Durable, Store};
use crate::model::checkpoint::Checkpoint;
use crate::model::error::Error;
use crate::model::types::ReplicaId;

/// Called on the journal's thread when there is something to see: turns or a checkpoint are
/// durable, the disk is full or has room again, or the thread has ended.
pub type Wake = Box<dyn Fn() + Send>;

/// A store on a thread of its own. Dropping it waits for what has been handed over.
pub struct Journal<R> {
    replica: ReplicaId,
    jobs: Option<Sender<Job<R>>>,
    seen: Arc<Seen>,
    meter: Arc<DiskMeter>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

enum Job<R> {
    Turn(u64, Vec<Durable<R>>),
    /// Answer when all before this is durable; say nothing and drop it when that cannot be.
    Flush(Sender<()>),
}

/// The facts that the thread publishes.
#[derive(Default)]
struct Seen {
    synced: AtomicU64,
    /// The newest checkpoint that is durable.
    saved: Mutex<Option<Checkpoint>>,
    full: AtomicBool,
    /// Bytes of records that a full disk has no room for.
    blocked: AtomicUsize,
    ended: AtomicBool,
}

impl<R: Serialize + Send + 'static> Journal<R> {
    /// Starts the thread, which first makes durable what opening the store has left to do, as
    /// [`Journal::START`].
    ///
    /// # Errors
    /// [`Error::Thread`] when the system gives no thread.
    pub fn start(store: Store, replica: ReplicaId, wake: Wake) -> Result<Self, Error> {
        let (jobs, waiting) = bounded(Self::TURNS_MAX);
        let seen = Seen { saved: Mutex::new(store.saved().cloned()), ..Seen::default() };
        let (seen, meter) = (Arc::new(seen), Arc::clone(store.meter()));
        let end = End { seen: Arc::clone(&seen), wake };
        let (turn, flushes, next_piece) = (Self::START, Vec::new(), Instant::now());
        let writer = Writer { end, store, waiting, turn, flushes, next_piece, piece_turn: turn };
        let name = format!("journal-{replica}");
        let spawned = std::thread::Builder::new().name(name).spawn(move || writer.run());
        let thread = spawned.map_err(|source| Error::Thread { replica, source })?;
        Ok(Self { replica, jobs: Some(jobs), seen, meter, thread: Some(thread) })
    }
}

impl<R> Journal<R> {
    /// The turn that stands for the start. Turns that are handed over have higher numbers.
    pub const START: u64 = 1;
    /// Turns that may wait for the thread; the next one has to wait.
    const TURNS_MAX: usize = 256;
    /// How long an answer may take before it is asked whether the thread has ended.
    const LOOK_AFTER: Duration = Duration::from_millis(50);

    /// Hands over what a turn leaves for the disk.
    ///
    /// # Errors
    /// [`Error::Disk`] when the thread has ended with it.
    pub fn hand(&mut self, turn: u64, durable: Vec<Durable<R>>) -> Result<(), Error> {
        self.send(Job::Turn(turn, durable))
    }

    /// The last turn that is durable, with all before it.
    ///
    /// # Errors
    /// [`Error::Disk`] when the thread has ended with it: nothing after the last answer may leave.
    pub fn synced(&mut self) -> Result<u64, Error> {
        if self.has_ended() {
            return Err(self.failure());
        }
        Ok(self.seen.synced.load(Ordering::Acquire))
    }

    /// The newest checkpoint that is durable.
    pub fn saved(&self) -> Option<Checkpoint> {
        self.seen.saved().clone()
    }

    /// Waits until all that has been handed over is durable, but for a checkpoint on its way.
    ///
    /// # Errors
    /// [`Error::Disk`]: the disk is full, or the thread has ended with it.
    pub fn flush(&mut self) -> Result<(), Error> {
        let (done, answer) = bounded(1);
        self.send(Job::Flush(done))?;
        // A job that the thread has not taken when it ends stays in the channel, and `done` in it.
        let mut outcome = answer.recv_timeout(Self::LOOK_AFTER);
        while outcome == Err(RecvTimeoutError::Timeout) && !self.has_ended() {
            outcome = answer.recv_timeout(Self::LOOK_AFTER);
        }
        if outcome.is_ok() {
            return Ok(());
        }
        if self.has_ended() {
            return Err(self.failure());
        }
        Err(self.error(std::io::ErrorKind::StorageFull.into()))
    }

    /// Whether the disk has no room. The thread tries again by itself.
    pub fn is_full(&self) -> bool {
        self.seen.full.load(Ordering::Acquire)
    }

    /// Bytes of records that have been taken, and that it has no room for.
    pub fn blocked_bytes(&self) -> usize {
        self.seen.blocked.load(Ordering::Acquire)
    }

    /// How many turns wait for the thread to take them.
    pub fn waiting(&self) -> usize {
        self.jobs.as_ref().map_or(0, Sender::len)
    }

    /// What has been asked of the disk.
    pub fn meter(&self) -> &Arc<DiskMeter> {
        &self.meter
    }

    fn has_ended(&self) -> bool {
        self.seen.ended.load(Ordering::Acquire)
    }

    fn send(&mut self, job: Job<R>) -> Result<(), Error> {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    /// Why the thread has ended.
    fn failure(&mut self) -> Error {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            Some(Ok(Ok(()))) | None => self.error(std::io::Error::other("it has failed before")),
        }
    }

    fn error(&self, source: std::io::Error) -> Error {
        let file = "the journal".to_owned();
        Error::Disk { replica: self.replica, doing: "write to", file, source }
    }
}

impl<R> Drop for Journal<R> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // Nobody is left who could be told of an error, and nothing that depends on it can
            // leave.
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn saved(&self) -> MutexGuard<'_, Option<Checkpoint>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the thread has ended, however it ends.
struct End {
    seen: Arc<Seen>,
    wake: Wake,
}

impl Drop for End {
    fn drop(&mut self) {
        self.seen.ended.store(true, Ordering::Release);
        (self.wake)();
    }
}

/// The part that lives on the thread.
struct Writer<R> {
    /// Dropped first, so that whoever waits for an answer in vain finds why.
    end: End,
    store: Store,
    waiting: Receiver<Job<R>>,
    /// The last turn taken.
    turn: u64,
    flushes: Vec<Sender<()>>,
    /// When the next piece of a checkpoint may be written, and the last turn that had been taken at
    /// the one before.
    next_piece: Instant,
    piece_turn: u64,
}

impl<R: Serialize> Writer<R> {
    /// How long a full disk is left alone.
    const FULL_RETRY: Duration = Duration::from_millis(100);
    /// The longest rest between two pieces.
    const REST_MAX: Duration = Duration::from_millis(250);

    fn run(mut self) -> Result<(), Error> {
        loop {
            for job in self.waiting.try_iter().take(Journal::<R>::TURNS_MAX).collect::<Vec<_>>() {
                self.take(job)?;
            }
            if !self.append()? {
                return Ok(());
            }
            self.sync()?;
            self.publish();
            if self.store.has_pieces() && Instant::now() >= self.next_piece {
                self.save_piece()?;
                self.publish();
            }
            match self.next() {
                Ok(job) => self.take(job)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn sync(&mut self) -> Result<(), Error> {
        if self.store.is_dirty() {
            let start = Instant::now();
            self.store.meter().begin_group();
            self.store.sync()?;
            self.store.meter().on_group(start.elapsed());
        }
        Ok(())
    }

    /// Writes a piece of a checkpoint, and decides when the next one is due.
    fn save_piece(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        self.store.append_piece()?;
        self.sync()?;
        let end = Instant::now();
        let rest = match self.store.is_starved() {
            true => Self::FULL_RETRY,
            // Nobody else wants the disk.
            false if self.turn == self.piece_turn => end - start,
            false => (self.store.rests() * (end - start)).min(Self::REST_MAX),
        };
        self.piece_turn = self.turn;
        self.next_piece = end + rest;
        Ok(())
    }

    /// The next job, for which it waits only as long as it has nothing else to do.
    fn next(&self) -> Result<Job<R>, RecvTimeoutError> {
        if self.store.has_pieces() {
            self.waiting.recv_timeout(self.next_piece.saturating_duration_since(Instant::now()))
        } else {
            self.waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    /// Says what is durable, and to whom it is news.
    fn publish(&mut self) {
        let seen = &self.end.seen;
        let mut news = seen.synced.swap(self.turn, Ordering::AcqRel) != self.turn;
        let mut known = seen.saved();
        if self.store.saved() != known.as_ref() {
            *known = self.store.saved().cloned();
            news = true;
        }
        drop(known);
        for done in self.flushes.drain(..) {
            let _ = done.send(());
        }
        if news {
            (self.end.wake)();
        }
    }

    fn take(&mut self, job: Job<R>) -> Result<(), Error> {
        match job {
            Job::Turn(turn, durable) => {
                assert!(turn > self.turn, "turns come in their order: {turn} after {}", self.turn);
                self.turn = turn;
                return self.store.queue(durable);
            }
            Job::Flush(done) => self.flushes.push(done),
        }
        Ok(())
    }

    /// Appends all that has been taken, however long the disk is full. Says whether it has done so:
    /// when the replica ends, it stops trying.
    fn append(&mut self) -> Result<bool, Error> {
        let seen = Arc::clone(&self.end.seen);
        loop {
            match self.store.append_records() {
                Err(error) if error.is_full() => {}
                outcome => {
                    outcome?;
                    seen.blocked.store(0, Ordering::Release);
                    seen.full.store(false, Ordering::Release);
                    return Ok(true);
                }
            }
            seen.blocked.store(self.store.blocked_bytes(), Ordering::Release);
            if !seen.full.swap(true, Ordering::AcqRel) {
                (self.end.wake)();
            }
            self.flushes.clear();
            match self.waiting.recv_timeout(Self::FULL_RETRY) {
                Ok(job) => self.take(job)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Serializer;

    use super::*;
    use crate::disk::{Identity, MemoryDisk, ProtocolName};

    fn journal<R: Serialize + Send + 'static>() -> Journal<R> {
        let owner =
            Identity { cluster: 1, replica: ReplicaId(0), protocol: ProtocolName::of("tara") };
        let mut disk = MemoryDisk::default();
        Store::create(&mut disk, owner).unwrap();
        let (store, _) = Store::open::<u64>(Box::new(disk), owner).unwrap();
        Journal::start(store, owner.replica, Box::new(|| {})).unwrap()
    }

    /// A record that the thread cannot write, which it finds out when it is told.
    struct Fatal(Receiver<()>);

    impl Serialize for Fatal {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            let _ = self.0.recv();
            Err(serde::ser::Error::custom("it cannot be written"))
        }
    }

    #[test]
    #[should_panic(expected = "plain data always encodes")]
    fn whoever_waits_for_a_flush_that_the_thread_has_not_taken_is_told_that_it_has_ended() {
        let mut journal = journal();
        let (tell, told) = bounded(0);
        journal.hand(2, vec![Durable::Newest(Fatal(told))]).unwrap();
        while journal.waiting() > 0 {
            std::thread::yield_now();
        }
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(tell);
        });

        let _ = journal.flush();
    }

    #[test]
    #[should_panic(expected = "turns come in their order")]
    fn a_turn_cannot_be_handed_over_twice() {
        let mut journal = journal::<u64>();

        journal.hand(2, Vec::new()).unwrap();
        journal.hand(2, Vec::new()).unwrap();

        // The thread's panic is passed on once it has ended.
        (0..1_000).for_each(|_| drop(journal.flush()));
    }
}
