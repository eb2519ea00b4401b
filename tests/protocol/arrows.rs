//! Arrows written by hand, to be held against the graph a worker built.
//!
//! A module doc or the README lists the arrows of its figure in a fenced block of the language
//! `arrows`: chains of role names with arrows between them, a comma where one arrow leads to
//! several roles.
//!
//! ```text
//! request_source ═Forward═> proposer ─> committer ─> learner
//! executor ~executed~> request_source, proposer
//! ```
//!
//! `─>` is a stream inside the replica, `═Forward═>` a message over links with the type of its
//! record, and `~executed~>` a back edge with its name. After a comma list the next arrow leaves
//! its last role.

use std::collections::BTreeSet;

use taraflow::observe::graph::{Edge, EdgeKind, OperatorGraph};

/// The edges listed in the `arrows` blocks of `document`: Markdown, or Rust with its doc comments.
///
/// Labels of edges inside the replica are left out, as in [`drawn`].
///
/// # Errors
/// The line that cannot be read; or that there is no block.
pub fn listed(document: &str) -> Result<BTreeSet<Edge>, String> {
    let lines = document.lines().map(|line| line.trim().trim_start_matches("//!").trim());
    let mut edges = BTreeSet::new();
    let (mut inside, mut blocks) = (false, 0);
    for line in lines {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && language == "arrows";
            blocks += usize::from(inside);
        } else if inside {
            chain(line, &mut edges).map_err(|what| format!("{what} in `{line}`"))?;
        }
    }
    if blocks == 0 { Err("there is no block of arrows".to_owned()) } else { Ok(edges) }
}

/// The edges between roles of `graph`, as [`listed`] would have them.
#[must_use]
pub fn drawn(graph: &OperatorGraph) -> BTreeSet<Edge> {
    let bare = |edge| match edge {
        Edge { kind: EdgeKind::Forward, .. } => Edge { label: None, ..edge },
        edge => edge,
    };
    graph.roles().edges.into_iter().map(bare).collect()
}

/// What is listed and not drawn, and what is drawn and not listed; nothing if the two agree.
///
/// # Errors
/// As for [`listed`].
pub fn differences(document: &str, graph: &OperatorGraph) -> Result<String, String> {
    let (listed, drawn) = (listed(document)?, drawn(graph));
    let missing = listed.difference(&drawn).map(|edge| format!("listed but not built: {edge}\n"));
    let unlisted = drawn.difference(&listed).map(|edge| format!("built but not listed: {edge}\n"));
    Ok(missing.chain(unlisted).collect())
}

/// Reads one chain of arrows.
fn chain(line: &str, edges: &mut BTreeSet<Edge>) -> Result<(), String> {
    let mut from: Option<&str> = None;
    let mut open: Option<(EdgeKind, Option<String>)> = None;
    let mut last = None;
    for word in line.split_whitespace() {
        if let Some(found) = arrow(word) {
            from = Some(last.take().ok_or_else(|| format!("nothing before {word}"))?);
            open = Some(found);
            continue;
        }
        let name = word.trim_end_matches(',');
        if let (Some(from), Some((kind, label))) = (from, open.clone()) {
            let (from, to) = (from.to_owned(), name.to_owned());
            edges.insert(Edge { from, to, kind, label });
        } else if last.is_some() {
            return Err(format!("no arrow before {word}"));
        }
        last = Some(name);
    }
    match last {
        None if from.is_some() => Err("nothing after the last arrow".to_owned()),
        _ => Ok(()),
    }
}

/// The kind and label of `word`, if it is an arrow.
pub fn arrow(word: &str) -> Option<(EdgeKind, Option<String>)> {
    let body = word.strip_suffix('>')?;
    let kind = match body.chars().next()? {
        '-' | '─' => EdgeKind::Forward,
        '=' | '═' => EdgeKind::Link,
        '~' => EdgeKind::Back,
        _ => return None,
    };
    let label = body.trim_matches(['-', '─', '=', '═', '~']);
    Some((kind, (!label.is_empty()).then(|| label.to_owned())))
}

mod tests {
    use super::*;

    fn text(document: &str) -> Result<String, String> {
        listed(document).map(|edges| edges.iter().map(|edge| format!("{edge}\n")).collect())
    }

    #[test]
    fn chain_is_read_arrow_by_arrow() {
        let doc =
            "//! ```arrows\n//! a ═Ask═> b ─> c\n//! c ~done~> a, b\n//!\n//! ```\n//! x ─> y";
        let expected = "a => b (Ask)\nb -> c\nc ~> a (done)\nc ~> b (done)\n";
        assert_eq!(text(doc).unwrap(), expected);
    }

    #[test]
    fn block_that_makes_no_sense_is_refused() {
        assert!(text("```arrows\n─> b\n```").unwrap_err().contains("nothing before"));
        assert!(text("```arrows\na ─>\n```").unwrap_err().contains("nothing after"));
        assert!(text("```arrows\na b\n```").unwrap_err().contains("no arrow before b"));
        assert!(text("```text\na ─> b\n```").unwrap_err().contains("no block"));
    }
}
