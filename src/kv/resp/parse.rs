//! Commands out of bytes: arrays of bulk strings, or inline text.

use std::ops::{Index, Range};

use super::number::{length, lenient_length};
use super::{Parsed, ProtocolError, RespFault, RespLimits, inline, write_command};

/// The fewest bytes an argument takes: `$0`, CRLF, and CRLF again.
const ARGUMENT_BYTES_MIN: usize = 6;

/// Spans kept from one command to the next; what a rare long command needed more is given back.
const SPANS_KEPT: usize = 1024;

/// The room in which commands are parsed; kept from one to the next, so that parsing does not
/// allocate.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Where in the command's bytes each argument begins and ends.
    spans: Vec<(usize, usize)>,
    /// The words of an inline command without their quotes.
    text: Vec<u8>,
}

/// A parsed command: its arguments, the name first, borrowed from the input.
///
/// One without arguments is a blank line or an empty array; servers skip it without a reply.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    bytes: &'a [u8],
    spans: &'a [(usize, usize)],
    /// The bytes it was parsed from, if [`write`](Self::write) would give the same.
    canonical: Option<&'a [u8]>,
}

/// The strictness with which arrays are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Each command has one spelling.
    Strict,
    /// As a server of Redis reads: of the two bytes behind a length only the first is looked at,
    /// and of those behind an argument none.
    Lenient,
}

impl Arguments {
    /// Parses the command that `input` begins with.
    ///
    /// What starts with `*` is an array of bulk strings, all else a line that ends with LF or CRLF.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] as soon as the bytes cannot become a command within `limits`, whatever
    /// would follow. A connection cannot recover from it.
    pub fn parse<'a>(
        &'a mut self,
        input: &'a [u8],
        limits: &RespLimits,
    ) -> Result<Parsed<Command<'a>>, ProtocolError> {
        self.read(input, limits, Reading::Strict)
    }

    /// Parses as [`parse`](Self::parse) does, and takes also what a server of Redis takes: line
    /// ends that are not quite. Such a command is not [canonical](Command::canonical).
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_leniently<'a>(
        &'a mut self,
        input: &'a [u8],
        limits: &RespLimits,
    ) -> Result<Parsed<Command<'a>>, ProtocolError> {
        self.read(input, limits, Reading::Lenient)
    }

    fn read<'a>(
        &'a mut self,
        input: &'a [u8],
        limits: &RespLimits,
        reading: Reading,
    ) -> Result<Parsed<Command<'a>>, ProtocolError> {
        self.spans.clear();
        if self.spans.capacity() > SPANS_KEPT {
            self.spans.shrink_to(SPANS_KEPT);
        }
        match input.first() {
            None => Ok(Parsed::Incomplete { needed: 1 }),
            Some(b'*') => Ok(match array(input, limits, reading, &mut self.spans)? {
                Parsed::Incomplete { needed } => Parsed::Incomplete { needed },
                Parsed::Complete { value: is_canonical, consumed } => {
                    let canonical = is_canonical.then(|| &input[..consumed]);
                    let value = Command { bytes: input, spans: &self.spans, canonical };
                    Parsed::Complete { value, consumed }
                }
            }),
            Some(_) => self.line(input, limits),
        }
    }

    fn line<'a>(
        &'a mut self,
        input: &'a [u8],
        limits: &RespLimits,
    ) -> Result<Parsed<Command<'a>>, ProtocolError> {
        // The line may fill the limit and be followed by CR and LF.
        let window = input.len().min(limits.inline_bytes_max.saturating_add(2));
        let Some(end) = input[..window].iter().position(|byte| *byte == b'\n') else {
            if window < input.len() || window == limits.inline_bytes_max.saturating_add(2) {
                return Err(RespFault::InlineBytes.at(limits.inline_bytes_max));
            }
            return Ok(Parsed::Incomplete { needed: input.len() + 1 });
        };
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        if line.len() > limits.inline_bytes_max {
            return Err(RespFault::InlineBytes.at(limits.inline_bytes_max));
        }
        inline::split(line, limits, &mut self.text, &mut self.spans)?;
        let value = Command { bytes: &self.text, spans: &self.spans, canonical: None };
        Ok(Parsed::Complete { value, consumed: end + 1 })
    }
}

