//! The time that clients wait when a leader goes.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use taraflow::kv::resp::RespReply;

use crate::support::machine;
use crate::support::nodes::{Nodes, REPLICAS};
use crate::support::redis::RedisConnection;
use crate::support::wait_until;

/// How long a leader is waited for before it is suspected: the default.
const SUSPECT_AFTER: Duration = Duration::from_millis(300);

/// Increments that were asked for, and those of them that were answered.
#[derive(Default)]
struct Counts {
    asked: i64,
    answered: i64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.answered += other.answered;
    }
}

/// Counts through each replica, one increment at a time, while `disturb` does what it does and a
/// little longer. Says what became of that, and the longest time that one who asks replica `at`
/// waited.
fn counting(nodes: &mut Nodes, at: usize, disturb: impl FnOnce(&mut Nodes)) -> (Counts, Duration) {
    let enough = AtomicBool::new(false);
    let (mut counts, mut gap) = (Counts::default(), Duration::ZERO);
    thread::scope(|scope| {
        let spawn = |index: usize| {
            let redis = RedisConnection::to(nodes.clients(index)).patient();
            scope.spawn(|| count(redis, &enough))
        };
        let clients: Vec<_> = (0..REPLICAS).map(spawn).collect();
        thread::sleep(Duration::from_millis(200));
        disturb(nodes);
        thread::sleep(3 * SUSPECT_AFTER);
        enough.store(true, Ordering::Relaxed);
        for (index, client) in clients.into_iter().enumerate() {
            let (counted, longest) = client.join().unwrap();
            if index == at {
                assert_eq!(counted.answered, counted.asked, "replica {at} was there all the time");
                gap = longest;
            }
            counts += counted;
        }
    });
    (counts, gap)
}

fn count(mut redis: RedisConnection, enough: &AtomicBool) -> (Counts, Duration) {
    let (mut counts, mut longest, mut heard_at) =
        (Counts::default(), Duration::ZERO, Instant::now());
    while !enough.load(Ordering::Relaxed) {
        counts.asked += i64::from(redis.is_connected());
        if redis.ask(&["INCR", "counter"]).is_some() {
            counts.answered += 1;
            longest = longest.max(heard_at.elapsed());
            heard_at = Instant::now();
        }
        thread::sleep(Duration::from_millis(2));
    }
    (counts, longest)
}

/// Has the leader go three times, and come back; the longest gap each time, seen at another
/// replica. Says which of the three is between the others: this machine may be busy with other
/// things for a while.
fn leaders_go(plain: bool, go: impl Fn(&mut Nodes, usize)) -> Duration {
    let _alone = machine::alone();
    let mut nodes = Nodes::start_all(plain, 1000);
    let (mut counts, mut gaps) = (Counts::default(), Vec::new());
    for _ in 0..3 {
        let leader = agreed_leader(&nodes);
        let at = (leader + 1) % REPLICAS;
        let (counted, gap) = counting(&mut nodes, at, |nodes| go(nodes, leader));
        gaps.push(gap);
        counts += counted;
        let total = counter(&nodes, at);
        assert!((counts.answered..=counts.asked).contains(&total), "{total}");
        nodes.start(leader);
        nodes.all_serve();
    }
    eprintln!("longest gaps after a leader has gone: {gaps:?}");
    gaps.sort_unstable();
    gaps[1]
}

fn counter(nodes: &Nodes, at: usize) -> i64 {
    match RedisConnection::to(nodes.clients(at)).patient().ask(&["GET", "counter"]) {
        Some(RespReply::Bulk(Some(text))) => String::from_utf8(text).unwrap().parse().unwrap(),
        other => panic!("the counter is {other:?}"),
    }
}

/// The leader of the view that all replicas are in.
fn agreed_leader(nodes: &Nodes) -> usize {
    let mut leader = None;
    wait_until("all follow one leader", || {
        let seen = [0, 1, 2].map(|index| nodes.status(index));
        leader = seen[0]["leader"].as_u64().map(|leader| leader as usize);
        let leads = leader.is_some_and(|leader| seen[leader]["role"] == "leader");
        leads && seen.iter().all(|status| status["view"] == seen[0]["view"])
    });
    leader.unwrap()
}

#[test]
fn a_killed_leader_is_missed_for_less_than_three_times_the_patience_with_it() {
    let gap = leaders_go(true, Nodes::kill);
    assert!(gap < 3 * SUSPECT_AFTER, "{gap:?}");
}

#[test]
fn a_leader_that_is_told_to_end_hands_over_before_it_would_be_suspected() {
    let gap = leaders_go(false, |nodes, leader| assert!(nodes.end(leader).success()));
    assert!(gap < SUSPECT_AFTER, "{gap:?}");
}
