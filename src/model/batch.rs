//! Many requests as one immutable columnar block.
//!
//! A client edge packs requests into columns once; the same bytes are then proposed, journalled,
//! sent and executed. A copy of a batch is a reference to it. Bytes from outside become a batch
//! only through [`Requests::from_words`], which checks everything that reading relies on.

use std::sync::Arc;

use columnar::bytes::indexed;
use columnar::{Borrow, BorrowedOf, FromBytes, Len};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::types::{ClientId, ReplicaId, is_plausible};

/// Client, number, acknowledged, command: a column each.
type Row = (u64, u64, u64, Vec<u8>);
type Columns = columnar::ContainerOf<Row>;
type View<'a> = BorrowedOf<'a, Row>;

/// What one client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The session; in a request that opens one, a number the client made up to know the answer by.
    pub client: ClientId,
    /// The client's own count of its requests, from 1; 0 asks to open a session.
    pub number: u64,
    /// Up to here the client holds every reply, so that these may be forgotten.
    pub acknowledged: u64,
    /// Opaque to the protocol; only the application reads it.
    pub command: &'a [u8],
}

impl Request<'_> {
    /// Whether a request that came from outside belongs to a session, or asks for one.
    pub fn is_of_a_session(&self) -> bool {
        self.client.line().is_none() && is_plausible(self.number)
    }
}

/// Names a batch for ever.
///
/// A source numbers its batches from 1 without gaps, and starts again under a higher incarnation
/// when its replica restarts.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct BatchId {
    /// The replica whose clients ask.
    pub source: ReplicaId,
    /// How often that replica had started.
    pub incarnation: u64,
    /// Its count of batches.
    pub number: u64,
}

/// What a slot holds: requests that one source sent together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// The source's clock when it was packed, in milliseconds: the only time the application sees.
    pub time_ms: u64,
    /// The requests.
    pub requests: Requests,
}

impl Batch {
    /// Whether a batch that came from outside can be one of a cluster of `n`.
    pub fn is_plausible(&self, n: usize) -> bool {
        let BatchId { source, incarnation, number } = self.id;
        (source.0 as usize) < n
            && [incarnation, number, self.time_ms].into_iter().all(is_plausible)
            && self.requests.iter().all(|request| is_plausible(request.number))
    }
}

/// Whether a value that came from outside can be one.
pub fn is_plausible_value(value: &Value, n: usize) -> bool {
    value.as_ref().is_none_or(|batch| batch.is_plausible(n))
}

/// The value of a slot; `None` is the noop that fills a hole.
pub type Value = Option<Batch>;

/// How many bytes a value takes on a link or in memory, near enough for limits. The same on every
/// replica: it decides when a checkpoint is due.
pub fn weight(value: &Value) -> usize {
    64 + value.as_ref().map_or(0, |batch| batch.requests.bytes())
}

/// Requests as columns: immutable, shared, readable without decoding.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Requests(Arc<Vec<u64>>);

impl Requests {
    /// Takes the words of a block that came from outside.
    ///
    /// # Errors
    /// A sentence on the first thing wrong with the block.
    pub fn from_words(words: Vec<u64>) -> Result<Self, String> {
        indexed::validate::<View<'_>>(&words)?;
        let (clients, numbers, acknowledged, commands) = view(&words);
        let rows = clients.len();
        if numbers.len() != rows || acknowledged.len() != rows || commands.bounds.len() != rows {
            return Err("columns of different lengths".to_owned());
        }
        let end = commands.bounds.last().copied().unwrap_or_default();
        if !commands.bounds.is_sorted() || end != commands.values.len() as u64 {
            return Err("command bounds that are not ascending offsets".to_owned());
        }
        Ok(Self(Arc::new(words)))
    }

    /// The block as words, for a link or a journal.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// The size of the block in bytes.
    pub fn bytes(&self) -> usize {
        self.0.len() * 8
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        view(&self.0).0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The requests, in the order in which they were packed.
    pub fn iter(&self) -> impl Iterator<Item = Request<'_>> {
        let (clients, numbers, acknowledged, commands) = view(&self.0);
        let mut start = 0;
        (0..clients.len()).map(move |row| {
            let end = commands.bounds[row] as usize;
            let command = &commands.values[start..end];
            start = end;
            Request {
                client: ClientId(clients[row]),
                number: numbers[row],
                acknowledged: acknowledged[row],
                command,
            }
        })
    }
}

fn view(words: &[u64]) -> View<'_> {
    FromBytes::from_store(&indexed::DecodedStore::new(words), &mut 0)
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} requests, {} bytes", self.len(), self.bytes())
    }
}

impl Serialize for Requests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(columnar::bytemuck::cast_slice(&self.0))
    }
}

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        if bytes.len() % 8 != 0 {
            return Err(D::Error::custom("a block of requests is not a whole number of words"));
        }
        // One copy, because the bytes of a frame are not aligned.
        let mut words = vec![0; bytes.len() / 8];
        columnar::bytemuck::cast_slice_mut(&mut words).copy_from_slice(bytes);
        Self::from_words(words).map_err(D::Error::custom)
    }
}

/// Packs requests into columns.
#[derive(Default)]
pub struct Packer {
    columns: Columns,
    bytes: usize,
}

impl Packer {
    /// Adds a request.
    pub fn push(&mut self, request: Request<'_>) {
        let (clients, numbers, acknowledged, commands) = &mut self.columns;
        clients.push(request.client.0);
        numbers.push(request.number);
        acknowledged.push(request.acknowledged);
        commands.values.extend_from_slice(request.command);
        commands.bounds.push(commands.values.len() as u64);
        self.bytes += 32 + request.command.len();
    }

