//! Bytes and frames that nobody should send.

use serde_bytes::ByteBuf;
use taraflow::dataflows::tara::{Commit, Message, ViewRequest};
use taraflow::engine::operators::catch_up::CatchUp;
use taraflow::engine::operators::checkpointer::Report;
use taraflow::engine::operators::executor::Progress;
use taraflow::engine::operators::requests::{Announce, Forward};
use taraflow::engine::operators::transfer::{GroupDigests, Offer, Piece};
use taraflow::engine::ordering::messages::{Need, Proposal, Record, Renewal, Supply};
use taraflow::engine::ordering::runs::Run;
use taraflow::links::client_messages::ClientRequest;
use taraflow::links::frame::Outbox;
use taraflow::links::hello::{Hello, HelloReply};
use taraflow::model::batch::{Batch, BatchId, Packer, Request, Requests};
use taraflow::model::checkpoint::Checkpoint;
use taraflow::model::types::{ClientId, ReplicaId, Slot, View};

use super::caller::{Caller, Health, common};
use crate::support::{Cluster, wait_until};

/// Pseudo-random numbers: the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    /// A few bytes changed, left out or repeated.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len());
            match self.roll(3) {
                0 => bytes[at] ^= 1 << self.roll(8),
                1 if bytes.len() > 1 => bytes.truncate(at.max(1)),
                _ => bytes.extend_from_within(at..),
            }
        }
    }

    fn noise(&mut self) -> Vec<u8> {
        let length = 1 + self.roll(5000);
        (0..length).map(|_| self.roll(256) as u8).collect()
    }
}

fn pack(number: u64, acknowledged: u64, command: &[u8]) -> Requests {
    let mut packer = Packer::default();
    packer.push(Request { client: ClientId(0), number, acknowledged, command });
    packer.finish()
}

fn batch(source: u16, incarnation: u64, number: u64) -> Batch {
    let id = BatchId { source: ReplicaId(source), incarnation, number };
    Batch { id, time_ms: 0, requests: pack(1, 0, b"command") }
}

fn propose(view: u64, slot: u64, value: Option<Batch>) -> Message {
    Message::Propose(Proposal { view: View(view), slot: Slot(slot), value })
}

fn record(accepted: &[(u64, u64, u64)]) -> Message {
    let run = |(first, count, view): &(u64, u64, u64)| Run {
        first: Slot(*first),
        count: *count,
        view: View(*view),
    };
    let (view, decided) = (View(1 << 20), Slot(0));
    Message::Record(Record { view, decided, accepted: accepted.iter().map(run).collect() })
}

fn piece(total: u64, offset: u64) -> Message {
    let piece = Piece { part: u32::MAX, total, offset, bytes: ByteBuf::from(vec![0; 100]) };
    Message::CatchUp(CatchUp::Pieces { slot: Slot(1 << 30), pieces: vec![piece] })
}

fn offer(slot: u64, parts: u32, groups: &[u32]) -> Message {
    let digest = Checkpoint::new(Slot(1), vec![1]).digest;
    let groups = groups.iter().map(|group| (*group, digest)).collect();
    Message::CatchUp(CatchUp::Offer(Offer { slot: Slot(slot), digest, parts, groups }))
}

/// What no replica of three can mean.
fn impossible() -> Vec<Message> {
    let proposal = Proposal { view: View(0), slot: Slot(u64::MAX), value: None };
    let run = Run { first: Slot(0), count: 1, view: View(0) };
    let mut late = batch(1, 1, 1);
    late.time_ms = u64::MAX;
    vec![
        propose(0, u64::MAX, None),
        propose(u64::MAX, 0, None),
        propose(0, 0, Some(batch(3, 1, 1))),
        propose(0, 0, Some(batch(u16::MAX, 1, 1))),
        propose(0, 0, Some(batch(1, u64::MAX, 1))),
        propose(0, 0, Some(batch(1, 1, 1 << 63))),
        propose(0, 0, Some(late)),
        propose(0, 0, Some(Batch { requests: pack(1 << 63, 0, b""), ..batch(1, 1, 1) })),
        Message::Forward(Forward { batch: batch(1, 1, 1), oldest: 2 }),
        Message::Commit(Commit { view: View(0), slot: Slot(u64::MAX) }),
        Message::Report(Report {
            slot: Slot(u64::MAX),
            digest: Checkpoint::new(Slot(1), vec![]).digest,
        }),
        Message::View(ViewRequest { entered: View(0), wanted: View(u64::MAX) }),
        Message::Announce(Announce { target: Progress { incarnation: 1, number: u64::MAX } }),
        Message::CatchUp(CatchUp::Executed(Slot(u64::MAX))),
        Message::CatchUp(CatchUp::Decided { from: Slot(u64::MAX), values: vec![None] }),
        Message::CatchUp(CatchUp::FetchParts { slot: Slot(1), parts: vec![], offset: u64::MAX }),
        Message::CatchUp(CatchUp::FetchGroups { slot: Slot(u64::MAX), groups: vec![] }),
        offer(u64::MAX, 1, &[0]),
        offer(1, u32::MAX, &[0]),
        offer(1, 300, &[1, 0]),
        offer(1, 300, &[2]),
        piece(u64::MAX, 0),
        piece(100, u64::MAX - 50),
        record(&[(0, 0, 0)]),
        record(&[(0, u64::MAX, 0)]),
        record(&[(5, 2, 0), (6, 2, 0)]),
        record(&[(0, 1, u64::MAX)]),
        record(&[(1 << 40, 1, 0)]),
        Message::Renew(Renewal { view: View(1), slots: vec![Run { view: View(2), ..run }] }),
        Message::Need(Need { slots: vec![Run { first: Slot(u64::MAX), ..run }] }),
        Message::Supply(Supply { proposals: vec![proposal] }),
    ]
}

