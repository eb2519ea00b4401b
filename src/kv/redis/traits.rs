//! Traits of commands that only COMMAND reports: their groups, and whether they take long.

/// The commands of each group, parted by spaces; those of no group work on keys of any kind.
const GROUPS: [(&str, &str); 8] = [
    ("connection", "auth command echo hello ping quit reset select taraflow wait"),
    (
        "hash",
        "hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hscan hset hsetnx \
         hstrlen hvals",
    ),
    (
        "list",
        "lindex linsert llen lmove lpop lpos lpush lpushx lrange lrem lset ltrim rpop rpoplpush \
         rpush rpushx",
    ),
    ("server", "client config info latency lease memory object slowlog time"),
    (
        "set",
        "sadd scard sdiff sdiffstore sinter sintercard sinterstore sismember smembers smismember \
         smove spop srandmember srem sscan sunion sunionstore",
    ),
    (
        "sortedset",
        "zadd zcard zcount zincrby zlexcount zmscore zpopmax zpopmin zrange zrangebylex \
         zrangebyscore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange \
         zrevrangebylex zrevrangebyscore zrevrank zscan zscore",
    ),
    (
        "string",
        "append decr decrby get getdel getex getrange getset incr incrby incrbyfloat mget mset \
         msetnx psetex set setex setnx setrange strlen substr",
    ),
    ("transaction", "discard exec multi unwatch watch"),
];

/// Commands whose time grows with what is stored.
const SLOW: &str = "client command config copy del exec flushall flushdb getrange hgetall hkeys hscan hvals info \
     keys latency lindex linsert lmove lpos lrange lrem lset ltrim memory mset msetnx object \
     psetex randomkey rename rpoplpush scan sdiff sdiffstore set setex setrange sinter sintercard \
     sinterstore slowlog smembers srandmember sscan substr sunion sunionstore zscan wait zrange \
     zrangebylex zrangebyscore zremrangebylex zremrangebyrank zremrangebyscore zrevrange \
     zrevrangebylex zrevrangebyscore";

const DANGEROUS: &str = "flushall flushdb info keys";

fn is_among(names: &str, name: &str) -> bool {
    names.split(' ').any(|other| other == name)
}

/// The group of a command.
pub(super) fn group(name: &str) -> &'static str {
    let group = GROUPS.iter().find(|(_, names)| is_among(names, name));
    group.map_or("keyspace", |(group, _)| group)
}

/// Whether a command takes a short time however much is stored.
pub(super) fn is_fast(name: &str) -> bool {
    !is_among(SLOW, name)
}

/// Whether a command is one that administrators keep from others.
pub(super) fn is_dangerous(name: &str) -> bool {
    is_among(DANGEROUS, name)
}
