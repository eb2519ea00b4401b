//! Replies of many values, within their limit.

use crate::kv::resp::{write_array, write_bulk, write_integer, write_null, write_ok};

use super::{Done, REPLY_BYTES_MAX, Refusal};

/// Bytes that a bulk string takes besides its own, at most: type, length and two line ends.
pub(super) const BULK_OVERHEAD_BYTES: usize = 16;

/// Answers with an integer.
pub(super) fn integer_reply(number: impl TryInto<i64>, reply: &mut Vec<u8>) -> Done {
    write_integer(number.try_into().unwrap_or(i64::MAX), reply);
    Ok(())
}

/// Answers with an integer, or null if there is none.
pub(super) fn optional_integer_reply(number: Option<usize>, reply: &mut Vec<u8>) -> Done {
    match number {
        Some(number) => integer_reply(number, reply),
        None => null_reply(reply),
    }
}

/// Answers with a bulk string, or null if there is no value.
pub(super) fn option_reply(item: Option<impl AsRef<[u8]>>, reply: &mut Vec<u8>) -> Done {
    write_option(item, reply);
    Ok(())
}

/// Answers with a bulk string.
pub(super) fn bulk_reply(bytes: impl AsRef<[u8]>, reply: &mut Vec<u8>) -> Done {
    option_reply(Some(bytes), reply)
}

/// Answers that there is no value.
pub(super) fn null_reply(reply: &mut Vec<u8>) -> Done {
    write_null(reply);
    Ok(())
}

/// Answers that it is done.
pub(super) fn ok_reply(reply: &mut Vec<u8>) -> Done {
    write_ok(reply);
    Ok(())
}

/// Appends an array of bulk strings, unless it would be too long. The items are walked over twice,
/// so that nothing is written, and nothing has to be changed, before the limit is checked.
pub(super) fn write_bulks(
    items: impl IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
    reply: &mut Vec<u8>,
) -> Done {
    write_options(items.into_iter().map(Some), reply)
}

/// Appends an array of bulk strings, with nulls where there is no value.
pub(super) fn write_options<B: AsRef<[u8]>>(
    items: impl Iterator<Item = Option<B>> + Clone,
    reply: &mut Vec<u8>,
) -> Done {
    let (mut count, mut bytes) = (0, 0usize);
    for item in items.clone() {
        count += 1;
        bytes += BULK_OVERHEAD_BYTES + item.map_or(0, |item| item.as_ref().len());
        if bytes > REPLY_BYTES_MAX {
            return Err(Refusal::ReplyBytes);
        }
    }
    write_array(count, reply);
    items.for_each(|item| write_option(item, reply));
    Ok(())
}

/// Appends a bulk string, or null if there is no value.
pub(super) fn write_option(item: Option<impl AsRef<[u8]>>, reply: &mut Vec<u8>) {
    match item {
        Some(bytes) => write_bulk(bytes.as_ref(), reply),
        None => write_null(reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_beyond_its_limit_is_refused_before_it_is_written() {
        let (item, mut reply) = ([0; 1000], Vec::new());

        let refused = write_bulks(std::iter::repeat_n(&item[..], 34_000), &mut reply);

        assert_eq!((refused, reply.capacity()), (Err(Refusal::ReplyBytes), 0));
    }

    #[test]
    fn missing_values_are_null() {
        let mut reply = Vec::new();

        write_options([Some(&b"a"[..]), None].into_iter(), &mut reply).unwrap();

        assert_eq!(reply, b"*2\r\n$1\r\na\r\n$-1\r\n");
    }
}
