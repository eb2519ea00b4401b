//! The commands: their names, how many arguments they take, and who runs them.

use super::store::Store;
use super::{Call, Done, expiry, hashes, keys, lists, sets, setting, strings};

/// What runs a command. The kind says whether it may change the state.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    Read(fn(&Store, &Call<'_>, &mut Vec<u8>) -> Done),
    Write(fn(&mut Store, &Call<'_>, &mut Vec<u8>) -> Done),
}

/// A command that the service knows.
pub(super) struct Row {
    /// In small letters, as errors show it; clients may write it as they like.
    pub(super) name: &'static str,
    /// As in Redis: how many arguments, the name counted; or, below zero, how many at least.
    arity: i8,
    pub(super) handler: Handler,
}

impl Row {
    /// Whether `count` arguments, the name counted, are right.
    #[inline]
    pub(super) fn takes(&self, count: usize) -> bool {
        let arity = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { count >= arity } else { count == arity }
    }
}

/// Finds a command by its name, in whatever letters.
#[inline]
pub(super) fn find(name: &[u8]) -> Option<&'static Row> {
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

/// Where each row is, by the [`spot`] of its name or, if that was taken, the next free one. More than
/// half of it is empty, so that a search is short, and ends.
static INDEX: [u8; 256] = index();

const EMPTY: u8 = u8::MAX;

const fn index() -> [u8; 256] {
    let mut index = [EMPTY; 256];
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
    (hash >> 24) as usize
}

const fn read(
    name: &'static str,
    arity: i8,
    handler: fn(&Store, &Call<'_>, &mut Vec<u8>) -> Done,
) -> Row {
    Row { name, arity, handler: Handler::Read(handler) }
}

const fn write(
    name: &'static str,
    arity: i8,
    handler: fn(&mut Store, &Call<'_>, &mut Vec<u8>) -> Done,
) -> Row {
    Row { name, arity, handler: Handler::Write(handler) }
}

/// All commands, sorted by name.
static TABLE: &[Row] = &[
    write("append", 3, strings::append),
    read("dbsize", 1, keys::dbsize),
    write("decr", 2, strings::decr),
    write("decrby", 3, strings::decrby),
    write("del", -2, keys::del),
    read("echo", 2, keys::echo),
    read("exists", -2, keys::exists),
    write("expire", -3, expiry::expire),
    write("expireat", -3, expiry::expireat),
    write("flushall", -1, keys::flush),
    write("flushdb", -1, keys::flush),
    read("get", 2, strings::get),
    write("getdel", 2, strings::getdel),
    read("getrange", 4, strings::getrange),
    write("getset", 3, setting::getset),
    write("hdel", -3, hashes::hdel),
    read("hexists", 3, hashes::hexists),
    read("hget", 3, hashes::hget),
    read("hgetall", 2, hashes::hgetall),
    write("hincrby", 4, hashes::hincrby),
    read("hkeys", 2, hashes::hkeys),
    read("hlen", 2, hashes::hlen),
    read("hmget", -3, hashes::hmget),
    write("hset", -4, hashes::hset),
    write("hsetnx", 4, hashes::hsetnx),
    read("hvals", 2, hashes::hvals),
    write("incr", 2, strings::incr),
    write("incrby", 3, strings::incrby),
    read("keys", 2, keys::keys),
    read("lindex", 3, lists::lindex),
    read("llen", 2, lists::llen),
    write("lpop", -2, lists::lpop),
    write("lpush", -3, lists::lpush),
    read("lrange", 4, lists::lrange),
    write("lrem", 4, lists::lrem),
    write("lset", 4, lists::lset),
    write("ltrim", 4, lists::ltrim),
    read("mget", -2, strings::mget),
    write("mset", -3, setting::mset),
    write("msetnx", -3, setting::msetnx),
    write("persist", 2, expiry::persist),
    write("pexpire", -3, expiry::pexpire),
    write("pexpireat", -3, expiry::pexpireat),
    read("ping", -1, keys::ping),
    write("psetex", 4, setting::psetex),
    read("pttl", 2, expiry::pttl),
    read("randomkey", 1, keys::randomkey),
    write("rename", 3, keys::rename),
    write("renamenx", 3, keys::renamenx),
    write("rpop", -2, lists::rpop),
    write("rpush", -3, lists::rpush),
    write("sadd", -3, sets::sadd),
    read("scard", 2, sets::scard),
    read("sdiff", -2, sets::sdiff),
    write("set", -3, setting::set),
    write("setex", 4, setting::setex),
    write("setnx", 3, setting::setnx),
    write("setrange", 4, strings::setrange),
    read("sinter", -2, sets::sinter),
    read("sismember", 3, sets::sismember),
    read("smembers", 2, sets::smembers),
    write("spop", -2, sets::spop),
    write("srem", -3, sets::srem),
    read("strlen", 2, strings::strlen),
    read("sunion", -2, sets::sunion),
    read("ttl", 2, expiry::ttl),
    read("type", 2, keys::kind),
    write("unlink", -2, keys::del),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once_and_found() {
        assert!(TABLE.is_sorted_by(|left, right| left.name < right.name));
        assert!(TABLE.len() < INDEX.len() / 2);
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
