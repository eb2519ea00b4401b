//! The patterns of KEYS, SCAN and CONFIG GET.

/// The longest pattern of a command, in bytes, so that matching stays in proportion to the keys.
pub(super) const PATTERN_BYTES_MAX: usize = 1024;

/// Whether `text` matches `pattern` by Redis's rules: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a
/// byte that stands for itself.
///
/// Only the last `*` is ever tried again, so the time is at most the product of the lengths,
/// whereas trying all of them would let a short pattern hold up the replica for ever.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut rest) = (pattern, text);
    // Behind the last `*`: the pattern, and the text that it has not been tried on.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', after @ ..] = at {
            retry = Some((after, rest));
            at = after;
            continue;
        }
        match (step(at, rest.first()), retry) {
            (Some(after), _) => (at, rest) = (after, &rest[1..]),
            (None, _) if at.is_empty() && rest.is_empty() => return true,
            (None, Some((after, [_, shorter @ ..]))) => {
                retry = Some((after, shorter));
                (at, rest) = (after, shorter);
            }
            (None, _) => return false,
        }
    }
}

/// Matches one byte by the pattern's first item, which is no `*`; returns the pattern behind it.
fn step<'a>(pattern: &'a [u8], byte: Option<&u8>) -> Option<&'a [u8]> {
    let byte = *byte?;
    match pattern {
        [b'?', after @ ..] => Some(after),
        [b'[', class @ ..] => {
            let (found, after) = in_class(class, byte);
            found.then_some(after)
        }
        [b'\\', literal, after @ ..] | [literal, after @ ..] => (*literal == byte).then_some(after),
        [] => None,
    }
}

/// Whether `byte` is in the class whose `[` was taken, and what follows its `]`. As in Redis a
/// class that is not closed reaches to the pattern's end.
fn in_class(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [b']', after @ ..] => return (found != negated, after),
            [] => return (found != negated, rest),
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [low, b'-', high, after @ ..] => {
                found |= (*low.min(high)..=*low.max(high)).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "any"),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h*llo", "hllo"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-c]llo", "hbllo"),
            ("h[c-a]llo", "hbllo"),
            ("a*b*c", "axxbyybzc"),
            (r"\*", "*"),
            (r"[\]]", "]"),
            ("user:*:name", "user:17:name"),
            ("[ab", "a"),
            ("", ""),
        ] {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} on {text}");
        }
    }

    #[test]
    fn what_does_not_fit_does_not_match() {
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("h?llo", "hllo"),
            ("h[ae]llo", "hillo"),
            ("h[^e]llo", "hello"),
            (r"\*", "a"),
            ("a*b", "ac"),
            ("abc", "ab"),
            ("*a", "ab"),
        ] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_take_no_more_than_the_product_of_the_lengths() {
        let pattern = [b"a*".repeat(40), b"b".to_vec()].concat();

        assert!(!matches(&pattern, &b"a".repeat(10_000)));
    }
}
