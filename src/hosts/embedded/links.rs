//! Links between replicas of one process: bounded, lossy when full, and never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::model::types::{ReplicaId, To};
use crate::observe::status::Link;

/// What one turn of a replica says to one peer.
pub(super) struct Parcel<M> {
    pub from: ReplicaId,
    pub messages: Vec<M>,
    bytes: usize,
}

/// Where the parcels for one replica lie until it takes them.
struct Mailbox<M> {
    sender: Sender<Parcel<M>>,
    receiver: Receiver<Parcel<M>>,
    /// Whether the replica lives.
    open: AtomicBool,
    /// The links that lead here, by sender: a slow replica fills its own only.
    links: Vec<Counts>,
}

/// What one replica has put into the mailbox of another.
#[derive(Default)]
struct Counts {
    /// Bytes that lie there.
    queued: AtomicUsize,
    /// Messages put there.
    sent: AtomicU64,
    /// Their bytes.
    bytes: AtomicU64,
    /// Messages that found the box closed or full.
    dropped: AtomicU64,
}

/// All mailboxes of a cluster.
pub(super) struct Post<M> {
    boxes: Vec<Mailbox<M>>,
    weight: fn(&M) -> usize,
    bytes_max: usize,
}

impl<M: Clone> Post<M> {
    /// Parcels that may lie in a mailbox, whatever their size.
    const PARCELS_MAX: usize = 4096;

    pub fn new(n: usize, weight: fn(&M) -> usize, bytes_max: usize) -> Self {
        let mailbox = || {
            let (sender, receiver) = bounded(Self::PARCELS_MAX);
            let links = (0..n).map(|_| Counts::default()).collect();
            Mailbox { sender, receiver, open: AtomicBool::new(false), links }
        };
        Self { boxes: (0..n).map(|_| mailbox()).collect(), weight, bytes_max }
    }

    /// Messages for `replica` that were dropped.
    pub fn dropped(&self, replica: ReplicaId) -> u64 {
        let links = self.boxes[replica.0 as usize].links.iter();
        links.map(|link| link.dropped.load(Ordering::Relaxed)).sum()
    }

    /// How the link from one replica to another stands.
    pub fn status(&self, from: ReplicaId, to: ReplicaId) -> Link {
        let mailbox = &self.boxes[to.0 as usize];
        let link = &mailbox.links[from.0 as usize];
        let up = mailbox.open.load(Ordering::Acquire);
        Link {
            up,
            connects: 1,
            last_fault: (!up).then(|| format!("replica {to} has ended")),
            dropped: link.dropped.load(Ordering::Relaxed),
            sent: link.sent.load(Ordering::Relaxed),
            sent_bytes: link.bytes.load(Ordering::Relaxed),
            queued_bytes: link.queued.load(Ordering::Relaxed),
            ..Link::to(to)
        }
    }

    /// Opens the mailbox of a replica that starts.
    pub fn open(&self, me: ReplicaId) -> Receiver<Parcel<M>> {
        let mailbox = &self.boxes[me.0 as usize];
        mailbox.open.store(true, Ordering::Release);
        mailbox.receiver.clone()
    }

    /// Closes the mailbox of a replica that has ended, and throws away what lies there.
    pub fn close(&self, me: ReplicaId) {
        let mailbox = &self.boxes[me.0 as usize];
        mailbox.open.store(false, Ordering::Release);
        while let Ok(parcel) = mailbox.receiver.try_recv() {
            self.took(me, &parcel);
        }
    }

    /// Notes that `me` has taken a parcel out of its mailbox.
    pub fn took(&self, me: ReplicaId, parcel: &Parcel<M>) {
        let link = &self.boxes[me.0 as usize].links[parcel.from.0 as usize];
        link.queued.fetch_sub(parcel.bytes, Ordering::AcqRel);
    }

