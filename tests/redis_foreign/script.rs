//! Commands to which Redis and we must say the same.
//!
//! Left out is what is documented to differ: the order of members, which is compared sorted, what is
//! drawn by lot, cursors, fractions that 64 bits cannot hold, and how many keys there are while some
//! have expired.

/// What concerns the connection alone.
pub const CONNECTION: &[&str] = &[
    "PING",
    "PING hi",
    "PING a b",
    "ECHO 'a b'",
    "ECHO",
    "SELECT 0",
    "SELECT x",
    "SELECT 99",
    "WAIT 0 1",
    "WAIT x 1",
    "WAIT 1 x",
    "WAIT 1 -1",
    "AUTH a",
    "AUTH a b",
    "AUTH a b c",
    "AUTH default b",
    "HELLO",
    "HELLO x",
    "HELLO 4",
    "HELLO 2 FOO",
    "HELLO 2 AUTH a",
    "HELLO 2 AUTH a b",
    "HELLO 2 SETNAME 'a b'",
    "HELLO 3 SETNAME me",
    "CLIENT GETNAME",
    "CLIENT SETNAME 'a b'",
    "CLIENT SETNAME ''",
    "CLIENT GETNAME",
    "CLIENT ID",
    "CLIENT",
    "CLIENT ID x",
    "CLIENT NONE",
    "CLIENT REPLY x",
    "CLIENT REPLY ON",
    "CLIENT NO-EVICT x",
    "CLIENT NO-EVICT on",
    "CONFIG",
    "CONFIG NONE",
    "CONFIG GET",
    "CONFIG GET save",
    "CONFIG GET none",
    "CONFIG GET maxmemor?",
    "CONFIG RESETSTAT",
    "CONFIG RESETSTAT x",
    "CONFIG REWRITE",
    "COMMAND NONE",
    "COMMAND COUNT x",
    "COMMAND INFO none",
    "COMMAND GETKEYS get k",
    "COMMAND GETKEYS get",
    "COMMAND GETKEYS mset a 1 b 2",
    "COMMAND GETKEYS none k",
    "COMMAND GETKEYS ping x",
    "COMMAND DOCS none",
    "NONE a b",
    "none",
    "GET",
    "SET k v",
    "MULTI",
    "MULTI",
    "WATCH k",
    "SET k 2",
    "INCR k",
    "LPUSH k x",
    "HGETALL none",
    "GET none",
    "EXEC",
    "MULTI",
    "GET",
    "EXEC",
    "MULTI",
    "NONE",
    "SET k 3",
    "EXEC",
    "MULTI",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH",
    "WATCH k",
    "SET k changed",
    "MULTI",
    "GET k",
    "EXEC",
    "WATCH k",
    "UNWATCH",
    "SET k changed again",
    "MULTI",
    "GET k",
    "EXEC",
    "MULTI",
    "SET k 4",
    "DISCARD",
    "GET k",
    "RESET",
    "GET none",
    "HELLO 2",
    "GET none",
    "QUIT",
];

/// `K` a key, `M` a member or field, `V` a value, `N` a number, `F` a number with a fraction, `B` a
/// bound, `L` a bound by member, `P` a pattern, `T` a time to come.
const TEMPLATES: &[&str] = &[
    "APPEND K M",
    "COPY K K",
    "COPY K K REPLACE",
    "DECR K",
    "DECRBY K N",
    "DEL K K",
    "EXISTS K K K",
    "EXPIREAT K T",
    "EXPIREAT K T NX",
    "EXPIREAT K T GT",
    "PEXPIREAT K T000 LT",
    "EXPIRETIME K",
    "PEXPIRETIME K",
    "GET K",
    "GETDEL K",
    "GETEX K EXAT T",
    "GETEX K PERSIST",
    "GETRANGE K N N",
    "GETSET K V",
    "HDEL K M M",
    "HEXISTS K M",
    "HGET K M",
    "HGETALL K",
    "HINCRBY K M N",
    "HINCRBYFLOAT K M F",
    "HKEYS K",
    "HLEN K",
    "HMGET K M M",
    "HMSET K M V",
    "HSET K M V M V",
    "HSET K M",
    "HSETNX K M V",
    "HSTRLEN K M",
    "HVALS K",
    "INCR K",
    "INCRBY K N",
    "INCRBYFLOAT K F",
    "KEYS P",
    "LINDEX K N",
    "LINSERT K BEFORE M V",
    "LINSERT K AFTER M M",
    "LLEN K",
    "LMOVE K K LEFT RIGHT",
    "LMOVE K K RIGHT LEFT",
    "LPOP K",
    "LPOP K N",
    "LPOS K M",
    "LPOS K M RANK N",
    "LPOS K M COUNT N",
    "LPOS K M RANK N COUNT N MAXLEN N",
    "LPUSH K M M",
    "LPUSHX K M",
    "LRANGE K N N",
    "LREM K N M",
    "LSET K N M",
    "LTRIM K N N",
    "MGET K K K",
    "MSET K V K V",
    "MSET K V K",
    "MSETNX K V K V",
    "PERSIST K",
    "RENAME K K",
    "RENAMENX K K",
    "RPOP K",
    "RPOP K N",
    "RPOPLPUSH K K",
    "RPUSH K M M M",
    "RPUSHX K M",
    "SADD K M M M",
    "SCARD K",
    "SDIFF K K",
    "SDIFFSTORE K K K",
    "SET K V",
    "SET K N",
    "SET K V NX",
    "SET K V XX GET",
    "SET K V EXAT T",
    "SET K V KEEPTTL",
    "SET K V EX 0",
    "SETNX K V",
    "SETRANGE K N M",
    "SINTER K K",
    "SINTERCARD 2 K K",
    "SINTERCARD 2 K K LIMIT N",
    "SINTERCARD N K",
    "SINTERSTORE K K K",
    "SISMEMBER K M",
    "SMEMBERS K",
    "SMISMEMBER K M M",
    "SMOVE K K M",
    "SREM K M M",
    "STRLEN K",
    "SUNION K K",
    "SUNIONSTORE K K K",
    "TOUCH K K",
    "TYPE K",
    "UNLINK K",
    "TTL K",
    "PERSIST K",
    "ZADD K F M F M",
    "ZADD K F M",
    "ZADD K NX F M",
    "ZADD K XX CH F M F M",
    "ZADD K GT CH F M",
    "ZADD K LT F M",
    "ZADD K INCR F M",
    "ZADD K NX INCR F M",
    "ZADD K GT LT F M",
    "ZADD K F",
    "ZADD K CH INCR F M F M",
    "ZADD K F M F M",
    "ZADD K 0 M 0 M 0 M",
    "ZCARD K",
    "ZCOUNT K B B",
    "ZINCRBY K F M",
    "ZLEXCOUNT K L L",
    "ZMSCORE K M M",
    "ZPOPMAX K",
    "ZPOPMAX K N",
    "ZPOPMIN K",
    "ZPOPMIN K N",
    "ZRANGE K N N",
    "ZRANGE K N N WITHSCORES",
    "ZRANGE K N N REV WITHSCORES",
    "ZRANGE K B B BYSCORE LIMIT N N",
    "ZRANGE K B B BYSCORE REV WITHSCORES",
    "ZRANGE K L L BYLEX",
    "ZRANGE K L L BYLEX REV LIMIT N N",
    "ZRANGE K N N LIMIT 0 1",
    "ZRANGEBYLEX K L L",
    "ZRANGEBYSCORE K B B WITHSCORES LIMIT N N",
    "ZRANGEBYSCORE K B B",
    "ZRANK K M",
    "ZREM K M M",
    "ZREMRANGEBYLEX K L L",
    "ZREMRANGEBYRANK K N N",
    "ZREMRANGEBYSCORE K B B",
    "ZREVRANGE K N N",
    "ZREVRANGE K N N WITHSCORES",
    "ZREVRANGEBYLEX K L L",
    "ZREVRANGEBYSCORE K B B WITHSCORES",
    "ZREVRANK K M",
    "ZSCORE K M",
    "GET",
    "ZADD K",
    "FLUSHALL",
];

