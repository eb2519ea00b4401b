//! The client of asynchronous callers, whatever their runtime.
//!
//! A [`Client`] on a thread of its own does the work, and completes the futures that wait for it.
//! So a caller that blocks needs no runtime, one that does not may have any, and the rules of a
//! session are followed in one place. A thread for each client is what that costs; a client takes
//! as many requests at a time as its session's window.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Waker;
use tokio::sync::{mpsc, oneshot};

use super::{Client, Target};
use crate::model::error::Error;

/// Asks a cluster of processes to do things, each exactly once, on behalf of any number of tasks.
///
/// Copies share a session. Requests take effect in the order in which their futures are first
/// polled. A future that is dropped is not waited for; its request may take effect.
#[derive(Clone)]
pub struct AsyncClient {
    calls: mpsc::Sender<Call>,
    waker: Arc<Waker>,
}

/// A command, and where its reply goes.
struct Call {
    command: Vec<u8>,
    reply: oneshot::Sender<Result<Vec<u8>, Error>>,
}

impl AsyncClient {
    /// Calls that may wait for the thread to take them; further ones wait for room.
    const CALLS_MAX: usize = 1024;

    /// Connects to a cluster, and opens a session there.
    ///
    /// # Errors
    /// As [`Target::connect`] and [`Client::connect`], or [`Error::System`] without a thread.
    pub async fn connect(target: Target) -> Result<Self, Error> {
        let (opened, opening) = oneshot::channel();
        let run = move || match target.connect_waking() {
            Err(error) => drop(opened.send(Err(error))),
            Ok((client, waker)) => {
                let (calls, waiting) = mpsc::channel(Self::CALLS_MAX);
                let waker = Arc::new(waker);
                if opened.send(Ok(Self { calls, waker })).is_ok() {
                    Driver { client, waiting, open: VecDeque::new() }.run(target.deadline);
                }
            }
        };
        let thread = std::thread::Builder::new().name("client".to_owned()).spawn(run);
        thread.map_err(Error::System)?;
        opening.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Has `command` applied once, and waits for the reply.
    ///
    /// # Errors
    /// As [`Client::call`]. After a session was closed, every call is refused: connect again.
    pub async fn call(&self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let (reply, answer) = oneshot::channel();
        let call = Call { command: command.to_vec(), reply };
        self.calls.send(call).await.map_err(|_| ended())?;
        // A thread that cannot be woken looks by itself, a little later.
        let _ = self.waker.wake();
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Only a panic ends the thread while there are callers.
fn ended() -> Error {
    Error::System(std::io::Error::other(
        "the client's thread has ended; what was asked may have taken effect",
    ))
}

/// What lives on the thread.
struct Driver {
    client: Client,
    waiting: mpsc::Receiver<Call>,
    /// The requests that wait for an answer, by number, each with the time at which it is given up.
    open: VecDeque<Open>,
}

struct Open {
    number: u64,
    until: Instant,
    /// Gone once it is answered.
    reply: Option<oneshot::Sender<Result<Vec<u8>, Error>>>,
}

impl Driver {
    /// How long it waits for an answer before it looks at the time.
    const TICK: Duration = Duration::from_millis(10);

    /// Runs until nobody is left who could ask, and all is answered.
    fn run(mut self, deadline: Duration) {
        loop {
            while self.client.room() > 0
                && let Ok(call) = self.waiting.try_recv()
            {
                self.submit(call, deadline);
            }
            if self.open.is_empty() {
                let Some(call) = self.waiting.blocking_recv() else { return };
                self.submit(call, deadline);
            }
            let Self { client, open, .. } = &mut self;
            client.step(Self::TICK, &mut |number, outcome| {
                let at = open.binary_search_by_key(&number, |open| open.number);
                if let Some(reply) = at.ok().and_then(|at| open[at].reply.take()) {
                    // Nobody may wait for it any more.
                    let _ = reply.send(outcome.into_result(number));
                }
            });
            self.give_up();
        }
    }

    fn submit(&mut self, Call { command, reply }: Call, deadline: Duration) {
        match self.client.submit(&command) {
            Ok(number) => {
                let until = Instant::now() + deadline;
                self.open.push_back(Open { number, until, reply: Some(reply) });
            }
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Lets go what is answered, and what has waited too long.
    fn give_up(&mut self) {
        let now = Instant::now();
        while let Some(open) =
            self.open.pop_front_if(|open| open.reply.is_none() || open.until <= now)
        {
            if let Some(reply) = open.reply {
                self.client.give_up(open.number);
                let _ = reply.send(Err(Error::Unknown { number: open.number }));
            }
        }
    }
}
