//! A segment of 1 MiB, cut at every byte and flipped at every bit.

use super::*;
use crate::model::types::ReplicaId;

const PLACE: Place = Place {
    owner: Identity { cluster: 0xfeed, replica: ReplicaId(2), protocol: ProtocolName::of("tara") },
    file: 0x17,
};
const RECORDS_A_GROUP: usize = 4;

/// A segment as groups of turns leave it.
struct Sample {
    bytes: Vec<u8>,
    /// Where each record begins, and how much was durable when it was written.
    records: Vec<(usize, usize)>,
}

fn sample() -> Sample {
    let mut bytes = Vec::new();
    let header = postcard::to_stdvec(&Header::of(PLACE.owner)).unwrap();
    Place::of_header(PLACE.file).write(&mut bytes, 0, 0, &header);
    let (mut records, mut durable) = (vec![(0, 0)], 0);
    for number in 0_u64.. {
        if bytes.len() >= 1 << 20 {
            break;
        }
        if number.is_multiple_of(RECORDS_A_GROUP as u64) {
            durable = bytes.len();
        }
        // No zeros: where one stands, a cut that leaves zeros would be no cut.
        let text: Vec<u8> = (0..400 + number % 200).map(|i| (i * number) as u8 | 1).collect();
        let entry = postcard::to_stdvec(&Entry::Slot(Slot(number), text)).unwrap();
        records.push((bytes.len(), durable));
        PLACE.write(&mut bytes, 0, durable as u64, &entry);
    }
    Sample { bytes, records }
}

impl Sample {
    /// The records with where they begin and end.
    fn spans(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let ends = self.records.iter().skip(1).map(|(start, _)| *start).chain([self.bytes.len()]);
        self.records.iter().map(|(start, _)| *start).zip(ends)
    }
}

fn newest(bytes: &[u8]) -> Segment<'_> {
    Segment { bytes, place: PLACE, end: Ending::Open { durable: 0 } }
}

#[test]
fn a_segment_that_is_whole_gives_every_record() {
    let Sample { bytes, records } = sample();
    let mut found = 0;
    let length = newest(&bytes).walk(|_: Entry<Vec<u8>>, _| found += 1).unwrap();
    assert_eq!((length as usize, found), (bytes.len(), records.len() - 1));
}

#[test]
fn a_cut_at_any_byte_leaves_the_records_before_it() {
    let sample = sample();
    for (start, end) in sample.spans() {
        for cut in start..end {
            // Records before this one are untouched; what is left of this one ends the segment.
            let left = newest(&sample.bytes[..cut]).look(start);
            assert!(matches!(left, Ok(Found::End | Found::Torn)), "cut at {cut}: {left:?}");
        }
        assert!(matches!(newest(&sample.bytes[..end]).look(start), Ok(Found::Record(_))));
    }
}

#[test]
fn zeros_after_a_cut_at_any_byte_change_nothing() {
    let mut sample = sample();
    let spans: Vec<_> = sample.spans().collect();
    sample.bytes.extend([0; 64]);
    for (start, end) in spans.into_iter().rev() {
        sample.bytes.truncate(end + 64);
        sample.bytes[end..].fill(0);
        for cut in (start..end).rev() {
            sample.bytes[cut] = 0;
            let left = newest(&sample.bytes).look(start);
            assert!(matches!(left, Ok(Found::End | Found::Torn)), "zeros from {cut}: {left:?}");
        }
    }
}

