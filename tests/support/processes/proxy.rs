//! A link between two replicas that does what links do at their worst.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As one wants it.
    Sound,
    /// Everything takes so long.
    Slow(Duration),
    /// What is sent is not taken, so that it piles up at the sender.
    Stuck,
    /// What is sent is taken and goes nowhere; such a connection does not mend.
    Lossy,
    /// Connections are closed, and no new one is made.
    Cut,
}

/// What happens to a link once, to what is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// A bit is flipped.
    Flip,
    /// The connection is closed.
    Close,
    /// The dialler loses the connection, and the dialled one does not notice.
    HalfOpen,
}

/// The way from one replica to another. A link is dialled by whoever speaks on it; all that comes
/// back is the welcome, and TLS.
pub struct Proxy {
    pub from: usize,
    pub to: usize,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the proxy's threads look at.
struct Shared {
    condition: Mutex<Condition>,
    mishap: Mutex<Option<Mishap>>,
    mishaps: AtomicU64,
    over: AtomicBool,
}

/// How long it may take until a change of the condition is noticed.
const GLANCE: Duration = Duration::from_millis(10);

impl Proxy {
    /// Listens on a port of its own for what `from` has to say to `to`, who listens on `target`.
    pub fn start(from: usize, to: usize, target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = Arc::new(Shared {
            condition: Mutex::new(Condition::Sound),
            mishap: Mutex::new(None),
            mishaps: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&own);
        thread::spawn(move || {
            for near in listener.incoming() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(near), true) = (near, shared.condition() != Condition::Cut) else {
                    continue;
                };
                let shared = Arc::clone(&shared);
                thread::spawn(move || join(near, target, &shared));
            }
        });
        Self { from, to, address, shared: own }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the condition.
    pub fn set(&self, condition: Condition) {
        *self.shared.condition.lock().unwrap() = condition;
    }

    /// Has something happen to what is sent next.
    pub fn strike(&self, mishap: Mishap) {
        *self.shared.mishap.lock().unwrap() = Some(mishap);
    }

    /// How many mishaps there have been.
    pub fn mishaps(&self) -> u64 {
        self.shared.mishaps.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // The listener waits for somebody.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn condition(&self) -> Condition {
        *self.condition.lock().unwrap()
    }

    fn take_mishap(&self) -> Option<Mishap> {
        let mishap = self.mishap.lock().unwrap().take();
        self.mishaps.fetch_add(u64::from(mishap.is_some()), Ordering::Relaxed);
        mishap
    }
}

/// Joins the dialler to whom it means, until either hangs up or the link does it.
fn join(near: TcpStream, target: SocketAddr, shared: &Arc<Shared>) {
    let Ok(far) = TcpStream::connect(target) else { return };
    for socket in [&near, &far] {
        socket.set_read_timeout(Some(GLANCE)).unwrap();
        socket.set_nodelay(true).unwrap();
    }
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    let watched = Arc::clone(shared);
    // As long as there is a way back, the far end of a half-open connection is held.
    thread::spawn(move || carry(far_too, near_too, &watched, false));
    carry(near, far, shared, true);
}

/// Carries bytes one way until that ends. Mishaps happen on the way there.
fn carry(mut from: TcpStream, mut to: TcpStream, shared: &Shared, there: bool) {
    let (mut piece, mut lost) = (vec![0; 64 << 10], false);
    while !shared.over.load(Ordering::Relaxed) {
        match shared.condition() {
            Condition::Cut => break,
            Condition::Stuck => {
                thread::sleep(GLANCE);
                continue;
            }
            _ => {}
        }
        let count = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if is_timeout(&error) => continue,
            Err(_) => break,
        };
        match shared.condition() {
            Condition::Lossy => {
                lost = true;
                continue;
            }
            _ if lost => break,
            Condition::Slow(by) => thread::sleep(by),
            _ => {}
        }
        match there.then(|| shared.take_mishap()).flatten() {
            None => {}
            Some(Mishap::Flip) => piece[count / 2] ^= 0x10,
            Some(Mishap::Close) => break,
            Some(Mishap::HalfOpen) => {
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
