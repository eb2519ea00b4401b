//! A queue of bytes that keeps its memory in proportion to what it holds.

/// Bytes that are added at the end and leave at the front.
///
/// When bytes are added, those that have left are forgotten, unless they are less than an eighth of
/// all and less than `IDLE_BYTES`: so a queue that never gets empty grows no further than that, and
/// moves no byte often. An empty queue keeps room for `IDLE_BYTES` at most, so that one large item
/// does not hold memory for ever.
#[derive(Clone, Debug, Default)]
pub struct ByteQueue<const IDLE_BYTES: usize> {
    bytes: Vec<u8>,
    /// How many of them have left.
    start: usize,
}

impl<const IDLE_BYTES: usize> ByteQueue<IDLE_BYTES> {
    /// The bytes that have not left.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How many bytes have not left.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether all have left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vector at whose end bytes are to be added.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        self.forget_left();
        &mut self.bytes
    }

    /// Lets the first `count` bytes leave.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn advance(&mut self, count: usize) {
        self.pass(count);
        if self.is_empty() {
            self.forget_left();
        }
    }

    /// The first `count` bytes, which leave; their memory is used again when bytes are added.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn pass(&mut self, count: usize) -> &[u8] {
        assert!(count <= self.len(), "no more bytes can leave than wait");
        self.start += count;
        &self.bytes[self.start - count..self.start]
    }

    fn forget_left(&mut self) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(IDLE_BYTES);
            self.start = 0;
        } else if self.start >= IDLE_BYTES.max(self.bytes.len() / 8) {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_their_order_and_room_of_a_rare_size_is_given_back() {
        let mut queue = ByteQueue::<16>::default();
        queue.tail().extend(0..100u8);

        assert_eq!(queue.pass(10), (0..10).collect::<Vec<_>>());
        queue.advance(60);
        assert_eq!((queue.len(), queue.waiting()[0]), (30, 70));
        queue.tail().push(7);
        assert_eq!((queue.len(), queue.waiting()[0], queue.bytes.len()), (31, 70, 31));
        queue.advance(31);

        assert!(queue.is_empty() && queue.bytes.capacity() <= 16);
    }

    #[test]
    fn a_queue_that_never_gets_empty_holds_an_eighth_more_than_waits() {
        const WAITING: usize = 1000;
        let mut queue = ByteQueue::<16>::default();
        queue.tail().resize(WAITING, 0);

        for step in 0..20 * WAITING {
            queue.advance(1 + step % 7);
            let missing = WAITING - queue.len();
            queue.tail().extend(vec![0; missing]);
            assert!(queue.len() == WAITING && queue.bytes.len() <= WAITING * 8 / 7 + 7);
        }
    }

    #[test]
    #[should_panic(expected = "no more bytes can leave than wait")]
    fn more_than_waits_cannot_leave() {
        let mut queue = ByteQueue::<16>::default();
        queue.tail().push(1);
        queue.advance(2);
    }
}
