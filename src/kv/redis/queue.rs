//! Replies in the order of the commands, though only some have to wait for the log.

use std::collections::VecDeque;

use crate::kv::resp::write_error;
use crate::kv::service::Shape;
use crate::model::buffer::ByteQueue;

use super::resp3;

/// Room kept when there is nothing in it.
const IDLE_BYTES_MAX: usize = 64 << 10;

/// The form in which the result of an ordered command is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It is the reply.
    Resp2,
    /// The reply, in RESP3.
    Resp3(Shape),
    /// That of a transaction whose commands have these shapes, in RESP3.
    Transaction(Vec<Shape>),
    /// Versions of watched keys, which the connection keeps; the reply is OK.
    Watch,
}

/// A reason for which an ordered command has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// One to a later command has come.
    Lost,
    /// None has come in time.
    Late,
    /// It was too long, together with those to the commands sent at once.
    Dropped,
}

impl Silence {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Lost => {
                b"UNKNOWN the reply to this command was lost; it may have been executed or not"
            }
            Self::Dropped => {
                b"ERR the reply was dropped, the replies to what was sent at once being too long \
                  together; this command was executed"
            }
            Self::Late => {
                b"UNKNOWN no reply came in time; this command may have been executed, or will be"
            }
        }
    }
}

/// A command that waits, or several in a row.
#[derive(Debug)]
enum Open {
    /// So many ordered commands.
    Ordered(u64, Form),
    /// So many bytes of `pending`, the replies to commands that the connection has answered itself.
    Answered(usize),
}

/// Commands that wait for their replies, and replies that wait for their reader.
///
/// Grows to the size of the longest pipeline and allocates nothing after that; a pipeline of like
/// commands is one entry.
#[derive(Debug, Default)]
pub(super) struct Queue {
    open: VecDeque<Open>,
    /// Replies behind ones still open.
    pending: ByteQueue<IDLE_BYTES_MAX>,
    /// Bytes for the client.
    output: ByteQueue<IDLE_BYTES_MAX>,
    /// How many commands were ordered, and how many of them have been answered. Numbers begin at 1.
    ordered: u64,
    answered: u64,
}

impl Queue {
    /// How many ordered commands have no reply.
    pub(super) fn in_flight(&self) -> u64 {
        self.ordered - self.answered
    }

    /// The number of the first ordered command that has no reply.
    pub(super) fn oldest(&self) -> Option<u64> {
        (self.answered < self.ordered).then_some(self.answered + 1)
    }

    /// Whether every command has its reply.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// How many bytes wait for their reader or for the replies before them.
    pub(super) fn bytes(&self) -> usize {
        self.output.len() + self.pending.len()
    }

    /// The bytes to write to the client.
    pub(super) fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// Notes that the first `count` bytes of the output were written.
    pub(super) fn sent(&mut self, count: usize) {
        self.output.advance(count);
    }

    /// Numbers a command that only the log can answer.
    #[inline]
    pub(super) fn order(&mut self, form: Form) -> u64 {
        match self.open.back_mut() {
            Some(Open::Ordered(count, last)) if *last == form => *count += 1,
            _ => self.open.push_back(Open::Ordered(1, form)),
        }
        self.ordered += 1;
        self.ordered
    }

    /// Answers a command at once, behind all before it.
    pub(super) fn answer(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.open.is_empty() {
            return write(self.output.tail());
        }
        let start = self.pending.len();
        write(self.pending.tail());
        let bytes = self.pending.len() - start;
        match self.open.back_mut() {
            Some(Open::Answered(before)) => *before += bytes,
            _ => self.open.push_back(Open::Answered(bytes)),
        }
    }

    /// Answers all ordered commands below `number` with an error, as far as they are open.
    pub(super) fn silence(&mut self, number: u64, why: Silence) {
        while self.oldest().is_some_and(|oldest| oldest < number) {
            self.take();
            write_error(why.text(), self.output.tail());
            self.flush();
        }
    }

    /// Answers the oldest ordered command with its result. Returns whether the result holds
    /// versions for the connection.
    #[inline]
    pub(super) fn reply(&mut self, result: &[u8]) -> bool {
        let Some(form) = self.take() else { return false };
        let output = self.output.tail();
        match &form {
            Form::Resp2 => output.extend_from_slice(result),
            Form::Resp3(shape) => resp3::convert(result, *shape, output),
            Form::Transaction(shapes) => resp3::convert_each(result, shapes, output),
            Form::Watch if result.starts_with(b"-") => output.extend_from_slice(result),
            Form::Watch => output.extend_from_slice(b"+OK\r\n"),
        }
        self.flush();
        form == Form::Watch
    }

    /// Takes the oldest ordered command, which is the first entry: what is answered does not stay
    /// there.
    #[inline]
    fn take(&mut self) -> Option<Form> {
        let form = match self.open.front_mut()? {
            Open::Ordered(1, form) => {
                let form = std::mem::replace(form, Form::Resp2);
                self.open.pop_front();
                form
            }
            Open::Ordered(count, form) => {
                *count -= 1;
                form.clone()
            }
            Open::Answered(_) => panic!("a reply does not wait when none before it is open"),
        };
        self.answered += 1;
        Some(form)
    }

