//! Somebody who dials a replica and keeps to no rules.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde::Serialize;
use taraflow::deploy::settings;
use taraflow::links::frame::{Inbox, Outbox};
use taraflow::links::hello::{Common, Hello, HelloReply};
use taraflow::model::types::ReplicaId;

use crate::support::system;
use crate::support::{Cluster, PATIENCE, wait_until};

/// A plain connection.
pub struct Caller {
    socket: TcpStream,
    outbox: Outbox,
    inbox: Inbox,
}

impl Caller {
    /// Dials.
    pub fn dial(address: SocketAddr) -> Self {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket, outbox: Outbox::default(), inbox: Inbox::new(64 << 20) }
    }

    /// Dials and is let in as a client.
    pub fn client(address: SocketAddr) -> Self {
        Self::welcomed(address, &Hello::of_client(None, None))
    }

    /// Dials replica 0 and is let in as `replica`, which a plain link cannot tell from the true
    /// one.
    pub fn replica(cluster: &Cluster, replica: u16) -> Self {
        let hello = Hello::of_replica(ReplicaId(replica), ReplicaId(0), &common(cluster));
        Self::welcomed(cluster.links(0), &hello)
    }

    fn welcomed(address: SocketAddr, hello: &Hello) -> Self {
        let mut caller = Self::dial(address);
        caller.say(hello);
        assert!(matches!(caller.answer(), Some(HelloReply::Welcome { .. })));
        caller
    }

    /// Sends a frame; says whether all of it was taken.
    pub fn say(&mut self, value: &impl Serialize) -> bool {
        self.outbox.put(value);
        let bytes = self.outbox.waiting().to_vec();
        self.outbox.left(bytes.len());
        self.throw(&bytes)
    }

    /// Sends bytes; says whether all of them were taken.
    pub fn throw(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// What it is told at the door.
    pub fn answer(&mut self) -> Option<HelloReply> {
        self.hear().map(|payload| postcard::from_bytes(&payload).unwrap())
    }

    /// The next frame that comes in, if one does before the other end hangs up.
    pub fn hear(&mut self) -> Option<Vec<u8>> {
        let until = Instant::now() + PATIENCE;
        let mut piece = [0; 4096];
        while Instant::now() < until {
            if let Some(payload) = self.inbox.next_frame().unwrap() {
                return Some(payload.to_vec());
            }
            match self.socket.read(&mut piece) {
                Ok(count @ 1..) => self.inbox.room().extend_from_slice(&piece[..count]),
                Err(error) if is_timeout(&error) => {}
                _ => return None,
            }
        }
        panic!("neither answered nor hung up on");
    }

    /// Waits until the other end hangs up.
    pub fn is_hung_up_on(&mut self) {
        let until = Instant::now() + PATIENCE;
        let mut piece = [0; 4096];
        while Instant::now() < until {
            match self.socket.read(&mut piece) {
                Ok(1..) => {}
                Err(error) if is_timeout(&error) => {}
                _ => return,
            }
        }
        panic!("not hung up on");
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// What the replicas of a cluster agree on.
pub fn common(cluster: &Cluster) -> Common {
    let (read, _) = settings::ClusterSettings::read(
        &cluster.directory().join("cluster.toml"),
        taraflow::dataflows::tolerance,
    )
    .unwrap();
    Common { cluster: read.id, settings: read.shared(), protocol: read.protocol }
}

/// The replicas of a cluster, to be seen unharmed later.
pub struct Health {
    pids: Vec<Pid>,
}

impl Health {
    /// How they are now.
    pub fn of(cluster: &Cluster) -> Self {
        Self { pids: (0..3).map(|index| cluster.pid(index).unwrap()).collect() }
    }

    /// Checks that none has died, and that all serve.
    pub fn is_unharmed(&self, cluster: &Cluster) {
        for (index, pid) in self.pids.iter().enumerate() {
            assert_eq!(cluster.pid(index), Some(*pid), "replica {index} has died");
            wait_until(&format!("replica {index} serves"), || cluster.serves(index));
            assert_eq!(cluster.pid(index), Some(*pid), "replica {index} has died");
            assert!(!cluster.log(index).contains("panicked"), "replica {index} has panicked");
        }
    }

    /// The memory of replica `index`, in MiB.
    pub fn memory(&self, index: usize) -> usize {
        system::memory(self.pids[index]) >> 20
    }

    /// The processor time that replica `index` takes while `during` passes, of one core.
    pub fn load(&self, index: usize, during: Duration) -> f64 {
        let before = system::processor_time(self.pids[index]);
        std::thread::sleep(during);
        (system::processor_time(self.pids[index]) - before) / during.as_secs_f64()
    }
}
