//! AUTH and HELLO: who the client is, and which RESP it reads.

use crate::kv::resp::integer;

use super::session::{Ask, Session};
use super::writer::ReplyWriter;
use super::{REDIS_VERSION, RedisSettings, client};

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

const NO_PASSWORD_SET: &str = "ERR AUTH <password> called without any password configured for the \
                               default user. Are you sure your configuration is correct?";

const HELLO_NEEDS_AUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, \
                                otherwise the HELLO <proto> AUTH <user> <pass> option can be used \
                                to authenticate the client and select the RESP protocol version at \
                                the same time";

/// Whether these are the user and the password. Hashes are compared, in a time that does not depend
/// on where they differ.
fn is_right(settings: &RedisSettings, user: &[u8], password: &[u8]) -> bool {
    let right = match &settings.password {
        Some(right) => blake3::hash(right) == blake3::hash(password),
        None => true,
    };
    right & (user == b"default")
}

pub(super) fn auth(session: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let (user, password) = match ask.words.len() {
        2 if ask.settings.password.is_none() => return answer.error(NO_PASSWORD_SET),
        2 => (&b"default"[..], ask.word(1)),
        3 => (ask.word(1), ask.word(2)),
        _ => return answer.error("ERR syntax error"),
    };
    if is_right(ask.settings, user, password) {
        session.authenticated = true;
        answer.ok();
    } else {
        answer.error(WRONG_PASSWORD);
    }
}

pub(super) fn hello(session: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let mut after = session.clone();
    match greet(&mut after, ask) {
        Ok(()) => {
            *session = after;
            answer.resp3 = session.resp3;
            write_greeting(session, answer);
        }
        Err(text) => answer.error(text),
    }
}

/// Does what HELLO asks for; what is wrong leaves the session to be thrown away.
fn greet(session: &mut Session, ask: &Ask<'_>) -> Result<(), Vec<u8>> {
    if ask.words.len() > 1 {
        session.resp3 = match integer(ask.word(1)) {
            Some(2) => false,
            Some(3) => true,
            Some(_) => return Err(b"NOPROTO unsupported protocol version".to_vec()),
            None => {
                return Err(b"ERR Protocol version is not an integer or out of range".to_vec());
            }
        };
    }
    let mut at = 2;
    while at < ask.words.len() {
        let left = ask.words.len() - at - 1;
        match &ask.lower(at)[..] {
            b"auth" if left >= 2 => {
                if !is_right(ask.settings, ask.word(at + 1), ask.word(at + 2)) {
                    return Err(WRONG_PASSWORD.into());
                }
                session.authenticated = true;
                at += 3;
            }
            b"setname" if left >= 1 => {
                session.name = client::checked_name(ask.word(at + 1), "Client names")?;
                at += 2;
            }
            _ => {
                let option = &ask.word(at)[..ask.word(at).len().min(128)];
                return Err([b"ERR Syntax error in HELLO option '", option, b"'"].concat());
            }
        }
    }
    if session.authenticated { Ok(()) } else { Err(HELLO_NEEDS_AUTH.into()) }
}

fn write_greeting(session: &Session, answer: &mut ReplyWriter<'_>) {
    answer.map(7);
    answer.bulk("server");
    answer.bulk("redis");
    answer.bulk("version");
    answer.bulk(REDIS_VERSION);
    answer.bulk("proto");
    answer.integer(if session.resp3 { 3 } else { 2 });
    answer.bulk("id");
    answer.integer(session.id as i64);
    answer.bulk("mode");
    answer.bulk("standalone");
    // Every replica takes writes, whoever leads.
    answer.bulk("role");
    answer.bulk("master");
    answer.bulk("modules");
    answer.array(0);
}
