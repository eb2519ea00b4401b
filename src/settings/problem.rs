//! What is wrong with the settings, where, and what to do about it.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a file with line and column, a flag, or a variable of the environment.
    pub place: String,
    /// What, and what to do.
    pub what: String,
}

impl Problem {
    /// What is wrong at a place.
    pub fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// All that is wrong, so that it can be put right at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{problem}")?;
        }
        Ok(())
    }
}

/// The name among `known` that is so near to `name` that it may have been meant.
pub(crate) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let distances = known.iter().map(|known| (distance(name, known), known));
    let (distance, known) = distances.min()?;
    (distance <= 2.max(name.len() / 4)).then_some(known.as_str())
}

/// How many letters must be put in, taken out or replaced to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["clients.password_file".to_owned(), "data".to_owned()];

        assert_eq!(nearest("clients.pasword_fil", &known), Some("clients.password_file"));
        assert_eq!(nearest("dtaa", &known), Some("data"));
        assert_eq!(nearest("replication", &known), None);
    }

    #[test]
    fn distance_counts_letters_put_in_taken_out_and_replaced() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("links", "link"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
