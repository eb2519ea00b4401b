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
use crate::model::buffer::ByteQueue;

const HEAD: usize = 16;

/// Room kept where there is nothing: what one large frame took is given back.
const IDLE_BYTES_MAX: usize = 1 << 20;

/// Bytes that arrive, until they are whole frames.
#[derive(Debug)]
pub struct Inbox {
    bytes: ByteQueue<IDLE_BYTES_MAX>,
    sequence: u64,
    payload_max: usize,
}

impl Inbox {
    /// For frames with payloads of at most so many bytes.
    pub fn new(payload_max: usize) -> Self {
        Self { bytes: ByteQueue::default(), sequence: 0, payload_max }
    }

    /// Where arriving bytes are to be added at the end.
    pub fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.tail()
    }

    /// Allows longer payloads from now on: a peer that has identified itself may send more.
    pub fn allow(&mut self, payload_max: usize) {
        self.payload_max = payload_max;
    }

    /// Whether a frame has begun and not ended.
    pub fn is_half_full(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The payload of the next whole frame.
    ///
    /// # Errors
    /// What is wrong with it; the connection is of no use then.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Fault> {
        let waiting = self.bytes.waiting();
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
        Ok(Some(&self.bytes.pass(HEAD + length)[HEAD..]))
    }
}

/// Frames on their way out: those that are whole, and one that is being written.
///
/// They are kept apart, so that nothing of a frame can leave before its head says how long it is,
/// and what leaves moves nothing that is being written.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Whole frames.
    whole: ByteQueue<IDLE_BYTES_MAX>,
    /// The frame being written, its head first; empty if none is.
    open: Vec<u8>,
    sequence: u64,
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
        assert!(!self.is_open(), "frames do not nest");
        self.open.extend_from_slice(&[0; 8]);
        self.open.extend_from_slice(&self.sequence.to_le_bytes());
        self.sequence += 1;
    }

    /// Adds a value to the frame that has begun.
    pub fn add(&mut self, value: &impl Serialize) {
        assert!(self.is_open(), "what is added belongs to a frame");
        let bytes = std::mem::take(&mut self.open);
        self.open = postcard::to_extend(value, bytes).expect("plain data always encodes");
    }

    /// Adds bytes to the frame that has begun.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        assert!(self.is_open(), "what is added belongs to a frame");
        self.open.extend_from_slice(bytes);
    }

    /// Whether a frame has begun and not ended.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The bytes of the payload of the frame that has begun.
    pub fn open_bytes(&self) -> usize {
        self.open.len().saturating_sub(HEAD)
    }

    /// Ends the frame that has begun.
    pub fn end(&mut self) {
        if !self.is_open() {
            return;
        }
        let length = (self.open.len() - HEAD) as u32;
        let checksum = crc32fast::hash(&self.open[8..]);
        self.open[..4].copy_from_slice(&length.to_le_bytes());
        self.open[4..8].copy_from_slice(&checksum.to_le_bytes());
        if self.whole.is_empty() {
            // The usual case, which costs no copy.
            std::mem::swap(self.whole.tail(), &mut self.open);
        } else {
            self.whole.tail().extend_from_slice(&self.open);
            self.open.clear();
            self.open.shrink_to(IDLE_BYTES_MAX);
        }
    }

    /// What is to leave: whole frames only.
    pub fn waiting(&self) -> &[u8] {
        self.whole.waiting()
    }

    /// Notes that so many bytes of [`Outbox::waiting`] have left.
    pub fn left(&mut self, count: usize) {
        self.whole.advance(count);
    }

    /// How many bytes are to leave, now or when their frame is whole.
    pub fn len(&self) -> usize {
        self.whole.len() + self.open.len()
    }

    /// Whether all has left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

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

    #[test]
    #[should_panic(expected = "frames do not nest")]
    fn no_frame_begins_within_another() {
        let mut outbox = Outbox::default();
        outbox.begin();
        outbox.begin();
    }

    #[test]
    #[should_panic(expected = "what is added belongs to a frame")]
    fn nothing_is_added_outside_a_frame() {
        Outbox::default().add_bytes(b"astray");
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
    fn a_frame_being_written_stays_behind_when_what_is_before_it_leaves() {
        let mut outbox = Outbox::default();
        outbox.put(&vec![1u8; 2 << 20]);
        outbox.begin();
        outbox.add_bytes(b"first half, ");

        outbox.left(outbox.waiting().len() - 1);
        outbox.add_bytes(b"second half");
        outbox.end();
        outbox.left(1);

        assert_eq!(&outbox.waiting()[HEAD..], b"first half, second half");
    }

    #[test]
    fn nothing_of_a_frame_leaves_before_it_is_whole() {
        let mut outbox = Outbox::default();
        outbox.begin();
        outbox.add_bytes(b"half");

        assert!(outbox.waiting().is_empty());
        assert_eq!(outbox.len(), HEAD + 4);
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

    /// What happens to an outbox.
    #[derive(Clone, Debug)]
    enum Step {
        Begin,
        /// So many bytes are added to the frame that has begun.
        Add(usize),
        End,
        /// The connection takes so many thousandths of what waits.
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Begin),
            // Above a mebibyte room that was used is given back.
            prop_oneof![0..100usize, (1usize << 19)..(3 << 19)].prop_map(Step::Add),
            Just(Step::End),
            prop_oneof![Just(1000), 0..1000usize].prop_map(Step::Leave),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_written_and_however_it_leaves_the_same_frames_arrive(
            steps in vec(step(), 1..60)
        ) {
            let (mut outbox, mut inbox) = (Outbox::default(), Inbox::new(1 << 30));
            let (mut written, mut arrived): (Vec<Vec<u8>>, Vec<Vec<u8>>) = Default::default();
            let mut open = None;
            let steps = steps.into_iter().chain([Step::End, Step::Leave(1000)]);
            for (number, step) in steps.enumerate() {
                match step {
                    Step::Begin if open.is_none() => {
                        outbox.begin();
                        open = Some(Vec::new());
                    }
                    Step::Add(count) => if let Some(payload) = &mut open {
                        let bytes = vec![number as u8; count];
                        outbox.add_bytes(&bytes);
                        payload.extend(bytes);
                    },
                    Step::End => {
                        outbox.end();
                        written.extend(open.take());
                    }
                    Step::Leave(thousandths) => {
                        let count = outbox.waiting().len() * thousandths / 1000;
                        inbox.room().extend_from_slice(&outbox.waiting()[..count]);
                        outbox.left(count);
                        while let Some(payload) = inbox.next_frame().unwrap() {
                            arrived.push(payload.to_vec());
                        }
                    }
                    Step::Begin => {}
                }
                prop_assert_eq!(outbox.is_open(), open.is_some());
                prop_assert_eq!(outbox.open_bytes(), open.as_ref().map_or(0, Vec::len));
            }
            prop_assert!(outbox.is_empty());
            let counts = (written.len(), arrived.len());
            prop_assert!(written == arrived, "written and arrived: {counts:?}");
        }
    }
}
