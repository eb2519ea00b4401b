//! The table of commands: names, numbers of arguments, and handlers.

use crate::kv::resp::Command;

use super::leases::commands as leases;
use super::shape::{self, Shape, ShapeOf};
use super::store::Store;
use super::strings::{self, set};
use super::zset::{add, range, remove, score};
use super::{Call, Done, expiry, hashes, keys, lists, object, scan, sets, transaction};

use Handler::{Read, Write};

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
    grows: bool,
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
    pub fn is_write(&self) -> bool {
        matches!(self.handler, Handler::Write(_))
    }

    /// Whether the reply depends on the arguments alone, so that anyone can give it.
    pub fn is_stateless(&self) -> bool {
        self.kind == Kind::Stateless
    }

    /// Whether it tells the time and nothing else.
    pub fn is_time(&self) -> bool {
        self.name == "time"
    }

    /// Whether it changes nothing and answers something else in each slot all the same: the time, or
    /// what is drawn by the slot.
    pub fn is_of_its_slot(&self) -> bool {
        self.is_time() || matches!(self.name, "randomkey" | "srandmember")
    }

    /// Whether only an edge may send this, for the client that it serves.
    pub fn is_internal(&self) -> bool {
        self.kind == Kind::Internal
    }

    /// Whether it may need more memory, as Redis sees it: refused when there is too little.
    #[inline]
    pub fn grows(&self) -> bool {
        self.grows
    }

    /// What a reply to `command` holds that is no error.
    pub fn shape(&self, command: &Command<'_>) -> Shape {
        (self.shape)(command)
    }

    /// Whether `count` arguments, the name counted, are right.
    #[inline]
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

    const fn growing(mut self) -> Self {
        self.grows = true;
        self
    }

    const fn shaped(mut self, shape: ShapeOf) -> Self {
        self.shape = shape;
        self
    }
}

/// Whether a command of this [arity](Row::arity) takes `count` arguments, the name counted.
#[inline]
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

/// Most commands have one key, as their first argument.
const fn row(name: &'static str, arity: i8, handler: Handler) -> Row {
    let (shape, kind) = (shape::plain, Kind::Ordinary);
    Row { name, arity, handler, keys: (1, 1, 1), shape, kind, grows: false }
}