/// What a replica could mean, but none in this cluster does.
fn far_fetched() -> Vec<Message> {
    let far = (1 << 62) - 1;
    vec![
        propose(far, far, None),
        propose(0, 1 << 50, Some(batch(1, 1, 1))),
        Message::Forward(Forward { batch: batch(1, far, far), oldest: 0 }),
        Message::Commit(Commit { view: View(far), slot: Slot(far) }),
        Message::CatchUp(CatchUp::Executed(Slot(far))),
        Message::CatchUp(CatchUp::Fetch { from: Slot(far) }),
        Message::CatchUp(CatchUp::Decided { from: Slot(far), values: vec![None; 1000] }),
        Message::CatchUp(CatchUp::FetchParts {
            slot: Slot(far),
            parts: vec![0, u32::MAX],
            offset: far,
        }),
        Message::CatchUp(CatchUp::FetchGroups { slot: Slot(far), groups: vec![0, u32::MAX] }),
        Message::CatchUp(CatchUp::Groups {
            slot: Slot(far),
            groups: vec![GroupDigests { group: u32::MAX, parts: Vec::new() }],
        }),
        offer(far, 300, &[0, 1]),
        piece(far, 0),
        piece(1 << 40, 1 << 39),
        record(&[(0, 100, 7)]),
        Message::Report(Report {
            slot: Slot(far),
            digest: Checkpoint::new(Slot(1), vec![]).digest,
        }),
    ]
}

#[test]
fn noise_on_any_port_harms_nobody() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let mut dice = Dice(1);
    let mut good = Outbox::default();
    good.put(&Hello::of_client(None, None));
    good.put(&ClientRequest::Requests(pack(0, 0, b"")));
    let good = good.waiting();
    let redis = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\nPING\r\nMULTI\r\nGET k\r\nEXEC\r\n";

    for _ in 0..150 {
        let mut links = Caller::dial(cluster.links(dice.roll(3)));
        let mut spoilt = good.to_vec();
        dice.spoil(&mut spoilt);
        links.throw(&spoilt);
        links.throw(&dice.noise());
        Caller::dial(cluster.links(dice.roll(3))).throw(&dice.noise());
        Caller::client(cluster.links(dice.roll(3))).throw(&dice.noise());
        Caller::replica(&cluster, 1).throw(&dice.noise());

        let mut clients = Caller::dial(cluster.clients(dice.roll(3)));
        let mut spoilt = redis.to_vec();
        dice.spoil(&mut spoilt);
        clients.throw(&spoilt);
        clients.throw(&dice.noise());
        Caller::dial(cluster.clients(dice.roll(3))).throw(&dice.noise());
    }

    health.is_unharmed(&cluster);
}

#[test]
fn what_cannot_be_true_is_refused_whoever_says_it() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);

    for message in impossible() {
        let mut liar = Caller::replica(&cluster, 1);
        liar.say(&message);
        liar.is_hung_up_on();
    }
    let line = ClientId::of_line(200);
    let mut packer = Packer::default();
    packer.push(Request { client: line, number: 1, acknowledged: 0, command: b"PING\r\n" });
    for requests in [pack(1 << 63, 0, b""), pack(u64::MAX, u64::MAX, b""), packer.finish()] {
        let mut liar = Caller::client(cluster.links(0));
        liar.say(&ClientRequest::Requests(requests));
        liar.is_hung_up_on();
    }

    health.is_unharmed(&cluster);
    assert!(cluster.log(0).contains("a frame that cannot be understood"));
}

