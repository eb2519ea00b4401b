//! Properties of RESP, whatever the bytes: round trips, prefixes, and no panic.

use proptest::collection::vec;
use proptest::prelude::*;

use taraflow::kv::command_file::CommandReader;
use taraflow::kv::resp::{Arguments, Parsed, ProtocolError, RespLimits, RespReply, write_command};

/// Small, so that random input meets the limits.
const TIGHT: RespLimits = RespLimits {
    arguments_max: 6,
    bulk_bytes_max: 12,
    inline_bytes_max: 24,
    command_bytes_max: 60,
    reply_bytes_max: 80,
};

type Words = Vec<Vec<u8>>;

fn parse(input: &[u8], limits: &RespLimits) -> Result<Parsed<Words>, ProtocolError> {
    Ok(match Arguments::default().parse(input, limits)? {
        Parsed::Incomplete { needed } => Parsed::Incomplete { needed },
        Parsed::Complete { value, consumed } => {
            Parsed::Complete { value: value.iter().map(<[u8]>::to_vec).collect(), consumed }
        }
    })
}

/// Parses every prefix of `input`, as if it came byte by byte: each gives what the whole input
/// gives, or asks for more, and for no more than the whole input needs.
fn check_prefixes<T: PartialEq + std::fmt::Debug>(
    input: &[u8],
    parse: impl Fn(&[u8]) -> Result<Parsed<T>, ProtocolError>,
) {
    let whole = parse(input);
    match &whole {
        Ok(Parsed::Complete { consumed, .. }) => assert!((1..=input.len()).contains(consumed)),
        Ok(Parsed::Incomplete { needed }) => assert!(*needed > input.len()),
        Err(error) => assert!(error.offset <= input.len()),
    }
    for end in 0..input.len() {
        match parse(&input[..end]) {
            Ok(Parsed::Incomplete { needed }) => {
                assert!(needed > end, "{end} bytes ask for {needed}");
                if let Ok(Parsed::Complete { consumed, .. }) = &whole {
                    assert!(needed <= *consumed, "{end} bytes ask for {needed} of {consumed}");
                }
            }
            decided => assert_eq!(decided, whole, "after {end} bytes"),
        }
    }
}

/// What RESP is made of, and what comes close.
const PIECES: &[&str] = &[
    "*",
    "$",
    "\r\n",
    "\n",
    "\r",
    "0",
    "1",
    "2",
    "3",
    "12",
    "-1",
    "PING",
    "GET ",
    "\"",
    "'",
    "\\",
    "\\x4",
    "*2\r\n",
    "$3\r\nabc\r\n",
    "$0\r\n\r\n",
    "+OK\r\n",
    ":7\r\n",
    "-E\r\n",
    "#",
];

/// Bytes that look like RESP often enough to get past the first checks.
fn nearly_resp() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..3),
    ];
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// Any reply that RESP2 can carry: lines hold no CR and LF.
fn reply() -> impl Strategy<Value = RespReply> {
    let line = || vec(any::<u8>().prop_filter("no line end", |byte| !b"\r\n".contains(byte)), 0..9);
    let leaf = prop_oneof![
        line().prop_map(RespReply::Simple),
        line().prop_map(RespReply::Error),
        any::<i64>().prop_map(RespReply::Integer),
        proptest::option::of(vec(any::<u8>(), 0..20)).prop_map(RespReply::Bulk),
        Just(RespReply::Array(None)),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        vec(inner, 0..5).prop_map(|all| RespReply::Array(Some(all)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_command_is_read_as_it_was_written(
        words in vec(vec(any::<u8>(), 0..40), 1..12),
        tail in vec(any::<u8>(), 0..8),
    ) {
        let mut bytes = Vec::new();
        write_command(words.iter().map(Vec::as_slice), &mut bytes);
        let consumed = bytes.len();
        bytes.extend(tail);

        let parsed = parse(&bytes, &RespLimits::default());

        prop_assert_eq!(parsed, Ok(Parsed::Complete { value: words, consumed }));
    }

    #[test]
    fn an_accepted_array_is_canonical(input in nearly_resp()) {
        if let Ok(Parsed::Complete { value, consumed }) = parse(&input, &RespLimits::default())
            && input[0] == b'*' && !value.is_empty()
        {
            let mut bytes = Vec::new();
            write_command(value.iter().map(Vec::as_slice), &mut bytes);
            prop_assert_eq!(&bytes, &input[..consumed]);
        }
    }

    #[test]
    fn quoted_words_are_read_as_they_were_meant(words in vec(vec(any::<u8>(), 0..20), 1..6)) {
        let quote = |word: &Vec<u8>| {
            let escaped: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("\"{escaped}\"")
        };
        let line = words.iter().map(quote).collect::<Vec<_>>().join(" ") + "\r\n";

        let parsed = parse(line.as_bytes(), &RespLimits::default());

        prop_assert_eq!(parsed, Ok(Parsed::Complete { value: words, consumed: line.len() }));
    }

    #[test]
    fn commands_byte_by_byte_equal_commands_at_once(input in nearly_resp()) {
        check_prefixes(&input, |input| parse(input, &RespLimits::default()));
        check_prefixes(&input, |input| parse(input, &TIGHT));
    }

    #[test]
    fn replies_byte_by_byte_equal_replies_at_once(input in nearly_resp()) {
        check_prefixes(&input, |input| RespReply::parse(input, &RespLimits::default()));
        check_prefixes(&input, |input| RespReply::parse(input, &TIGHT));
    }

    #[test]
    fn any_bytes_never_panic(input in vec(any::<u8>(), 0..60)) {
        check_prefixes(&input, |input| parse(input, &TIGHT));
        check_prefixes(&input, |input| RespReply::parse(input, &TIGHT));
    }

    #[test]
    fn a_reply_is_read_as_it_was_written(reply in reply()) {
        let mut bytes = Vec::new();
        reply.write(&mut bytes);

        let parsed = RespReply::parse(&bytes, &RespLimits::default());

        prop_assert_eq!(parsed, Ok(Parsed::Complete { value: reply, consumed: bytes.len() }));
        check_prefixes(&bytes, |input| RespReply::parse(input, &RespLimits::default()));
    }

    #[test]
    fn a_file_of_any_bytes_ends(input in nearly_resp()) {
        let commands = CommandReader::new(&input[..]).count();

        prop_assert!(commands <= input.len() + 1);
    }
}
