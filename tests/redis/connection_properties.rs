//! Properties of a client's connection, whatever arrives: how the bytes are cut does not matter,
//! and every command gets one reply.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use taraflow::kv::redis::{RedisConnection, RedisSettings, ServerInfo};
use taraflow::kv::service::KeyValue;
use taraflow::model::app::{At, StateMachine};
use taraflow::model::types::Slot;

/// Commands that meet each other's traces, and bytes that are none.
const PIECES: &[&str] = &[
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
    "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
    "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n",
    "GET k\r\n",
    "APPEND k x\r\n",
    "PING\r\n",
    "ECHO hi\n",
    "MULTI\r\n",
    "EXEC\r\n",
    "DISCARD\r\n",
    "WATCH k n\r\n",
    "UNWATCH\r\n",
    "HELLO 3\r\n",
    "HELLO 2\r\n",
    "HGETALL h\r\n",
    "HSET h f v\r\n",
    "ZADD z 1.5 m\r\n",
    "ZRANGE z 0 -1 WITHSCORES\r\n",
    "SADD s a b c\r\n",
    "SPOP s 2\r\n",
    "NONE\r\n",
    "AUTH x\r\n",
    "AUTH secret\r\n",
    "CLIENT SETNAME me\r\n",
    "CLIENT GETNAME\r\n",
    "RESET\r\n",
    "\r\n",
    "*0\r\n",
    "*1\r\n",
    "$4\r\nPING\r\n",
    "QUIT\r\n",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        60 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Feeds the parts to a line whose log answers at once; returns all that it says, whether it ends,
/// and how many commands were ordered.
fn run<'a>(
    settings: &Arc<RedisSettings>,
    parts: impl Iterator<Item = &'a [u8]>,
) -> (Vec<u8>, bool, u64) {
    let mut line = RedisConnection::new(1, Arc::clone(settings));
    let mut service = KeyValue::default();
    let (mut said, mut last) = (Vec::new(), 0);
    for part in parts {
        let mut part = part;
        loop {
            let mut ordered = Vec::new();
            line.on_bytes(part, &ServerInfo::default(), &mut |_, number, command| {
                ordered.push((number, command.to_vec()));
            });
            for (number, command) in ordered {
                assert_eq!(number, last + 1);
                last = number;
                assert_eq!(line.oldest_open(), Some(number));
                let mut reply = Vec::new();
                service.apply(At { slot: Slot(number), time_ms: 0 }, &command, &mut reply);
                line.on_reply(number, &reply);
            }
            said.extend_from_slice(line.output());
            line.sent(line.output().len());
            part = &[];
            if !line.is_ready() {
                break;
            }
        }
        assert_eq!(line.oldest_open(), None);
        assert_eq!(line.is_full(), line.is_closing());
    }
    (said, line.is_closing(), last)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut(
        input in input(),
        cuts in vec(any::<proptest::sample::Index>(), 0..12),
        in_flight_max in 1u64..6,
        password in any::<bool>(),
    ) {
        let settings = Arc::new(RedisSettings {
            in_flight_max,
            password: password.then(|| b"secret".to_vec()),
            ..RedisSettings::default()
        });
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]);

        let whole = run(&settings, std::iter::once(&input[..]));

        prop_assert_eq!(run(&settings, parts), whole.clone());
        prop_assert_eq!(run(&settings, input.chunks(1)), whole);
    }

    #[test]
    fn replies_lost_and_late_are_each_answered_once(
        count in 1u64..40,
        fates in vec(0u8..4, 40),
    ) {
        let mut line = RedisConnection::new(1, Arc::new(RedisSettings::default()));
        line.on_bytes(&b"INCR n\r\n".repeat(count as usize), &ServerInfo::default(), &mut |_, _, _| {});

        for (number, fate) in (1..=count).zip(fates) {
            match fate {
                0 => {}
                1 => line.expire(number),
                _ => line.on_reply(number, b":1\r\n"),
            }
        }
        line.expire(count);

        let lines = line.output().split(|byte| *byte == b'\n').count() as u64 - 1;
        prop_assert_eq!((lines, line.oldest_open()), (count, None));
    }
}
