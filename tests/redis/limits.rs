//! Limits of what a cluster of processes takes and gives at once: large values, many arguments,
//! long replies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Cluster, machine, wait_until};
use taraflow::kv::resp::{Parsed, RespLimits, RespReply, write_command};

/// How long a build without optimizations may take for much.
const PATIENCE: Duration = Duration::from_secs(120);

/// The largest value there may be.
const LARGE: usize = 16 << 20;

/// One client's connection.
struct Redis(TcpStream);

impl Redis {
    fn dial(cluster: &Cluster, index: usize) -> Self {
        let socket = TcpStream::connect(cluster.clients(index)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn send<'a>(&mut self, words: impl ExactSizeIterator<Item = &'a [u8]>) {
        let mut bytes = Vec::new();
        write_command(words, &mut bytes);
        self.0.write_all(&bytes).unwrap();
    }

    fn hear(&mut self) -> RespReply {
        let (mut bytes, mut needed) = (Vec::new(), 1);
        loop {
            let mut piece = vec![0; 1 << 20];
            let count = self.0.read(&mut piece).unwrap();
            assert!(count > 0, "hung up without a word");
            bytes.extend_from_slice(&piece[..count]);
            if bytes.len() < needed {
                continue;
            }
            match RespReply::parse(&bytes, &RespLimits::default()).unwrap() {
                Parsed::Complete { value, .. } => return value,
                Parsed::Incomplete { needed: more } => needed = more,
            }
        }
    }

    fn ask(&mut self, words: &[&[u8]]) -> RespReply {
        self.send(words.iter().copied());
        self.hear()
    }

    /// Asks until the outcome is known: right after a restart of all it may not be for a while.
    fn ask_again(&mut self, words: &[&[u8]]) -> RespReply {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ask(words) {
                RespReply::Error(text)
                    if text.starts_with(b"UNKNOWN") && Instant::now() < until =>
                {
                    // What was asked is still on its way, most likely.
                    std::thread::sleep(Duration::from_secs(2));
                }
                reply => return reply,
            }
        }
    }
}

fn length(reply: &RespReply) -> usize {
    match reply {
        RespReply::Array(Some(elements)) => elements.len(),
        RespReply::Bulk(Some(bytes)) => bytes.len(),
        other => panic!("no collection: {other:?}"),
    }
}

fn ok() -> RespReply {
    RespReply::Simple(b"OK".to_vec())
}

#[test]
fn large_values_are_taken_replicated_and_survive_a_restart_of_all() {
    let _alone = machine::alone();
    let cluster = Cluster::start(3, &["--plain"]);
    let value = vec![b'x'; LARGE];
    // If it is not known in time what came of it, it is on its way.
    Redis::dial(&cluster, 0).ask(&[b"SET", b"large", &value]);
    let mut other = Redis::dial(&cluster, 1);
    wait_until("it is there", || {
        other.ask(&[b"STRLEN", b"large"]) == RespReply::Integer(LARGE as i64)
    });
    let said = other.ask_again(&[b"SETRANGE", b"made", b"16777215", b"x"]);
    assert_eq!(said, RespReply::Integer(16 << 20));
    assert!(other.ask_again(&[b"GET", b"large"]) == RespReply::Bulk(Some(value.clone())));

    (0..3).for_each(|index| cluster.kill(index));
    (0..3).for_each(|index| wait_until("it is back", || cluster.ask(index, "PING").is_ok()));

    for index in [2, 0] {
        let mut client = Redis::dial(&cluster, index);
        assert!(client.ask_again(&[b"GET", b"large"]) == RespReply::Bulk(Some(value.clone())));
        assert_eq!(client.ask_again(&[b"STRLEN", b"made"]), RespReply::Integer(16 << 20));
    }
}

#[test]
fn what_is_too_large_is_told_its_limit_and_never_reset() {
    let _alone = machine::alone();
    let cluster = Cluster::start(3, &["--plain"]);
    let text = |reply| match reply {
        RespReply::Error(text) => String::from_utf8(text).unwrap(),
        other => panic!("not refused: {other:?}"),
    };

    for bytes in [(16 << 20) + 1, 64 << 20] {
        let said = text(Redis::dial(&cluster, 0).ask(&[b"SET", b"k", &vec![b'x'; bytes]]));
        assert!(said.contains("invalid bulk length") && said.contains("16777216"), "{said}");
    }
    let mut many = Redis::dial(&cluster, 0);
    many.send(std::iter::repeat_n(&b"DEL"[..], 2_000_000));
    let said = text(many.hear());
    assert!(said.contains("invalid multibulk length") && said.contains("1048576"), "{said}");
    let part = vec![b'x'; 12 << 20];
    let said =
        text(Redis::dial(&cluster, 0).ask(&[b"MSET", b"a", &part, b"b", &part, b"c", &part]));
    assert!(said.contains("too big command") && said.contains("25165824"), "{said}");
    let said = text(Redis::dial(&cluster, 0).ask(&[b"SETRANGE", b"k", b"16777216", b"x"]));
    assert!(said.contains("16777216"), "{said}");
    let said = Redis::dial(&cluster, 0).ask_again(&[b"EXISTS", b"k", b"a"]);
    assert_eq!(said, RespReply::Integer(0));
}