    /// Lets the replies go that have no open command before them.
    fn flush(&mut self) {
        while let Some(Open::Answered(bytes)) = self.open.front() {
            self.output.tail().extend_from_slice(&self.pending.waiting()[..*bytes]);
            self.pending.advance(*bytes);
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn said(queue: &mut Queue) -> String {
        let output = String::from_utf8(queue.output().to_vec()).unwrap();
        queue.sent(output.len());
        output.replace("\r\n", " ")
    }

    #[test]
    fn a_reply_waits_for_those_before_it() {
        let mut queue = Queue::default();
        queue.answer(|out| out.extend_from_slice(b"+first "));
        queue.order(Form::Resp2);
        queue.answer(|out| out.extend_from_slice(b"+third "));
        queue.order(Form::Resp2);
        assert_eq!(said(&mut queue), "+first ");

        queue.reply(b"+second ");
        assert_eq!(said(&mut queue), "+second +third ");
        assert!(!queue.is_settled());

        queue.reply(b"+fourth ");
        assert_eq!(said(&mut queue), "+fourth ");
        assert!(queue.is_settled());
    }

    #[test]
    fn a_pipeline_of_like_commands_is_one_entry() {
        let mut queue = Queue::default();

        let numbers: Vec<_> = (0..1000).map(|_| queue.order(Form::Resp2)).collect();

        assert_eq!((numbers[0], numbers[999]), (1, 1000));
        assert_eq!((queue.open.len(), queue.in_flight()), (1, 1000));
    }

    #[test]
    fn what_is_silenced_is_answered_in_its_place() {
        let mut queue = Queue::default();
        queue.order(Form::Resp2);
        queue.answer(|out| out.extend_from_slice(b"+local "));
        queue.order(Form::Watch);
        queue.order(Form::Resp2);

        queue.silence(3, Silence::Lost);
        queue.reply(b"+last ");

        let said = said(&mut queue);
        let (lost, rest) = said.split_once("+local ").unwrap();
        assert!(lost.starts_with("-UNKNOWN ") && rest.starts_with("-UNKNOWN "), "{said}");
        assert!(rest.ends_with("+last "));
        assert_eq!(queue.oldest(), None);
    }

    #[test]
    fn room_of_a_rare_size_is_given_back() {
        let mut queue = Queue::default();
        queue.answer(|out| out.resize(1 << 20, b'x'));

        queue.sent(1 << 19);
        assert_eq!(queue.output().len(), 1 << 19);
        queue.sent(1 << 19);

        assert!(queue.output.tail().capacity() <= IDLE_BYTES_MAX);
    }

    /// What happens to a queue.
    #[derive(Clone, Debug)]
    enum Step {
        /// A command goes to the log.
        Order,
        /// A command is answered at once, with so many bytes.
        Answer(usize),
        /// The oldest command in the log has its reply, of so many bytes.
        Reply(usize),
        /// The client takes so many thousandths of what waits for it.
        Send(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Above these sizes what has left is dropped, and room is given back.
        let size = || prop_oneof![0..100usize, IDLE_BYTES_MAX / 2..2 * IDLE_BYTES_MAX];
        prop_oneof![
            Just(Step::Order),
            size().prop_map(Step::Answer),
            size().prop_map(Step::Reply),
            prop_oneof![Just(1000), 0..1000usize].prop_map(Step::Send),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn however_replies_come_and_leave_the_client_reads_them_in_order(
            steps in vec(step(), 1..40)
        ) {
            let mut queue = Queue::default();
            // Each command's reply, once it has one, and what the client has read of all.
            let (mut replies, mut read): (Vec<Option<Vec<u8>>>, Vec<u8>) = Default::default();
            for (number, step) in steps.into_iter().enumerate() {
                let bytes = |count| vec![number as u8; count];
                match step {
                    Step::Order => {
                        queue.order(Form::Resp2);
                        replies.push(None);
                    }
                    Step::Answer(count) => {
                        queue.answer(|out| out.extend(bytes(count)));
                        replies.push(Some(bytes(count)));
                    }
                    Step::Reply(count) => {
                        queue.reply(&bytes(count));
                        if let Some(oldest) = replies.iter_mut().find(|reply| reply.is_none()) {
                            *oldest = Some(bytes(count));
                        }
                    }
                    Step::Send(thousandths) => {
                        let count = queue.output().len() * thousandths / 1000;
                        read.extend_from_slice(&queue.output()[..count]);
                        queue.sent(count);
                    }
                }
                let written: usize = replies.iter().flatten().map(Vec::len).sum();
                prop_assert_eq!(read.len() + queue.bytes(), written);
            }
            read.extend_from_slice(queue.output());
            let due: Vec<Vec<u8>> = replies.into_iter().map_while(|reply| reply).collect();
            prop_assert!(due.concat() == read);
        }
    }

    #[test]
    fn each_transaction_keeps_its_shapes() {
        let mut queue = Queue::default();
        for shape in [Shape::Plain, Shape::Plain, Shape::Double] {
            queue.order(Form::Transaction(vec![shape]));
        }
        assert_eq!(queue.open.len(), 2);

        queue.silence(2, Silence::Lost);
        for _ in 0..2 {
            queue.reply(b"*1\r\n$1\r\n1\r\n");
        }

        assert!(said(&mut queue).ends_with("*1 $1 1 *1 ,1 "));
    }

    #[test]
    #[should_panic(expected = "a reply does not wait when none before it is open")]
    fn a_reply_cannot_wait_for_nothing() {
        let mut queue = Queue::default();
        queue.open.push_back(Open::Answered(1));
        queue.reply(b"+OK\r\n");
    }
}