#[test]
fn what_is_far_fetched_kills_nobody() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);

    for message in far_fetched() {
        let mut liar = Caller::replica(&cluster, 1);
        assert!(liar.say(&message));
    }
    let mut client = Caller::client(cluster.links(0));
    for (number, acknowledged) in [(1, u64::MAX), ((1 << 62) - 1, (1 << 62) - 2), (1, 0)] {
        assert!(client.say(&ClientRequest::Requests(pack(number, acknowledged, b"no command"))));
    }
    assert!(client.say(&ClientRequest::Requests(Packer::default().finish())));

    health.is_unharmed(&cluster);
}

#[test]
fn a_pack_larger_than_a_command_does_not_get_as_far_as_the_other_replicas() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let lost = |index| cluster.log(index).matches("link lost").count();
    let before: Vec<usize> = (0..3).map(lost).collect();

    for bytes in [24 << 20, (24 << 20) + (300 << 10), 26 << 20, 70_000_000] {
        let mut client = Caller::client(cluster.links(0));
        client.say(&ClientRequest::Requests(pack(1, 0, &vec![b'x'; bytes])));
    }

    health.is_unharmed(&cluster);
    assert_eq!((0..3).map(lost).collect::<Vec<_>>(), before);
}

#[test]
fn frames_repeated_left_out_damaged_or_too_long_end_the_connection() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let mut hello = Outbox::default();
    hello.put(&Hello::of_client(None, None));
    let hello = hello.waiting();

    let mut twice = Caller::dial(cluster.links(0));
    twice.throw(hello);
    twice.throw(hello);
    twice.is_hung_up_on();
    let mut damaged = Caller::dial(cluster.links(0));
    damaged.throw(&[&hello[..20], &[hello[20] ^ 1], &hello[21..]].concat());
    damaged.is_hung_up_on();
    let mut long = Caller::dial(cluster.links(0));
    long.throw(&[&u32::MAX.to_le_bytes()[..], &[0; 12]].concat());
    long.is_hung_up_on();
    let mut long = Caller::replica(&cluster, 1);
    long.throw(&[&u32::MAX.to_le_bytes()[..], &[0; 4], &1u64.to_le_bytes()].concat());
    long.is_hung_up_on();

    health.is_unharmed(&cluster);
    let log = cluster.log(0);
    for reason in ["frame 0 where frame 1 was due", "checksum", "4294967295 bytes"] {
        assert!(log.contains(reason), "{reason}");
    }
}

#[test]
fn a_replica_of_other_settings_is_told_why_it_is_not_let_in() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let (me, to) = (ReplicaId(1), ReplicaId(0));
    let mut other_settings = common(&cluster);
    other_settings.settings.binding.insert("limits.window".to_owned(), 7);
    let mut other_cluster = common(&cluster);
    other_cluster.cluster ^= 1;
    let mut other_protocol = common(&cluster);
    other_protocol.protocol = "pbft".to_owned();
    let told = [
        (
            Hello::of_replica(me, to, &other_settings),
            "limits.window is 7 on replica 1 and 131072 on replica 0",
        ),
        (Hello::of_replica(me, to, &other_cluster), "was meant"),
        (Hello::of_replica(me, to, &other_protocol), "speaks pbft"),
        (Hello::of_replica(me, ReplicaId(2), &common(&cluster)), "replica 2 was meant"),
        (Hello::of_replica(ReplicaId(0), to, &common(&cluster)), "is no peer"),
        (Hello::of_replica(ReplicaId(7), to, &common(&cluster)), "is no peer"),
    ];

    for (hello, wanted) in told {
        let mut liar = Caller::dial(cluster.links(0));
        liar.say(&hello);
        let Some(HelloReply::Mismatch(why)) = liar.answer() else { panic!("let in: {wanted}") };
        assert!(why.contains(wanted), "{why}");
        liar.is_hung_up_on();
        wait_until("the log says so", || cluster.log(0).contains(wanted));
    }

    health.is_unharmed(&cluster);
}

#[test]
fn a_web_page_cannot_write_through_the_port_of_redis_clients() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let body = "\r\n\r\nSET cluster:probe stolen\r\n";

    for head in ["POST / HTTP/1.1\r\nOrigin: null", "PUT / HTTP/1.1\r\nhost: localhost"] {
        let mut page = Caller::dial(cluster.clients(0));
        page.throw(format!("{head}{body}").as_bytes());
        page.is_hung_up_on();
    }
    // This one does not wait to be hung up on.
    Caller::dial(cluster.clients(0)).throw(format!("POST / HTTP/1.1{body}").as_bytes());
    // What comes again from the same machine is counted, and not told line by line.
    wait_until("it is in the log", || cluster.log(0).contains("possible attack"));

    assert_eq!(cluster.ask(1, "STRLEN cluster:probe").unwrap(), ":1");
    let log = cluster.log(0);
    let said = log.lines().filter(|line| line.contains("possible attack")).collect::<Vec<_>>();
    assert!(said.iter().all(|line| line.contains("127.0.0.1")), "{log}");
    health.is_unharmed(&cluster);
}