#[test]
fn many_arguments_are_taken_and_long_replies_given() {
    let _alone = machine::alone();
    let cluster = Cluster::start(3, &["--plain"]);
    let keys: Vec<_> = (0..60_000).map(|key| format!("key:{key:06}")).collect();
    let words = |name: &'static str| [name].into_iter().map(str::as_bytes);
    let all = || keys.iter().map(String::as_bytes);
    let mut client = Redis::dial(&cluster, 0);
    let ask_all = |client: &mut Redis, head: &[&'static str], pairs: bool| {
        let mut list: Vec<&[u8]> = head.iter().flat_map(|word| words(word)).collect();
        all().for_each(|key| list.extend(std::iter::repeat_n(key, if pairs { 2 } else { 1 })));
        client.ask_again(&list)
    };

    assert_eq!(ask_all(&mut client, &["MSET"], true), ok());
    for (name, key, pairs) in
        [("HMSET", "hash", true), ("SADD", "set", false), ("RPUSH", "list", false)]
    {
        // If the first outcome was unknown, there is nothing left to add, or twice as much.
        let said = ask_all(&mut client, &[name, key], pairs);
        assert!(!matches!(said, RespReply::Error(_)), "{said:?}");
    }
    assert_eq!(client.ask_again(&[b"LTRIM", b"list", b"0", b"59999"]), ok());

    let mut other = Redis::dial(&cluster, 2);
    for (ask, count) in [
        (&[&b"KEYS"[..], b"key:*"][..], 60_000),
        (&[b"HGETALL", b"hash"], 120_000),
        (&[b"SMEMBERS", b"set"], 60_000),
        (&[b"LRANGE", b"list", b"0", b"-1"], 60_000),
    ] {
        assert_eq!(length(&other.ask_again(ask)), count, "{}", ask[0].escape_ascii());
    }
    assert_eq!(length(&other.ask(&[b"LPOP", b"list", b"50000"])), 50_000);
    // Twice as many bytes as a part may have.
    let (mut cursor, mut met) = (b"0".to_vec(), 0);
    let mut parts = 0;
    loop {
        let RespReply::Array(Some(part)) = other.ask(&[b"SCAN", &cursor, b"COUNT", b"1000000"])
        else {
            panic!("no part of a walk");
        };
        let [RespReply::Bulk(Some(next)), names] = &part[..] else { panic!("{part:?}") };
        (met, parts) = (met + length(names), parts + 1);
        if next == b"0" {
            break;
        }
        cursor.clone_from(next);
    }
    assert!(met >= 60_003 && parts > 1, "{met} keys in {parts} parts");
    let said = ask_all(&mut client, &["DEL"], false);
    assert!(matches!(said, RespReply::Integer(_)), "{said:?}");
    assert_eq!(other.ask_again(&[b"KEYS", b"key:*"]), RespReply::Array(Some(Vec::new())));
}

#[test]
fn an_outcome_is_called_unknown_after_five_seconds() {
    let _alone = machine::alone();
    let cluster = Cluster::start(3, &["--plain"]);
    let mut client = Redis::dial(&cluster, 0);
    assert_eq!(client.ask(&[b"SET", b"k", b"v"]), ok());
    [1, 2].into_iter().for_each(|index| cluster.pause(index));

    // The second is asked when the first has waited for a while.
    let asked = Instant::now();
    client.send([&b"INCR"[..], b"a"].into_iter());
    std::thread::sleep(Duration::from_secs(3));
    let asked_again = Instant::now();
    client.send([&b"INCR"[..], b"b"].into_iter());

    for since in [asked, asked_again] {
        let RespReply::Error(text) = client.hear() else { panic!("an outcome is known") };
        assert!(text.starts_with(b"UNKNOWN"), "{}", text.escape_ascii());
        let waited = since.elapsed();
        assert!(
            waited > Duration::from_millis(4_900) && waited < Duration::from_secs(8),
            "{waited:?}"
        );
    }
    [1, 2].into_iter().for_each(|index| cluster.resume(index));
}