#[test]
fn a_flip_of_any_bit_is_found_in_its_record() {
    let mut sample = sample();
    let spans: Vec<_> = sample.spans().collect();
    for (start, end) in spans {
        let place = if start == 0 { Place::of_header(PLACE.file) } else { PLACE };
        for bit in 8 * start..8 * end {
            sample.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(place.read(&sample.bytes, start).is_err(), "bit {bit} is not found");
            sample.bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_flipped_record_is_cut_only_if_no_later_one_says_that_it_was_durable() {
    let mut sample = sample();
    let spans: Vec<_> = sample.spans().collect();
    let (_, promised) = *sample.records.last().unwrap();
    let mut torn = 0;
    for (start, end) in spans {
        for byte in (start..end).step_by(16) {
            sample.bytes[byte] ^= 1 << (byte / 16 % 8);
            match newest(&sample.bytes).look(start) {
                Err(broken) => {
                    assert!(start < promised, "byte {byte} was not promised");
                    assert_eq!(broken.offset as usize, start);
                }
                Ok(Found::Torn) => {
                    assert!(start >= promised, "byte {byte} was promised");
                    torn += 1;
                }
                other => panic!("byte {byte}: {other:?}"),
            }
            sample.bytes[byte] ^= 1 << (byte / 16 % 8);
        }
    }
    assert!(torn > 0, "a flip in the last group looks torn");
}

#[test]
fn an_older_segment_ends_where_its_records_do() {
    let sample = sample();
    let (start, _) = *sample.records.last().unwrap();
    let mut bytes = sample.bytes;
    let end = Ending::At(bytes.len() as u64);
    bytes.truncate(bytes.len() - 1);
    let older = Segment { end, ..newest(&bytes) };
    assert!(older.look(start).is_err(), "the segment after it was begun when it was complete");
    bytes.truncate(start);
    bytes.extend([0; 100]);
    let older = Segment { end, ..newest(&bytes) };
    assert!(older.look(start).is_err(), "what was made ready is no record");
    let older = Segment { end: Ending::At(start as u64), ..newest(&bytes) };
    assert!(matches!(older.look(start), Ok(Found::End)), "what follows does not count");
}

/// A torn end may be long and look like records: it is skipped all the same.
#[test]
fn a_torn_end_of_64_mib_is_passed_over_in_a_moment() {
    let mut sample = sample();
    let offset = sample.bytes.len();
    let lengths = [1_u32 << 20, 0, 0, 0].map(u32::to_le_bytes).concat();
    sample.bytes.extend(lengths.iter().cycle().take(64 << 20));
    assert!(matches!(newest(&sample.bytes).look(offset), Ok(Found::Torn)));
}

/// The header of a segment in the format before the one that is written.
fn old_header(owner: Identity) -> Vec<u8> {
    let Identity { cluster, replica, .. } = owner;
    postcard::to_stdvec(&(*b"taraflow", 2_u32, cluster, replica)).unwrap()
}

#[test]
fn a_header_that_names_no_protocol_is_of_the_first_one() {
    let read = |header: &[u8]| Header::read(header).unwrap().0;
    let old = read(&old_header(PLACE.owner));
    assert!(old.check(PLACE.owner).is_ok());
    let other = Identity { protocol: ProtocolName::of("paxos"), ..PLACE.owner };
    let Broken { expected, found, .. } = old.check(other).unwrap_err();
    assert_eq!(expected, "a file of the protocol paxos");
    assert_eq!(found, "a file of the protocol tara");

    let new = read(&postcard::to_stdvec(&Header::of(other)).unwrap());
    assert!(new.check(other).is_ok());
    assert!(new.check(PLACE.owner).is_err());
}

#[test]
fn a_segment_of_the_format_before_is_read_to_its_end() {
    let mut bytes = Vec::new();
    Place::of_header(PLACE.file).write(&mut bytes, 0, 0, &old_header(PLACE.owner));
    let entry = postcard::to_stdvec(&Entry::Slot(Slot(7), b"seven".to_vec())).unwrap();
    PLACE.write(&mut bytes, 0, 0, &entry);
    let segment = Segment { bytes: &bytes, place: PLACE, end: Ending::Open { durable: 0 } };
    let mut slots = Vec::new();
    let sound = segment.walk::<Vec<u8>>(|entry, _| match entry {
        Entry::Slot(slot, _) => slots.push(slot),
        other => panic!("{other:?}"),
    });
    assert_eq!((sound.unwrap(), slots), (bytes.len() as u64, vec![Slot(7)]));
}