const VALUES: &[&str] =
    &["v", "12", "''", "10.5", "-3", "\"a\\r\\nb\"", "0.25", "hello", "1e3", "x"];
const NUMBERS: &[&str] =
    &["0", "1", "-1", "2", "-2", "3", "5", "10", "-10", "x", "1.5", "9223372036854775807"];
const FRACTIONS: &[&str] =
    &["1", "2", "0.5", "-1.25", "3", "1e3", "inf", "-inf", "x", "nan", "2.75", "1e9", "-0.125"];
const BOUNDS: &[&str] = &["-inf", "+inf", "0", "1", "(1", "2.75", "(3", "1e3", "x", "(x", "-1.25"];
const LEX: &[&str] = &["-", "+", "[a", "(a", "[b", "(c", "[c", "[", "(", "x"];

struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % count
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// Commands that follow from the seed.
pub fn random(seed: u64, count: usize) -> impl Iterator<Item = String> {
    let mut random = Random(seed);
    (0..count).map(move |_| {
        let template = random.of(TEMPLATES);
        let words = template.split(' ').map(|word| fill(word, template, &mut random));
        words.collect::<Vec<_>>().join(" ")
    })
}

/// Most keys keep to a kind, by the first letter of the command, so that values grow.
fn fill(word: &str, template: &str, random: &mut Random) -> String {
    match word {
        // By member means something only where all scores are the same.
        "K" if template.split(' ').any(|word| word == "L") || template.starts_with("ZADD K 0") => {
            format!("X{}", random.below(3))
        }
        // Nor may other commands make numbers here that 64 bits cannot hold.
        "K" if template.contains("INCRBYFLOAT") => format!("F{}", &template[..1]),
        "K" if random.below(12) > 0 => {
            let kind = match template.as_bytes()[0] {
                kind @ (b'H' | b'L' | b'Z') => kind as char,
                b'R' if template.starts_with("RP") => 'L',
                b'S' if !["SE", "ST"].contains(&&template[..2]) => 'S',
                _ => ['H', 'L', 'Z', 'S', 'T', 'T', 'T', 'T'][random.below(8)],
            };
            format!("{kind}{}", random.below(3))
        }
        "K" => random.of(&["H0", "L0", "Z0", "S0", "T0", "none"]).into(),
        "M" => random.of(&["a", "b", "c", "d", "e", "f"]).into(),
        "V" => random.of(VALUES).into(),
        "N" => random.of(NUMBERS).into(),
        "F" => random.of(FRACTIONS).into(),
        "B" => random.of(BOUNDS).into(),
        "L" => random.of(LEX).into(),
        "P" => random.of(&["*", "H?", "[LZ]*", "none", "*0"]).into(),
        "T" => random.of(&["4102444800", "4102444801", "4102444802", "1", "0", "-1", "x"]).into(),
        "T000" => random.of(&["4102444800000", "4102444801500", "5"]).into(),
        literal => literal.into(),
    }
}

/// Whether Redis may say this in another order.
pub fn is_unordered(line: &str) -> bool {
    let names = ["KEYS", "HGETALL", "HKEYS", "HVALS", "SMEMBERS", "SINTER", "SUNION", "SDIFF"];
    names.contains(&line.split(' ').next().unwrap_or_default())
}
