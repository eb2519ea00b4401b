//! Tests of links: messages they take, and messages they drop.

use super::*;

const LIMIT: usize = LINK_BYTES_MAX;

/// A link that is up, to a peer that takes nothing.
fn link() -> Dialled {
    Dialled {
        endpoint: Endpoint::from(SocketAddr::from(([127, 0, 0, 1], 1))),
        state: State::Down { retry_at: 0 },
        outbox: Outbox::default(),
        retry_ms: RETRY_MS,
        status: Link { up: true, ..Link::to(ReplicaId(1)) },
    }
}

fn inbox() -> Inbox {
    Inbox::new(usize::MAX)
}

/// The lengths of all the payloads that wait, once the peer has taken them.
fn taken(link: &mut Dialled, inbox: &mut Inbox) -> Vec<usize> {
    link.outbox.end();
    inbox.room().extend_from_slice(link.outbox.waiting());
    link.outbox.left(link.outbox.waiting().len());
    let next = || inbox.next_frame().unwrap().map(<[u8]>::len);
    std::iter::from_fn(next).collect()
}

#[test]
fn what_is_above_the_bound_of_a_link_is_dropped_and_counted() {
    const MESSAGE: usize = 1 << 20;
    for said in [LIMIT / 2, LIMIT, 4 * LIMIT] {
        let (mut link, mut inbox, message) = (link(), inbox(), vec![7; MESSAGE]);
        (0..said / MESSAGE).for_each(|_| link.add(&message));

        let (sent, dropped) = (link.status.sent as usize, link.status.dropped as usize);
        assert_eq!(sent + dropped, said / MESSAGE);
        assert!(sent * MESSAGE <= LIMIT && (sent + 1) * MESSAGE >= said.min(LIMIT), "{sent}");
        assert_eq!(taken(&mut link, &mut inbox).iter().sum::<usize>(), sent * MESSAGE);

        link.add(&message);
        assert_eq!(taken(&mut link, &mut inbox), [MESSAGE], "there is room again");
    }
}

#[test]
fn a_link_with_nothing_to_do_takes_a_message_of_any_size_and_then_no_other() {
    for bytes in [LIMIT / 2, LIMIT, 4 * LIMIT] {
        let mut link = link();
        link.add(&vec![7; bytes]);
        link.add(&vec![7; LIMIT / 2]);

        let alone = bytes > LIMIT / 2 - 100;
        assert_eq!(link.status.dropped, u64::from(alone), "{bytes} bytes");
        assert_eq!(taken(&mut link, &mut inbox())[0], bytes);
        assert!(link.outbox.is_empty());
    }
}

#[test]
fn a_frame_ends_with_the_message_that_fills_it() {
    for bytes in [FRAME_BYTES / 2, FRAME_BYTES, 4 * FRAME_BYTES] {
        let mut link = link();
        (0..4).for_each(|_| link.put(&vec![7; bytes]));

        let longest = taken(&mut link, &mut inbox()).into_iter().max().unwrap_or_default();
        assert!(longest < FRAME_BYTES + bytes, "{longest} in one frame, of {bytes} each");
    }
}

/// Links to one peer.
fn links_to(peer: SocketAddr) -> Peers {
    let endpoints = [SocketAddr::from(([127, 0, 0, 1], 1)), peer].map(Endpoint::from);
    let settings = Default::default();
    let common = Common { cluster: 1, settings, protocol: "tara".to_owned() };
    let config = LinkConfig { me: ReplicaId(0), common, tls: None };
    Peers::new(config, &endpoints).unwrap()
}

#[test]
fn a_peer_that_comes_in_itself_is_dialled_however_often_it_was_not_reached() {
    let mut peers = links_to(SocketAddr::from(([127, 0, 0, 1], 1)));
    let poll = mio::Poll::new().unwrap();
    let is_down = |peers: &Peers| matches!(peers.links[0].state, State::Down { .. });
    for now in 0..10 {
        peers.links[0].lose(now, &Fault::Closed);
    }
    peers.on_tick(100, poll.registry());
    assert!(is_down(&peers), "its time has not come");

    peers.expect(ReplicaId(1));
    peers.on_tick(110, poll.registry());

    assert!(!is_down(&peers));
}

#[test]
fn a_peer_is_given_up_when_it_does_not_answer_and_not_because_nobody_looked() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peers = links_to(silent.local_addr().unwrap());
    let poll = mio::Poll::new().unwrap();
    let mut tick = |now| {
        peers.on_tick(now, poll.registry());
        peers.status().next().unwrap().last_fault
    };

    assert_eq!(tick(0), None);
    let standstill = 10 * PATIENCE_MS;
    assert_eq!(tick(standstill), None);
    let lost = (1..).map(|ticks| standstill + 100 * ticks).find(|now| tick(*now).is_some());
    assert_eq!(lost, Some(standstill + PATIENCE_MS + 100));
}
