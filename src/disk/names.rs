//! The names of a replica's files. Files of any other name are left alone.

use crate::model::types::Slot;

/// The suffix of a file that is not complete yet.
const TEMPORARY_SUFFIX: &str = ".new";

pub(crate) fn segment(number: u64) -> String {
    format!("journal-{number:016x}")
}

pub(crate) fn checkpoint(slot: Slot) -> String {
    format!("checkpoint-{:016x}", slot.0)
}

/// The file with the parts that were written for the checkpoint at `slot`.
pub(crate) fn pack(slot: Slot) -> String {
    format!("parts-{:016x}", slot.0)
}

/// The name of a file that is not complete yet.
pub(super) fn temporary(name: &str) -> String {
    name.to_owned() + TEMPORARY_SUFFIX
}

/// The numbers of the journal's segments among `names`, from the oldest on.
pub(crate) fn segments(names: &[String]) -> Vec<u64> {
    sorted(names, "journal-")
}

/// The checkpoints among `names`, from the oldest on.
pub(crate) fn checkpoints(names: &[String]) -> Vec<Slot> {
    sorted(names, "checkpoint-").into_iter().map(Slot).collect()
}

/// The packs among `names`, from the oldest on.
pub(crate) fn packs(names: &[String]) -> Vec<Slot> {
    sorted(names, "parts-").into_iter().map(Slot).collect()
}

/// The first file among `names` that speaks of a replica's past.
pub(super) fn taken(names: &[String]) -> Option<String> {
    let segment = segments(names).first().map(|number| segment(*number));
    let checkpoint = || checkpoints(names).first().map(|slot| checkpoint(*slot));
    segment.or_else(checkpoint).or_else(|| packs(names).first().map(|slot| pack(*slot)))
}

/// Whether a file was never finished.
pub(super) fn is_unfinished(name: &str) -> bool {
    let whole = name.strip_suffix(TEMPORARY_SUFFIX);
    whole.is_some_and(|name| {
        name == super::extent::FILE
            || number(name, "journal-").or_else(|| number(name, "checkpoint-")).is_some()
    })
}

fn sorted(names: &[String], prefix: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(name, prefix)).collect();
    numbers.sort_unstable();
    numbers
}

fn number(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let ours =
        digits.len() == 16 && !digits.contains(|c: char| !matches!(c, '0'..='9' | 'a'..='f'));
    u64::from_str_radix(digits, 16).ok().filter(|_| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_written_here_are_read_here() {
        let own = segment(0x1f);
        assert_eq!(number(&own, "journal-"), Some(0x1f));
        assert!(is_unfinished(&temporary(&checkpoint(Slot(3)))));
        for other in ["journal-1f", "journal-000000000000001F", "journal-+00000000000001f"] {
            assert_eq!(number(other, "journal-"), None, "{other}");
        }
        assert!(!is_unfinished("notes.new") && !is_unfinished(&own));
    }
}
