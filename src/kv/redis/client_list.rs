//! CLIENT LIST, INFO and KILL: the connections of Redis clients to this server.

use crate::kv::resp::integer;

use super::ListedConnection;
use super::session::{Ask, Session};
use super::writer::ReplyWriter;

pub(super) fn info(session: &Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let own = ask.server.connections.iter().find(|connection| connection.id == session.id);
    answer.text(own.map_or("", |connection| &connection.line));
}

pub(super) fn list(ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let wanted = match &ask.lower(2)[..] {
        b"" if ask.words.len() == 2 => Ok(Filter::default()),
        b"type" if ask.words.len() == 4 => kind(ask.word(3)).map(|normal| Filter {
            ids: if normal { None } else { Some(Vec::new()) },
            ..Filter::default()
        }),
        b"id" if ask.words.len() > 3 => {
            let ids = ask.words.iter().skip(3).map(id).collect::<Result<Vec<_>, _>>();
            ids.map(|ids| Filter { ids: Some(ids), ..Filter::default() })
        }
        _ => Err("ERR syntax error".into()),
    };
    match wanted {
        Ok(filter) => {
            let found = ask.server.connections.iter().filter(|one| filter.matches(one));
            let text: String = found.map(|connection| &connection.line[..]).collect();
            answer.text(&text);
        }
        Err(text) => answer.error(text),
    }
}

/// Notes whose connections are to be ended; whoever owns them does it.
pub(super) fn kill(session: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let is_old_form = ask.words.len() == 3;
    let (filter, spares_own) = match Filter::parse(ask) {
        Ok(filter) => filter,
        Err(text) => return answer.error(text),
    };
    let own = session.id;
    let found = ask.server.connections.iter().filter(|one| filter.matches(one));
    let ids: Vec<u64> = found.map(|one| one.id).filter(|id| !spares_own || *id != own).collect();
    match ids.len() {
        0 if is_old_form => answer.error("ERR No such client"),
        _ if is_old_form => answer.ok(),
        count => answer.integer(count as i64),
    }
    if ids.contains(&own) {
        session.closing = true;
    }
    session.kills.extend(ids.into_iter().filter(|id| *id != own));
}

/// A choice of connections.
#[derive(Default)]
struct Filter {
    ids: Option<Vec<u64>>,
    address: Option<Vec<u8>>,
    dialled: Option<Vec<u8>>,
}

impl Filter {
    fn matches(&self, connection: &ListedConnection) -> bool {
        let is = |wanted: &Option<Vec<u8>>, address: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == address.as_bytes())
        };
        self.ids.as_ref().is_none_or(|ids| ids.contains(&connection.id))
            && is(&self.address, &connection.address)
            && is(&self.dialled, &connection.dialled)
    }

    /// What CLIENT KILL means, and whether the connection that says it is spared.
    fn parse(ask: &Ask<'_>) -> Result<(Self, bool), String> {
        let mut filter = Self::default();
        if ask.words.len() == 3 {
            filter.address = Some(ask.word(2).to_vec());
            return Ok((filter, false));
        }
        let mut spares_own = true;
        let mut words = ask.words.iter().skip(2);
        while let Some(option) = words.next() {
            let value = words.next().ok_or("ERR syntax error")?;
            match &option.to_ascii_lowercase()[..] {
                b"id" => filter.ids = Some(vec![id(value)?]),
                b"addr" => filter.address = Some(value.to_vec()),
                b"laddr" => filter.dialled = Some(value.to_vec()),
                b"type" if kind(value)? => {}
                b"type" => filter.ids = Some(Vec::new()),
                b"user" if value == b"default" => {}
                b"user" => {
                    return Err(format!("ERR No such user '{}'", String::from_utf8_lossy(value)));
                }
                b"skipme" => match &value.to_ascii_lowercase()[..] {
                    b"yes" => spares_own = true,
                    b"no" => spares_own = false,
                    _ => return Err("ERR syntax error".into()),
                },
                _ => return Err("ERR syntax error".into()),
            }
        }
        Ok((filter, spares_own))
    }
}

fn id(word: &[u8]) -> Result<u64, String> {
    let id = integer(word).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
    id.ok_or_else(|| "ERR client-id should be greater than 0".into())
}

/// Whether connections of this type are those there are: all are normal.
fn kind(word: &[u8]) -> Result<bool, String> {
    match &word.to_ascii_lowercase()[..] {
        b"normal" => Ok(true),
        b"master" | b"replica" | b"slave" | b"pubsub" => Ok(false),
        _ => Err(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(word))),
    }
}
