//! Frames: pieces of a byte stream that know their length, their place and whether they are whole.
//!
//! ```text
//!  length u32 │ checksum u32 │ sequence u64 │ payload        (little endian)
//! ```
//!
//! The checksum covers sequence and payload, and frames are counted from 0 on each connection; so a
//! frame that was damaged, repeated or left out on the way ends the connection, TLS or not.

use serde::Serialize;

use super::Fault;

const HEAD: usize = 16;

/// Room kept where there is nothing: what one large frame took is given back.
const IDLE_BYTES_MAX: usize = 1 << 20;

/// Bytes that arrive, until they are whole frames.
#[derive(Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How many of them have been taken.
    start: usize,
    sequence: u64,
    payload_max: usize,
}

impl Inbox {
    /// For frames with payloads of at most so many bytes.
    #[must_use]
    pub fn new(payload_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, sequence: 0, payload_max }
    }

    /// Where arriving bytes are to be added at the end.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.bytes.is_empty() {
            self.bytes.shrink_to(IDLE_BYTES_MAX);
        }
        &mut self.bytes
    }

    /// Allows longer payloads from now on: a peer that has said who it is may say more.
    pub fn allow(&mut self, payload_max: usize) {
        self.payload_max = payload_max;
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        self.bytes.len() > self.start
    }

    /// The payload of the next whole frame.
    ///
    /// # Errors
    /// What is wrong with it; the connection is of no use then.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Fault> {
        let waiting = &self.bytes[self.start..];
        let Some(head) = waiting.first_chunk::<HEAD>() else { return Ok(None) };
        let [l0, l1, l2, l3, c0, c1, c2, c3, sequence @ ..] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > self.payload_max {
            return Err(Fault::TooLong { length, limit: self.payload_max });
        }
        let Some(rest) = waiting.get(8..HEAD + length) else { return Ok(None) };
        if crc32fast::hash(rest) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(Fault::Checksum);
        }
        let (found, expected) = (u64::from_le_bytes(sequence), self.sequence);
        if found != expected {
            return Err(Fault::Sequence { found, expected });
        }
        self.sequence += 1;
        let payload = self.start + HEAD..self.start + HEAD + length;
        self.start = payload.end;
        Ok(Some(&self.bytes[payload]))
    }
}

/// Frames on their way out.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// How many of them have left.
    start: usize,
    sequence: u64,
    /// Where the head of the frame being written stands.
    open: Option<usize>,
}

impl Outbox {
    /// Writes a frame that holds `value`.
    pub fn put(&mut self, value: &impl Serialize) {
        self.begin();
        self.add(value);
        self.end();
    }

    /// Begins a frame.
    pub fn begin(&mut self) {
        debug_assert!(self.open.is_none(), "frames do not nest");
        self.open = Some(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&self.sequence.to_le_bytes());
        self.sequence += 1;
    }

    /// Adds a value to the frame that has begun.
    pub fn add(&mut self, value: &impl Serialize) {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(value, bytes).expect("plain data always encodes");
    }

    /// Adds bytes to the frame that has begun.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The bytes of the frame that has begun.
    #[must_use]
    pub fn open_bytes(&self) -> usize {
        self.open.map_or(0, |head| self.bytes.len() - head - HEAD)
    }

    /// Ends the frame that has begun.
    pub fn end(&mut self) {
        let Some(head) = self.open.take() else { return };
        let frame = &mut self.bytes[head..];
        let length = (frame.len() - HEAD) as u32;
        let checksum = crc32fast::hash(&frame[8..]);
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// What is to leave.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Notes that so many bytes have left.
    pub fn left(&mut self, count: usize) {
        self.start += count;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(IDLE_BYTES_MAX);
            self.start = 0;
        } else if self.start >= 1 << 20 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// How many bytes are to leave.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether all has left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(payloads: &[&[u8]]) -> Vec<u8> {
        let mut outbox = Outbox::default();
        for payload in payloads {
            outbox.begin();
            outbox.add_bytes(payload);
            outbox.end();
        }
        outbox.waiting().to_vec()
    }

    fn received(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let mut inbox = Inbox::new(100);
        let mut frames = Vec::new();
        for piece in bytes.chunks(piece) {
            inbox.room().extend_from_slice(piece);
            while let Some(payload) = inbox.next_frame()? {
                frames.push(payload.to_vec());
            }
        }
        Ok(frames)
    }

    #[test]
    fn frames_arrive_whole_however_the_stream_is_cut() {
        let bytes = sent(&[b"one", b"", b"three"]);
        for piece in 1..bytes.len() {
            assert_eq!(received(&bytes, piece).unwrap(), [&b"one"[..], b"", b"three"]);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed_or_leaves_the_frame_incomplete() {
        let bytes = sent(&[b"a payload"]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let frames = received(&flipped, bytes.len()).unwrap_or_default();
            assert!(frames.is_empty(), "bit {bit}");
        }
    }

    #[test]
    fn a_long_frame_is_refused_by_its_head_alone() {
        let head = [101u32.to_le_bytes(), [0; 4], [0; 4], [0; 4]].concat();
        assert!(matches!(received(&head, 16), Err(Fault::TooLong { length: 101, limit: 100 })));
    }

    #[test]
    fn a_frame_repeated_or_left_out_is_refused() {
        let (first, both) = (sent(&[b"one"]), sent(&[b"one", b"two"]));
        let second = &both[first.len()..];
        assert!(matches!(received(second, 99), Err(Fault::Sequence { found: 1, expected: 0 })));
        let twice = [&first[..], &first].concat();
        assert!(matches!(received(&twice, 99), Err(Fault::Sequence { found: 0, expected: 1 })));
    }

    #[test]
    fn what_has_left_is_forgotten() {
        let mut outbox = Outbox::default();
        outbox.put(&7u8);
        let all = outbox.len();
        outbox.left(5);
        assert_eq!(outbox.len(), all - 5);
        outbox.left(all - 5);
        assert!(outbox.is_empty());
    }
}
