//! LEASE: acquire, renew, release, look at and check a lease.

use crate::kv::resp::{Command, integer, write_array, write_bulk, write_integer};
use crate::kv::service::replies::{integer_reply, null_reply, ok_reply, write_bulks};
use crate::kv::service::store::Store;
use crate::kv::service::{Call, Done, Refusal};

use super::{Acquired, LEASES_MAX, NAME_BYTES_MAX, TTL_MS_MAX};

const HELP: [&str; 15] = [
    "LEASE <subcommand> [<arg> [value] ...]. Subcommands are:",
    "ACQUIRE <name> <owner> <ttl-ms>",
    "    The token of the lease, or nil while another owner holds it. Its owner gets the same token",
    "    again, and at least so much time. Count the time from before this was sent.",
    "RENEW <name> <token> <ttl-ms>",
    "    1 if the lease is held under the token and has at least so much time left now, else 0.",
    "RELEASE <name> <token>",
    "    1 if the lease was held under the token and is now free, else 0.",
    "GET <name>",
    "    Owner, token and remaining milliseconds, or nil while nobody holds it.",
    "CHECK <name> <token>",
    "    OK if the lease is held under the token, else an error. Within MULTI nothing at all is done",
    "    then. Put it before the writes that only the holder may do.",
    "HELP",
    "    Print this help.",
];

const FENCED: Refusal = Refusal::Text("FENCED the lease is not held under this token");
const FENCED_TRANSACTION: Refusal = Refusal::Text(
    "EXECABORT Transaction discarded because of: FENCED the lease is not held under this token",
);
const NAME_BYTES: Refusal = Refusal::Text("ERR names and owners of leases have 1 to 256 bytes");
const TTL: Refusal =
    Refusal::Text("ERR invalid ttl in 'lease' command: 1 to 604800000 milliseconds");
const TOO_MANY: Refusal =
    Refusal::Text("ERR 4096 leases are held, and no more fit: release some, or wait for their end");

// The texts above must say what the limits are.
const _: () = assert!(NAME_BYTES_MAX == 256 && TTL_MS_MAX == 604_800_000 && LEASES_MAX == 4096);

pub(in crate::kv::service) fn lease(
    store: &mut Store,
    call: &Call<'_>,
    reply: &mut Vec<u8>,
) -> Done {
    type Run = fn(&mut Store, &Call<'_>, &mut Vec<u8>) -> Done;
    let (full, words, run): (_, _, Run) = match &call.argument(1).to_ascii_lowercase()[..] {
        b"acquire" => ("lease|acquire", 5, acquire),
        b"renew" => ("lease|renew", 5, renew),
        b"release" => ("lease|release", 4, release),
        b"get" => ("lease|get", 3, get),
        b"check" => ("lease|check", 4, check),
        b"help" => ("lease|help", 2, |_, _, reply| write_bulks(HELP, reply)),
        _ => return Err(Refusal::Subcommand("LEASE")),
    };
    if call.len() != words {
        return Err(Refusal::SubcommandArity(full));
    }
    run(store, call, reply)
}

/// Refuses a transaction with a check in it, before any of it is run, if the check fails.
pub(in crate::kv::service) fn check_transaction<'a>(
    store: &Store,
    mut parts: impl Iterator<Item = (&'static str, &'a Command<'a>)>,
) -> Done {
    let fails = |(name, words): (&str, &Command<'_>)| {
        let word = |index| words.get(index).unwrap_or_default();
        let is_check =
            name == "lease" && word(1).eq_ignore_ascii_case(b"check") && words.len() == 4;
        is_check && !is_held(store, word(2), word(3))
    };
    if parts.any(fails) { Err(FENCED_TRANSACTION) } else { Ok(()) }
}

fn acquire(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (name, owner) = (bounded(call, 2)?, bounded(call, 3)?);
    let expires_ms = expiry(call)?;
    if store.leases.get(name).is_none() {
        if store.is_full() {
            return Err(Refusal::FULL);
        }
        if store.leases.is_full() {
            return Err(TOO_MANY);
        }
    }
    match store.leases.acquire(name, owner, expires_ms) {
        Acquired::Token(token) => integer_reply(token, reply),
        Acquired::Held => null_reply(reply),
    }
}

fn renew(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (name, token, expires_ms) = (call.argument(2), call.integer(3)?, expiry(call)?);
    let renewed = known(token).is_some_and(|token| store.leases.renew(name, token, expires_ms));
    integer_reply(renewed, reply)
}

fn release(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (name, token) = (call.argument(2), call.integer(3)?);
    let released = known(token).is_some_and(|token| store.leases.release(name, token));
    integer_reply(released, reply)
}

fn get(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let Some(lease) = store.leases.get(call.argument(2)) else { return null_reply(reply) };
    write_array(3, reply);
    write_bulk(&lease.owner, reply);
    write_integer(lease.token as i64, reply);
    integer_reply(lease.expires_ms - call.now_ms, reply)
}

fn check(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    call.integer(3)?;
    if is_held(store, call.argument(2), call.argument(3)) { ok_reply(reply) } else { Err(FENCED) }
}

fn is_held(store: &Store, name: &[u8], token: &[u8]) -> bool {
    integer(token).and_then(known).is_some_and(|token| store.leases.is_held(name, token))
}

/// A token that may have been given.
fn known(token: i64) -> Option<u64> {
    u64::try_from(token).ok()
}

/// The name or owner at `index`.
fn bounded<'a>(call: &Call<'a>, index: usize) -> Result<&'a [u8], Refusal> {
    let bytes = call.argument(index);
    if (1..=NAME_BYTES_MAX).contains(&bytes.len()) { Ok(bytes) } else { Err(NAME_BYTES) }
}

/// The agreed time at which the ttl, the fourth argument of those who have one, is over.
fn expiry(call: &Call<'_>) -> Result<u64, Refusal> {
    let ttl_ms = u64::try_from(call.integer(4)?).map_err(|_| TTL)?;
    if !(1..=TTL_MS_MAX).contains(&ttl_ms) {
        return Err(TTL);
    }
    Ok(call.now_ms.saturating_add(ttl_ms))
}