/// Walks over an array of bulk strings and notes where each is; says whether it is in its canonical
/// form.
fn array(
    input: &[u8],
    limits: &RespLimits,
    reading: Reading,
    spans: &mut Vec<(usize, usize)>,
) -> Result<Parsed<bool>, ProtocolError> {
    let mut is_canonical = true;
    let mut length = |input, start, fault| match reading {
        Reading::Strict => length(input, start, fault),
        Reading::Lenient => lenient_length(input, start, fault, &mut is_canonical),
    };
    let mut ends = true;
    let Some((count, mut at)) = length(input, 1, RespFault::MultibulkLength)? else {
        return Ok(Parsed::Incomplete { needed: input.len() + 1 });
    };
    // Redis skips arrays of length zero and below.
    let count = usize::try_from(count).unwrap_or(0);
    if count > limits.arguments_max {
        return Err(RespFault::Arguments(limits.arguments_max).at(1));
    }
    for left in (0..count).rev() {
        // What must follow the argument at hand, at least.
        let after = left.saturating_mul(ARGUMENT_BYTES_MIN);
        match input.get(at) {
            Some(b'$') => {}
            Some(other) => return Err(RespFault::ExpectedBulk(*other).at(at)),
            None => return Ok(incomplete(input, at + ARGUMENT_BYTES_MIN, after)),
        }
        let Some((bytes, start)) = length(input, at + 1, RespFault::BulkLength)? else {
            return Ok(incomplete(input, at + ARGUMENT_BYTES_MIN, after));
        };
        let bytes = match usize::try_from(bytes) {
            Ok(bytes) if bytes <= limits.bulk_bytes_max => bytes,
            Ok(_) => return Err(RespFault::BulkBytes(limits.bulk_bytes_max).at(at + 1)),
            Err(_) => return Err(RespFault::BulkLength.at(at + 1)),
        };
        let end = start.saturating_add(bytes);
        if end.saturating_add(2) > limits.command_bytes_max {
            return Err(RespFault::CommandBytes(limits.command_bytes_max).at(at + 1));
        }
        match input.get(end..) {
            Some([b'\r', b'\n', ..]) => {}
            Some([_, _, ..]) if reading == Reading::Lenient => ends = false,
            Some([_, _, ..]) => return Err(RespFault::BulkEnd.at(end)),
            _ => return Ok(incomplete(input, end + 2, after)),
        }
        spans.push((start, end));
        at = end + 2;
    }
    // An array of no length is an empty command, and no spelling of one.
    Ok(Parsed::Complete { value: is_canonical && ends && count > 0, consumed: at })
}

/// The argument at hand needs the input to reach `end`, and those behind it `after` bytes more.
fn incomplete<T>(input: &[u8], end: usize, after: usize) -> Parsed<T> {
    Parsed::Incomplete { needed: end.saturating_add(after).max(input.len() + 1) }
}

impl<'a> Command<'a> {
    /// How many arguments there are, the name among them.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`; the name is at 0.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let &(start, end) = self.spans.get(index)?;
        self.bytes.get(start..end)
    }

    /// The arguments in order, the name first.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone + use<'a> {
        let bytes = self.bytes;
        self.spans.iter().map(move |&(start, end)| &bytes[start..end])
    }

    /// The arguments in `range`, which has to be within them, as a command of its own.
    pub fn part(&self, range: Range<usize>) -> Option<Self> {
        Some(Self { bytes: self.bytes, spans: self.spans.get(range)?, canonical: None })
    }

    /// The bytes it was parsed from, if they are what [`write`](Self::write) would give.
    pub fn canonical(&self) -> Option<&'a [u8]> {
        self.canonical
    }

    /// Appends the command in its canonical form, as [`write_command`] does.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_command(self.iter(), out);
    }
}