    /// How many requests are packed.
    pub fn len(&self) -> usize {
        self.columns.0.len()
    }

    /// Whether nothing is packed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes packed so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what is packed and starts anew.
    pub fn finish(&mut self) -> Requests {
        let (clients, numbers, acknowledged, commands) = &self.columns;
        let rows = [clients.len(), numbers.len(), acknowledged.len(), commands.bounds.len()];
        assert!(rows.iter().all(|rows| *rows == clients.len()), "the columns are equally long");
        let mut words = Vec::with_capacity(self.bytes / 8 + 16);
        indexed::encode(&mut words, &self.columns.borrow());
        columnar::Clear::clear(&mut self.columns);
        self.bytes = 0;
        Requests(Arc::new(words))
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The application's reply; the command has taken effect exactly once.
    Done(&'a [u8]),
    /// The session asked for, by its name.
    Opened(ClientId),
    /// There is no such session, or no longer: nothing was done.
    NoSession,
    /// It has taken effect, and its reply is not kept: the client holds it, or there were too many.
    Forgotten,
    /// More requests are open than the client's window allows: nothing was done.
    OutsideWindow,
}

/// The answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The client of the request.
    pub client: ClientId,
    /// The number of the request.
    pub number: u64,
    /// What came of it.
    pub answer: Answer<'a>,
}

/// Answers to the requests of one batch, as columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replies {
    rows: Vec<(ClientId, u64, Kind)>,
    #[serde(with = "serde_bytes")]
    results: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    /// The reply ends here in `results`.
    Done(usize),
    Opened(ClientId),
    NoSession,
    Forgotten,
    OutsideWindow,
}

impl Replies {
    /// Adds an answer.
    pub fn push(&mut self, reply: Reply<'_>) {
        let kind = match reply.answer {
            Answer::Done(result) => {
                self.results.extend_from_slice(result);
                Kind::Done(self.results.len())
            }
            Answer::Opened(client) => Kind::Opened(client),
            Answer::NoSession => Kind::NoSession,
            Answer::Forgotten => Kind::Forgotten,
            Answer::OutsideWindow => Kind::OutsideWindow,
        };
        self.rows.push((reply.client, reply.number, kind));
    }

    /// Adds the application's reply, which `write` appends to what it is given.
    pub fn push_done(&mut self, client: ClientId, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.results);
        self.rows.push((client, number, Kind::Done(self.results.len())));
    }

    /// The same if `write` says that it has appended one.
    pub fn push_if(
        &mut self,
        client: ClientId,
        number: u64,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) {
        if write(&mut self.results) {
            self.rows.push((client, number, Kind::Done(self.results.len())));
        }
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether answers that came from outside can be read: their ends ascend within the bytes.
    pub fn is_plausible(&self) -> bool {
        let ends = self.rows.iter().filter_map(|(_, _, kind)| match kind {
            Kind::Done(end) => Some(*end),
            _ => None,
        });
        ends.clone().is_sorted() && ends.max().is_none_or(|end| end <= self.results.len())
    }

    /// The answers, in the order of execution.
    pub fn iter(&self) -> impl Iterator<Item = Reply<'_>> {
        let mut start = 0;
        self.rows.iter().map(move |&(client, number, kind)| {
            let answer = match kind {
                Kind::Done(end) => {
                    Answer::Done(&self.results[std::mem::replace(&mut start, end)..end])
                }
                Kind::Opened(client) => Answer::Opened(client),
                Kind::NoSession => Answer::NoSession,
                Kind::Forgotten => Answer::Forgotten,
                Kind::OutsideWindow => Answer::OutsideWindow,
            };
            Reply { client, number, answer }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn packed() -> Requests {
        let mut packer = Packer::default();
        for (number, command) in [(1, &b"SET"[..]), (2, b""), (3, b"a longer command")] {
            let client = ClientId(7);
            packer.push(Request { client, number, acknowledged: number - 1, command });
        }
        packer.finish()
    }

    #[test]
    fn requests_come_out_as_they_went_in() {
        let requests = packed();
        let commands: Vec<_> = requests.iter().map(|request| request.command).collect();
        assert_eq!(commands, [&b"SET"[..], b"", b"a longer command"]);
        assert_eq!(requests.iter().last().unwrap().acknowledged, 2);
        assert_eq!(requests.iter().last().unwrap().client, ClientId(7));
    }

    #[test]
    fn a_batch_survives_its_encoding() {
        let batch = Batch { id: BatchId::default(), time_ms: 9, requests: packed() };
        let bytes = postcard::to_stdvec(&Some(batch.clone())).unwrap();
        assert_eq!(postcard::from_bytes::<Value>(&bytes).unwrap(), Some(batch));
    }

    #[test]
    fn a_block_changed_in_any_word_is_refused_or_readable() {
        let words = packed().words().to_vec();
        for at in 0..words.len() {
            for bit in 0..64 {
                let mut changed = words.clone();
                changed[at] ^= 1 << bit;
                if let Ok(requests) = Requests::from_words(changed) {
                    assert_eq!(requests.iter().count(), requests.len());
                }
            }
        }
    }

    #[test]
    fn a_block_cut_anywhere_is_refused() {
        let words = packed().words().to_vec();
        for end in 0..words.len() {
            assert!(Requests::from_words(words[..end].to_vec()).is_err(), "cut at word {end}");
        }
    }

    #[test]
    #[should_panic(expected = "the columns are equally long")]
    fn a_block_whose_columns_differ_is_not_made() {
        let mut packer = Packer::default();
        packer.columns.0.push(7);
        packer.finish();
    }
}
