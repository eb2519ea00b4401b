//! A graph as lines of text, as Graphviz reads it, and as JSON.

use super::{Edge, EdgeKind, OperatorGraph, OperatorKind};

impl EdgeKind {
    /// The arrow that stands for an edge of this kind in text.
    pub fn arrow(self) -> &'static str {
        match self {
            Self::Forward => "->",
            Self::Link => "=>",
            Self::Back => "~>",
        }
    }
}

impl std::fmt::Display for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.from, self.kind.arrow(), self.to)?;
        self.label.iter().try_for_each(|label| write!(f, " ({label})"))
    }
}

impl OperatorGraph {
    /// One line an edge: `->` inside the replica, `=>` over links, `~>` for a back edge.
    pub fn text(&self) -> String {
        self.edges.iter().map(|edge| format!("{edge}\n")).collect()
    }

    /// The graph for Graphviz.
    pub fn dot(&self) -> String {
        let mut dot = String::from("digraph replica {\n  node [fontname=monospace];\n");
        dot.push_str("  edge [fontname=monospace, fontsize=11];\n");
        for operator in &self.operators {
            let shape = match operator.kind {
                OperatorKind::Role => "box",
                OperatorKind::Router => "note",
                OperatorKind::Boundary => "oval",
            };
            dot += &format!("  \"{}\" [shape={shape}];\n", operator.name);
        }
        for Edge { from, to, kind, label } in &self.edges {
            let style = match kind {
                EdgeKind::Forward => "style=solid",
                EdgeKind::Link => "color=\"black:invis:black\"",
                EdgeKind::Back => "style=dashed",
            };
            let label = label.as_deref().unwrap_or_default();
            dot += &format!("  \"{from}\" -> \"{to}\" [{style}, label=\"{label}\"];\n");
        }
        dot.push_str("}\n");
        dot
    }

    /// The graph as JSON, with `operators` and `edges` as in [`OperatorGraph`].
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings in vectors always encode")
    }
}
