//! The table of commands: names, numbers of arguments, and handlers.

use crate::kv::resp::Command;

use super::shape::{self, Shape, ShapeOf};
use super::store::Store;
use super::strings::{self, set};
use super::zset::{add, range, remove, score};
use super::{Call, Done, expiry, hashes, keys, lists, object, scan, sets, transaction};

/// The function that runs a command. The kind says whether it may change the state.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    Read(fn(&Store, &Call<'_>, &mut Vec<u8>) -> Done),
    Write(fn(&mut Store, &Call<'_>, &mut Vec<u8>) -> Done),
}

/// A command that the service knows.
pub struct Row {
    /// In small letters, as errors show it; clients may write it as they like.
    pub name: &'static str,
    /// As in Redis: how many arguments, the name counted; or, below zero, how many at least.
    pub arity: i8,
    /// As in Redis: which argument is the first key, which the last (below zero: from the end), and
    /// how far they are apart; all zero if there is none.
    pub keys: (i8, i8, i8),
    pub(super) handler: Handler,
    shape: ShapeOf,
    kind: Kind,
}

/// The senders that a command is for, and its needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anyone; it works on keys or on the clock.
    Ordinary,
    /// Anyone; its reply depends on nothing but its arguments.
    Stateless,
    /// Only an edge on behalf of a client.
    Internal,
}

impl Row {
    /// Whether the command may change the state.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.handler, Handler::Write(_))
    }

    /// Whether the reply depends on the arguments alone, so that anyone can give it.
    #[must_use]
    pub fn is_stateless(&self) -> bool {
        self.kind == Kind::Stateless
    }

    /// Whether only an edge may send this, for the client that it serves.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.kind == Kind::Internal
    }

    /// What a reply to `command` holds that is no error.
    #[must_use]
    pub fn shape(&self, command: &Command<'_>) -> Shape {
        (self.shape)(command)
    }

    /// Whether `count` arguments, the name counted, are right.
    #[inline]
    #[must_use]
    pub fn takes(&self, count: usize) -> bool {
        takes(self.arity, count)
    }

    const fn keys_at(mut self, first: i8, last: i8, step: i8) -> Self {
        self.keys = (first, last, step);
        self
    }

    /// Every argument is a key.
    const fn many_keys(self) -> Self {
        self.keys_at(1, -1, 1)
    }

    const fn keyless(self) -> Self {
        self.keys_at(0, 0, 0)
    }

    const fn stateless(mut self) -> Self {
        self.kind = Kind::Stateless;
        self.keyless()
    }

    const fn internal(mut self) -> Self {
        self.kind = Kind::Internal;
        self.keyless()
    }

    const fn shaped(mut self, shape: ShapeOf) -> Self {
        self.shape = shape;
        self
    }
}

/// Whether a command of this [arity](Row::arity) takes `count` arguments, the name counted.
#[inline]
#[must_use]
pub fn takes(arity: i8, count: usize) -> bool {
    let least = usize::from(arity.unsigned_abs());
    if arity < 0 { count >= least } else { count == least }
}

/// The commands that clients may send, sorted by name.
pub fn commands() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| !row.is_internal())
}

/// Finds a command by its name, in whatever letters.
#[inline]
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static Row> {
    let mut spot = spot(name);
    loop {
        // An empty spot leads behind the table.
        let row = TABLE.get(usize::from(INDEX[spot]))?;
        if row.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(row);
        }
        spot = (spot + 1) % INDEX.len();
    }
}

/// The place of each row, by the [`spot`] of its name or, if that was taken, the next free one.
/// More than half of it is empty, so that a search is short, and ends.
static INDEX: [u8; 512] = index();

const EMPTY: u8 = u8::MAX;

const fn index() -> [u8; 512] {
    let mut index = [EMPTY; 512];
    let mut row = 0;
    while row < TABLE.len() {
        let mut spot = spot(TABLE[row].name.as_bytes());
        while index[spot] != EMPTY {
            spot = (spot + 1) % index.len();
        }
        index[spot] = row as u8;
        row += 1;
    }
    index
}

/// The same for small and capital letters.
#[inline]
const fn spot(name: &[u8]) -> usize {
    let mut hash: u32 = 0;
    let mut at = 0;
    // No name is longer, and a client's may be.
    while at < name.len() && at < 16 {
        hash = (hash ^ (name[at] | 0x20) as u32).wrapping_mul(0x9e37_79b1);
        at += 1;
    }
    (hash >> 23) as usize
}