    fn put(&self, from: ReplicaId, to: ReplicaId, messages: Vec<M>) {
        let mailbox = &self.boxes[to.0 as usize];
        let link = &mailbox.links[from.0 as usize];
        let bytes = messages.iter().map(self.weight).sum();
        let count = messages.len() as u64;
        let fits = link.queued.load(Ordering::Acquire) < self.bytes_max;
        if fits && mailbox.open.load(Ordering::Acquire) {
            link.queued.fetch_add(bytes, Ordering::AcqRel);
            match mailbox.sender.try_send(Parcel { from, messages, bytes }) {
                Ok(()) => {
                    link.sent.fetch_add(count, Ordering::Relaxed);
                    link.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                    return;
                }
                Err(_) => link.queued.fetch_sub(bytes, Ordering::AcqRel),
            };
        }
        link.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

/// One replica's side of its links.
pub(super) struct Links<M> {
    me: ReplicaId,
    post: Arc<Post<M>>,
    /// What this turn says to each replica.
    outgoing: Vec<Vec<M>>,
}

impl<M: Clone> Links<M> {
    pub fn new(me: ReplicaId, n: usize, post: Arc<Post<M>>) -> Self {
        Self { me, post, outgoing: (0..n).map(|_| Vec::new()).collect() }
    }

    /// Sends what a turn has said, a parcel a peer; what it says to itself goes to `own`. Answers how
    /// many messages left.
    pub fn send(&mut self, messages: &mut Vec<(To, M)>, own: &mut Vec<M>) -> u64 {
        let n = self.outgoing.len();
        for (to, message) in messages.drain(..) {
            let mut peers = to.replicas(self.me, n).peekable();
            while let Some(peer) = peers.next() {
                let outgoing = &mut self.outgoing[peer.0 as usize];
                if peers.peek().is_none() {
                    outgoing.push(message);
                    break;
                }
                outgoing.push(message.clone());
            }
        }
        own.append(&mut self.outgoing[self.me.0 as usize]);
        let mut sent = 0;
        for (peer, outgoing) in (0..).map(ReplicaId).zip(&mut self.outgoing) {
            if !outgoing.is_empty() {
                sent += outgoing.len() as u64;
                self.post.put(self.me, peer, std::mem::take(outgoing));
            }
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post() -> Arc<Post<u8>> {
        Arc::new(Post::new(3, |_| 10, 15))
    }

    #[test]
    fn a_full_link_drops_and_the_others_do_not() {
        let post = post();
        let inbox = post.open(ReplicaId(1));
        post.put(ReplicaId(0), ReplicaId(1), vec![1]);
        post.put(ReplicaId(0), ReplicaId(1), vec![2, 3]);
        post.put(ReplicaId(0), ReplicaId(1), vec![4]);
        post.put(ReplicaId(2), ReplicaId(1), vec![5]);
        let arrived: Vec<_> = inbox.try_iter().flat_map(|parcel| parcel.messages).collect();
        assert_eq!(arrived, [1, 2, 3, 5]);
        assert_eq!(post.dropped(ReplicaId(1)), 1);
    }

    #[test]
    fn what_lies_in_the_mailbox_of_a_replica_that_ends_is_thrown_away() {
        let post = post();
        post.open(ReplicaId(1));
        post.put(ReplicaId(0), ReplicaId(1), vec![1, 2]);
        post.close(ReplicaId(1));
        post.put(ReplicaId(0), ReplicaId(1), vec![3]);
        let inbox = post.open(ReplicaId(1));
        post.put(ReplicaId(0), ReplicaId(1), vec![4]);
        assert_eq!(inbox.try_iter().flat_map(|parcel| parcel.messages).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_message_to_all_reaches_its_sender_too() {
        let post = post();
        let inbox = post.open(ReplicaId(2));
        let mut links = Links::new(ReplicaId(0), 3, Arc::clone(&post));
        let mut own = Vec::new();
        let sent = links.send(&mut vec![(To::All, 7), (To::One(ReplicaId(0)), 8)], &mut own);
        assert_eq!((sent, own), (2, vec![7, 8]));
        assert_eq!(inbox.try_recv().map(|parcel| parcel.messages), Ok(vec![7]));
    }
}