/// The argument at an index that is known to be there; panics for others.
impl Index<usize> for Command<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        let (start, end) = self.spans[index];
        &self.bytes[start..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &[u8], limits: &RespLimits) -> Result<Parsed<Vec<Vec<u8>>>, ProtocolError> {
        Ok(match Arguments::default().parse(input, limits)? {
            Parsed::Incomplete { needed } => Parsed::Incomplete { needed },
            Parsed::Complete { value, consumed } => {
                Parsed::Complete { value: value.iter().map(<[u8]>::to_vec).collect(), consumed }
            }
        })
    }

    fn fault(input: &[u8]) -> (String, usize) {
        let error = parse(input, &RespLimits::default()).expect_err("the input is faulty");
        (error.fault.to_string(), error.offset)
    }

    #[test]
    fn a_command_ends_where_the_next_one_starts() {
        let input = b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n*1\r\n";

        let parsed = parse(input, &RespLimits::default()).unwrap();

        let value = vec![b"GET".to_vec(), b"\r\n".to_vec()];
        assert_eq!(parsed, Parsed::Complete { value, consumed: 21 });
    }

    #[test]
    fn empty_commands_have_no_arguments() {
        for input in [&b"*0\r\n"[..], b"*-1\r\n", b"\r\n", b"  \n"] {
            let parsed = parse(input, &RespLimits::default());
            assert_eq!(parsed, Ok(Parsed::Complete { value: vec![], consumed: input.len() }));
        }
    }

    #[test]
    fn faults_are_named_in_redis_words_with_their_place() {
        for (input, said, offset) in [
            (&b"*x\r\n"[..], "invalid multibulk length", 1),
            (b"*1048577\r\n", "invalid multibulk length: at most 1048576 arguments are taken", 1),
            (b"*01\r\n", "invalid multibulk length", 1),
            (b"*1\n", "invalid multibulk length", 2),
            (b"*9999999999999999999\r\n", "invalid multibulk length", 19),
            (b"*1\r\nPING\r\n", "expected '$', got 'P'", 4),
            (b"*1\r\n*1\r\n", "expected '$', got '*'", 4),
            (b"*1\r\n$-1\r\n", "invalid bulk length", 5),
            (
                b"*1\r\n$16777217\r\n",
                "invalid bulk length: an argument has at most 16777216 bytes",
                5,
            ),
            (b"*1\r\n$1\r\nab\r\n", "expected CRLF after bulk string", 9),
            (b"GET \"a\r\n", "unbalanced quotes in request", 4),
        ] {
            assert_eq!(fault(input), (said.into(), offset), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn line_ends_that_are_not_quite_are_taken_leniently_and_are_not_canonical() {
        let mut arguments = Arguments::default();
        for (input, canonical) in [
            (&b"*1\r\n$4\r\nPING\r\n"[..], true),
            (b"*1\r\n$4\r\nPINGXX", false),
            (b"*1\rX$4\r\nPING\r\n", false),
            (b"*1\r\n$4\rXPING\r\n", false),
        ] {
            for end in 0..input.len() {
                let parsed = arguments.parse_leniently(&input[..end], &RespLimits::default());
                assert!(matches!(parsed, Ok(Parsed::Incomplete { .. })), "{end}: {parsed:?}");
            }
            let parsed = arguments.parse_leniently(input, &RespLimits::default()).unwrap();
            let Parsed::Complete { value, consumed } = parsed else { panic!("{parsed:?}") };
            assert_eq!((&value[0], consumed), (&b"PING"[..], input.len()));
            assert_eq!(value.canonical().is_some(), canonical, "{}", input.escape_ascii());
        }
        for input in [&b"*1\n"[..], b"*\rX", b"*01\r\n", b"*1\r\n$x\r\n", b"*1\r\n+4\r\n"] {
            assert!(arguments.parse_leniently(input, &RespLimits::default()).is_err(), "{input:?}");
        }
    }

    #[test]
    fn overlong_bulk_is_refused_before_allocation() {
        let mut arguments = Arguments::default();

        let refused = arguments.parse(b"*2\r\n$16777217\r\n", &RespLimits::default()).unwrap_err();

        assert_eq!(refused, RespFault::BulkBytes(16 << 20).at(5));
        assert_eq!(arguments.spans.capacity(), 0);
    }

    #[test]
    fn a_command_of_many_fair_arguments_is_refused_as_a_whole() {
        let limits = RespLimits { command_bytes_max: 30, ..RespLimits::default() };

        let refused = parse(b"*3\r\n$9\r\n123456789\r\n$9\r\n1234", &limits);

        assert_eq!(refused, Err(RespFault::CommandBytes(30).at(20)));
    }

    #[test]
    fn a_line_may_fill_its_limit_but_not_pass_it() {
        let limits = RespLimits { inline_bytes_max: 4, ..RespLimits::default() };

        for line in [&b"abcd\n"[..], b"abcd\r\n"] {
            assert!(matches!(parse(line, &limits), Ok(Parsed::Complete { .. })), "{line:?}");
        }
        assert_eq!(parse(b"abcd\r", &limits), Ok(Parsed::Incomplete { needed: 6 }));
        for line in [&b"abcde\n"[..], b"abcdef", b"abcdefgh\n"] {
            assert_eq!(parse(line, &limits), Err(RespFault::InlineBytes.at(4)), "{line:?}");
        }
    }

    #[test]
    fn the_hint_names_what_the_rest_takes_at_least() {
        let hint = |input| parse(input, &RespLimits::default());

        assert_eq!(hint(b"*3\r\n"), Ok(Parsed::Incomplete { needed: 4 + 3 * 6 }));
        assert_eq!(hint(b"*2\r\n$5\r\nab"), Ok(Parsed::Incomplete { needed: 8 + 7 + 6 }));
    }

    #[test]
    fn room_of_a_long_command_is_given_back() {
        let mut long = Vec::new();
        write_command(std::iter::repeat_n(&b"x"[..], 10_000), &mut long);
        let mut arguments = Arguments::default();

        arguments.parse(&long, &RespLimits::default()).unwrap();
        arguments.parse(b"PING\n", &RespLimits::default()).unwrap();

        assert!(arguments.spans.capacity() <= SPANS_KEPT);
    }
}