const fn read(
    name: &'static str,
    arity: i8,
    handler: fn(&Store, &Call<'_>, &mut Vec<u8>) -> Done,
) -> Row {
    row(name, arity, Handler::Read(handler))
}

const fn write(
    name: &'static str,
    arity: i8,
    handler: fn(&mut Store, &Call<'_>, &mut Vec<u8>) -> Done,
) -> Row {
    row(name, arity, Handler::Write(handler))
}

/// Most commands have one key, as their first argument.
const fn row(name: &'static str, arity: i8, handler: Handler) -> Row {
    Row { name, arity, handler, keys: (1, 1, 1), shape: shape::plain, kind: Kind::Ordinary }
}

/// All commands, sorted by name.
static TABLE: &[Row] = &[
    write("append", 3, strings::append),
    write("copy", -3, keys::copy).keys_at(1, 2, 1),
    read("dbsize", 1, keys::dbsize).keyless(),
    write("decr", 2, strings::decr),
    write("decrby", 3, strings::decrby),
    write("del", -2, keys::del).many_keys(),
    read("echo", 2, keys::echo).stateless(),
    read("exists", -2, keys::exists).many_keys(),
    write("expire", -3, expiry::expire),
    write("expireat", -3, expiry::expireat),
    read("expiretime", 2, expiry::expiretime),
    write("flushall", -1, keys::flush).keyless(),
    write("flushdb", -1, keys::flush).keyless(),
    read("get", 2, strings::get),
    write("getdel", 2, strings::getdel),
    write("getex", -2, set::getex),
    read("getrange", 4, strings::getrange),
    write("getset", 3, set::getset),
    write("hdel", -3, hashes::hdel),
    read("hexists", 3, hashes::hexists),
    read("hget", 3, hashes::hget),
    read("hgetall", 2, hashes::hgetall).shaped(shape::map),
    write("hincrby", 4, hashes::hincrby),
    write("hincrbyfloat", 4, hashes::hincrbyfloat),
    read("hkeys", 2, hashes::hkeys),
    read("hlen", 2, hashes::hlen),
    read("hmget", -3, hashes::hmget),
    write("hmset", -4, hashes::hmset),
    read("hscan", -3, scan::hscan),
    write("hset", -4, hashes::hset),
    write("hsetnx", 4, hashes::hsetnx),
    read("hstrlen", 3, hashes::hstrlen),
    read("hvals", 2, hashes::hvals),
    write("incr", 2, strings::incr),
    write("incrby", 3, strings::incrby),
    write("incrbyfloat", 3, strings::incrbyfloat),
    read("keys", 2, keys::keys).keyless(),
    read("lindex", 3, lists::lindex),
    write("linsert", 5, lists::linsert),
    read("llen", 2, lists::llen),
    write("lmove", 5, lists::lmove).keys_at(1, 2, 1),
    write("lpop", -2, lists::lpop),
    read("lpos", -3, lists::lpos),
    write("lpush", -3, lists::lpush),
    write("lpushx", -3, lists::lpushx),
    read("lrange", 4, lists::lrange),
    write("lrem", 4, lists::lrem),
    write("lset", 4, lists::lset),
    write("ltrim", 4, lists::ltrim),
    read("memory", -2, object::memory).keys_at(2, 2, 1),
    read("mget", -2, strings::mget).many_keys(),
    write("mset", -3, set::mset).keys_at(1, -1, 2),
    write("msetnx", -3, set::msetnx).keys_at(1, -1, 2),
    read("object", -2, object::object).keys_at(2, 2, 1),
    write("persist", 2, expiry::persist),
    write("pexpire", -3, expiry::pexpire),
    write("pexpireat", -3, expiry::pexpireat),
    read("pexpiretime", 2, expiry::pexpiretime),
    read("ping", -1, keys::ping).stateless(),
    write("psetex", 4, set::psetex),
    read("pttl", 2, expiry::pttl),
    read("randomkey", 1, keys::randomkey).keyless(),
    write("rename", 3, keys::rename).keys_at(1, 2, 1),
    write("renamenx", 3, keys::renamenx).keys_at(1, 2, 1),
    write("rpop", -2, lists::rpop),
    write("rpoplpush", 3, lists::rpoplpush).keys_at(1, 2, 1),
    write("rpush", -3, lists::rpush),
    write("rpushx", -3, lists::rpushx),
    write("sadd", -3, sets::sadd),
    read("scan", -2, scan::scan).keyless(),
    read("scard", 2, sets::scard),
    read("sdiff", -2, sets::sdiff).many_keys().shaped(shape::set),
    write("sdiffstore", -3, sets::sdiffstore).many_keys(),
    write("set", -3, set::set),
    write("setex", 4, set::setex),
    write("setnx", 3, set::setnx),
    write("setrange", 4, strings::setrange),
    read("sinter", -2, sets::sinter).many_keys().shaped(shape::set),
    read("sintercard", -3, sets::sintercard).keys_at(2, -1, 1),
    write("sinterstore", -3, sets::sinterstore).many_keys(),
    read("sismember", 3, sets::sismember),
    read("smembers", 2, sets::smembers).shaped(shape::set),
    read("smismember", -3, sets::smismember),
    write("smove", 4, sets::smove).keys_at(1, 2, 1),
    write("spop", -2, sets::spop).shaped(shape::set_if_counted),
    read("srandmember", -2, sets::srandmember),
    write("srem", -3, sets::srem),
    read("sscan", -3, scan::sscan),
    read("strlen", 2, strings::strlen),
    read("sunion", -2, sets::sunion).many_keys().shaped(shape::set),
    write("sunionstore", -3, sets::sunionstore).many_keys(),
    read("time", 1, keys::time).keyless(),
    read("touch", -2, keys::exists).many_keys(),
    write("transaction", -2, transaction::transaction).internal(),
    read("ttl", 2, expiry::ttl),
    read("type", 2, keys::kind),
    write("unlink", -2, keys::del).many_keys(),
    write("versions", -2, transaction::versions).internal(),
    write("zadd", -4, add::zadd).shaped(shape::double_if_increment),
    read("zcard", 2, score::zcard),
    read("zcount", 4, score::zcount),
    write("zincrby", 4, add::zincrby).shaped(shape::double),
    read("zlexcount", 4, score::zlexcount),
    read("zmscore", -3, score::zmscore).shaped(shape::double),
    write("zpopmax", -2, remove::zpopmax).shaped(shape::scored_if_counted),
    write("zpopmin", -2, remove::zpopmin).shaped(shape::scored_if_counted),
    read("zrange", -4, range::zrange).shaped(shape::scored_if_asked),
    read("zrangebylex", -4, range::zrangebylex),
    read("zrangebyscore", -4, range::zrangebyscore).shaped(shape::scored_if_asked),
    read("zrank", 3, score::zrank),
    write("zrem", -3, remove::zrem),
    write("zremrangebylex", 4, remove::zremrangebylex),
    write("zremrangebyrank", 4, remove::zremrangebyrank),
    write("zremrangebyscore", 4, remove::zremrangebyscore),
    read("zrevrange", -4, range::zrevrange).shaped(shape::scored_if_asked),
    read("zrevrangebylex", -4, range::zrevrangebylex),
    read("zrevrangebyscore", -4, range::zrevrangebyscore).shaped(shape::scored_if_asked),
    read("zrevrank", 3, score::zrevrank),
    read("zscan", -3, scan::zscan),
    read("zscore", 3, score::zscore).shaped(shape::double),
];

/// A command of this name that does nothing and answers nothing, which none may.
#[cfg(test)]
pub(super) const fn mute(name: &'static str) -> Row {
    read(name, 2, |_, _, _| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_found() {
        assert!(TABLE.is_sorted_by(|left, right| left.name < right.name));
        assert!(TABLE.len() < INDEX.len() / 2 && TABLE.len() < usize::from(EMPTY));
        for row in TABLE {
            let found = find(row.name.to_ascii_uppercase().as_bytes()).expect("it is in the table");
            assert_eq!(found.name, row.name);
        }
    }

    #[test]
    fn names_that_only_resemble_a_command_are_unknown() {
        for name in ["", "ge", "gett", "zzz", "get\0", "g\0t", "a-name-longer-than-any-command"] {
            assert!(find(name.as_bytes()).is_none(), "{name:?}");
        }
    }

    #[test]
    fn arity_below_zero_is_a_least_number() {
        let [get, del] = [b"get", b"del"].map(|name| find(name).expect("it is in the table"));

        assert_eq!([1, 2, 3].map(|count| get.takes(count)), [false, true, false]);
        assert_eq!([1, 2, 3].map(|count| del.takes(count)), [false, true, true]);
    }
}
