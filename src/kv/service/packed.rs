//! Lengths and what they count, in the form in which short values are kept and all are written.
//!
//! A length has seven bits in each byte, the lowest first, and its top bit says whether another
//! one follows; it is written in no more bytes than it needs, so that a state has one form.

use crate::model::app::Damaged;

/// How many bytes the length `number` takes.
pub(super) const fn length_bytes(number: usize) -> usize {
    let bits = usize::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// How many bytes a piece of so many takes with its length.
pub(super) const fn piece_bytes(length: usize) -> usize {
    length_bytes(length) + length
}

pub(super) fn write_length(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn write_piece(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Takes bytes apart, and trusts none of them.
pub(super) struct Unpacker<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Unpacker<'b> {
    /// From the place `at` on, which is within the bytes.
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next so many bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'b [u8], Damaged> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let expected = "as many bytes as their length says";
        let taken = taken.ok_or(Damaged { offset: self.at, expected })?;
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let expected = "a number";
        let offset = self.at;
        let found = self.bytes[offset..].first_chunk().ok_or(Damaged { offset, expected })?;
        self.at += N;
        Ok(*found)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damaged> {
        self.array().map(|[byte]| byte)
    }

    /// A length below 4 GiB.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, Damaged> {
        match self.bytes.get(self.at) {
            // Nearly all have one byte.
            Some(byte @ ..0x80) => {
                self.at += 1;
                Ok(usize::from(*byte))
            }
            _ => self.long_length(),
        }
    }

    fn long_length(&mut self) -> Result<usize, Damaged> {
        let damaged = Damaged { offset: self.at, expected: "a length" };
        let mut number: u64 = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte().map_err(|_| damaged)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let is_shortest = byte != 0 || shift == 0;
                let number = u32::try_from(number).ok().filter(|_| is_shortest);
                return number.map(|number| number as usize).ok_or(damaged);
            }
        }
        Err(damaged)
    }

    /// A length and what it counts.
    #[inline]
    pub(super) fn piece(&mut self) -> Result<&'b [u8], Damaged> {
        let length = self.length()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_they_were_written() {
        for number in [0, 1, 127, 128, 16_383, 16_384, 2_097_152, u32::MAX as usize] {
            let mut bytes = Vec::new();
            write_length(number, &mut bytes);
            assert_eq!(bytes.len(), length_bytes(number));
            let mut from = Unpacker::new(&bytes, 0);
            assert_eq!((from.length(), from.is_at_end()), (Ok(number), true));
        }
    }

    #[test]
    fn a_length_has_one_form() {
        for bytes in
            [&[0x80, 0][..], &[0x81, 0x80, 0], &[0xff; 5], &[0x80, 0x80, 0x80, 0x80, 16], &[]]
        {
            assert!(Unpacker::new(bytes, 0).length().is_err(), "{bytes:?}");
        }
    }
}