/// All commands, sorted by name.
static TABLE: &[Row] = &[
    row("append", 3, Write(strings::append)).growing(),
    row("copy", -3, Write(keys::copy)).keys_at(1, 2, 1).growing(),
    row("dbsize", 1, Read(keys::dbsize)).keyless(),
    row("decr", 2, Write(strings::decr)).growing(),
    row("decrby", 3, Write(strings::decrby)).growing(),
    row("del", -2, Write(keys::del)).many_keys(),
    row("echo", 2, Read(keys::echo)).stateless(),
    row("exists", -2, Read(keys::exists)).many_keys(),
    row("expire", -3, Write(expiry::expire)),
    row("expireat", -3, Write(expiry::expireat)),
    row("expiretime", 2, Read(expiry::expiretime)),
    row("flushall", -1, Write(keys::flush)).keyless(),
    row("flushdb", -1, Write(keys::flush)).keyless(),
    row("get", 2, Read(strings::get)),
    row("getdel", 2, Write(strings::getdel)),
    row("getex", -2, Write(set::getex)),
    row("getrange", 4, Read(strings::getrange)),
    row("getset", 3, Write(set::getset)).growing(),
    row("hdel", -3, Write(hashes::hdel)),
    row("hexists", 3, Read(hashes::hexists)),
    row("hget", 3, Read(hashes::hget)),
    row("hgetall", 2, Read(hashes::hgetall)).shaped(shape::map),
    row("hincrby", 4, Write(hashes::hincrby)).growing(),
    row("hincrbyfloat", 4, Write(hashes::hincrbyfloat)).growing(),
    row("hkeys", 2, Read(hashes::hkeys)),
    row("hlen", 2, Read(hashes::hlen)),
    row("hmget", -3, Read(hashes::hmget)),
    row("hmset", -4, Write(hashes::hmset)).growing(),
    row("hscan", -3, Read(scan::hscan)),
    row("hset", -4, Write(hashes::hset)).growing(),
    row("hsetnx", 4, Write(hashes::hsetnx)).growing(),
    row("hstrlen", 3, Read(hashes::hstrlen)),
    row("hvals", 2, Read(hashes::hvals)),
    row("incr", 2, Write(strings::incr)).growing(),
    row("incrby", 3, Write(strings::incrby)).growing(),
    row("incrbyfloat", 3, Write(strings::incrbyfloat)).growing(),
    row("keys", 2, Read(keys::keys)).keyless(),
    row("lease", -2, Write(leases::lease)).keyless(),
    row("lindex", 3, Read(lists::lindex)),
    row("linsert", 5, Write(lists::linsert)).growing(),
    row("llen", 2, Read(lists::llen)),
    row("lmove", 5, Write(lists::lmove)).keys_at(1, 2, 1).growing(),
    row("lpop", -2, Write(lists::lpop)),
    row("lpos", -3, Read(lists::lpos)),
    row("lpush", -3, Write(lists::lpush)).growing(),
    row("lpushx", -3, Write(lists::lpushx)).growing(),
    row("lrange", 4, Read(lists::lrange)),
    row("lrem", 4, Write(lists::lrem)),
    row("lset", 4, Write(lists::lset)).growing(),
    row("ltrim", 4, Write(lists::ltrim)),
    row("memory", -2, Read(object::memory)).keys_at(2, 2, 1),
    row("mget", -2, Read(strings::mget)).many_keys(),
    row("mset", -3, Write(set::mset)).keys_at(1, -1, 2).growing(),
    row("msetnx", -3, Write(set::msetnx)).keys_at(1, -1, 2).growing(),
    row("object", -2, Read(object::object)).keys_at(2, 2, 1),
    row("persist", 2, Write(expiry::persist)),
    row("pexpire", -3, Write(expiry::pexpire)),
    row("pexpireat", -3, Write(expiry::pexpireat)),
    row("pexpiretime", 2, Read(expiry::pexpiretime)),
    row("ping", -1, Read(keys::ping)).stateless(),
    row("psetex", 4, Write(set::psetex)).growing(),
    row("pttl", 2, Read(expiry::pttl)),
    row("randomkey", 1, Read(keys::randomkey)).keyless(),
    row("rename", 3, Write(keys::rename)).keys_at(1, 2, 1),
    row("renamenx", 3, Write(keys::renamenx)).keys_at(1, 2, 1),
    row("rpop", -2, Write(lists::rpop)),
    row("rpoplpush", 3, Write(lists::rpoplpush)).keys_at(1, 2, 1).growing(),
    row("rpush", -3, Write(lists::rpush)).growing(),
    row("rpushx", -3, Write(lists::rpushx)).growing(),
    row("sadd", -3, Write(sets::sadd)).growing(),
    row("scan", -2, Read(scan::scan)).keyless(),
    row("scard", 2, Read(sets::scard)),
    row("sdiff", -2, Read(sets::sdiff)).many_keys().shaped(shape::set),
    row("sdiffstore", -3, Write(sets::sdiffstore)).many_keys().growing(),
    row("set", -3, Write(set::set)).growing(),
    row("setex", 4, Write(set::setex)).growing(),
    row("setnx", 3, Write(set::setnx)).growing(),
    row("setrange", 4, Write(strings::setrange)).growing(),
    row("sinter", -2, Read(sets::sinter)).many_keys().shaped(shape::set),
    row("sintercard", -3, Read(sets::sintercard)).keys_at(2, -1, 1),
    row("sinterstore", -3, Write(sets::sinterstore)).many_keys().growing(),
    row("sismember", 3, Read(sets::sismember)),
    row("smembers", 2, Read(sets::smembers)).shaped(shape::set),
    row("smismember", -3, Read(sets::smismember)),
    row("smove", 4, Write(sets::smove)).keys_at(1, 2, 1),
    row("spop", -2, Write(sets::spop)).shaped(shape::set_if_counted),
    row("srandmember", -2, Read(sets::srandmember)),
    row("srem", -3, Write(sets::srem)),
    row("sscan", -3, Read(scan::sscan)),
    row("strlen", 2, Read(strings::strlen)),
    row("sunion", -2, Read(sets::sunion)).many_keys().shaped(shape::set),
    row("sunionstore", -3, Write(sets::sunionstore)).many_keys().growing(),
    row("time", 1, Read(keys::time)).keyless(),
    row("touch", -2, Read(keys::exists)).many_keys(),
    row("transaction", -2, Write(transaction::transaction)).internal(),
    row("ttl", 2, Read(expiry::ttl)),
    row("type", 2, Read(keys::kind)),
    row("unlink", -2, Write(keys::del)).many_keys(),
    row("versions", -2, Write(transaction::versions)).internal(),
    row("zadd", -4, Write(add::zadd)).shaped(shape::double_if_increment).growing(),
    row("zcard", 2, Read(score::zcard)),
    row("zcount", 4, Read(score::zcount)),
    row("zincrby", 4, Write(add::zincrby)).shaped(shape::double).growing(),
    row("zlexcount", 4, Read(score::zlexcount)),
    row("zmscore", -3, Read(score::zmscore)).shaped(shape::double),
    row("zpopmax", -2, Write(remove::zpopmax)).shaped(shape::scored_if_counted),
    row("zpopmin", -2, Write(remove::zpopmin)).shaped(shape::scored_if_counted),
    row("zrange", -4, Read(range::zrange)).shaped(shape::scored_if_asked),
    row("zrangebylex", -4, Read(range::zrangebylex)),
    row("zrangebyscore", -4, Read(range::zrangebyscore)).shaped(shape::scored_if_asked),
    row("zrank", 3, Read(score::zrank)),
    row("zrem", -3, Write(remove::zrem)),
    row("zremrangebylex", 4, Write(remove::zremrangebylex)),
    row("zremrangebyrank", 4, Write(remove::zremrangebyrank)),
    row("zremrangebyscore", 4, Write(remove::zremrangebyscore)),
    row("zrevrange", -4, Read(range::zrevrange)).shaped(shape::scored_if_asked),
    row("zrevrangebylex", -4, Read(range::zrevrangebylex)),
    row("zrevrangebyscore", -4, Read(range::zrevrangebyscore)).shaped(shape::scored_if_asked),
    row("zrevrank", 3, Read(score::zrevrank)),
    row("zscan", -3, Read(scan::zscan)),
    row("zscore", 3, Read(score::zscore)).shaped(shape::double),
];

/// A command of this name that does nothing and answers nothing, which none may.
#[cfg(test)]
pub(super) const fn mute(name: &'static str) -> Row {
    row(name, 2, Read(|_, _, _| Ok(())))
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
