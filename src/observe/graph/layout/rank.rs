//! Ranks: everyone stands below those it reads from.

use crate::observe::graph::EdgeKind;

/// The rank of each of `count` operators: the length of the longest path to it.
///
/// Streams inside the replica come first; then links take part as far as they make no cycle. Back
/// edges do not count.
pub(super) fn ranks(count: usize, edges: &[(usize, usize, EdgeKind)]) -> Vec<usize> {
    let mut arcs: Vec<(usize, usize)> = Vec::new();
    for kind in [EdgeKind::Forward, EdgeKind::Link] {
        for (from, to, _) in edges.iter().filter(|(_, _, of)| *of == kind) {
            if !reaches(&arcs, *to, *from) {
                arcs.push((*from, *to));
            }
        }
    }
    let mut ranks = vec![0; count];
    // A path has fewer edges than there are operators.
    for _ in 0..count {
        for (from, to) in &arcs {
            ranks[*to] = ranks[*to].max(ranks[*from] + 1);
        }
    }
    // What reads from nobody stands just above its first reader rather than at the top.
    for node in 0..count {
        if arcs.iter().all(|(_, to)| *to != node) {
            let readers = arcs.iter().filter(|(from, _)| *from == node);
            let first = readers.map(|(_, to)| ranks[*to]).min();
            ranks[node] = first.map_or(0, |rank| rank - 1);
        }
    }
    ranks
}

fn reaches(arcs: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut open = vec![from];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(node) = open.pop() {
        if node == to {
            return true;
        }
        if seen.insert(node) {
            open.extend(arcs.iter().filter(|(from, _)| *from == node).map(|(_, to)| *to));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_stands_below_all_it_reads_from() {
        use EdgeKind::{Back, Forward, Link};
        let edges = [(0, 1, Forward), (1, 2, Forward), (0, 2, Link), (2, 0, Link), (2, 1, Back)];

        assert_eq!(ranks(3, &edges), [0, 1, 2]);
    }

    #[test]
    fn source_stands_just_above_its_first_reader() {
        use EdgeKind::Forward;

        assert_eq!(ranks(4, &[(0, 1, Forward), (1, 2, Forward), (3, 2, Forward)]), [0, 1, 2, 1]);
    }
}
