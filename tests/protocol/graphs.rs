//! Graphs of the protocols, against the figures in their files, and pictures that show all of them.

use std::collections::BTreeSet;

use taraflow::dataflows;
use taraflow::model::config::Config;
use taraflow::model::types::ReplicaId;
use taraflow::observe::graph::{EdgeKind, OperatorGraph, OperatorKind};

use crate::arrows;

/// The protocols: name, golden file, and the source that holds the figure.
const PROTOCOLS: [(&str, &str, &str); 3] = [
    ("tara", include_str!("graphs/tara.txt"), include_str!("../../dataflows/tara/mod.rs")),
    ("paxos", include_str!("graphs/paxos.txt"), include_str!("../../dataflows/paxos/mod.rs")),
    (
        "multipaxos",
        include_str!("graphs/multipaxos.txt"),
        include_str!("../../dataflows/multipaxos/mod.rs"),
    ),
];

fn graph(protocol: &str) -> OperatorGraph {
    dataflows::find(protocol).unwrap().graph(&Config::new(ReplicaId(0), 3))
}

/// The blocks of a module's doc in the given language, without the comment signs.
fn blocks(source: &str, language: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        match line.trim().strip_prefix("```") {
            Some(found) => inside = !inside && found == language,
            None if inside => text.extend([line, "\n"]),
            None => {}
        }
    }
    text
}

#[test]
fn every_protocol_is_checked() {
    let checked: Vec<_> = PROTOCOLS.iter().map(|(protocol, ..)| *protocol).collect();
    assert_eq!(checked, dataflows::names());
}

#[test]
fn worker_builds_the_graph_of_the_golden_file() {
    for (protocol, golden, _) in PROTOCOLS {
        let built = graph(protocol).text();
        assert_eq!(
            built, golden,
            "\n`taraflow graph --all --protocol {protocol}` prints the left side"
        );
    }
}

#[test]
fn worker_builds_the_arrows_listed_below_the_figure() {
    for (protocol, _, source) in PROTOCOLS {
        let differences = arrows::differences(source, &graph(protocol)).unwrap();
        assert_eq!(differences, "", "\nthe arrows listed in dataflows/{protocol}/mod.rs");
    }
}

#[test]
fn figure_names_every_role_and_draws_no_arrow_that_is_not_built() {
    for (protocol, _, source) in PROTOCOLS {
        let (figure, graph) = (blocks(source, "text"), graph(protocol).roles());
        let words: Vec<_> = figure.split_whitespace().collect();
        let roles: BTreeSet<_> = graph.operators.iter().map(|role| role.name.as_str()).collect();

        for role in &roles {
            assert!(words.contains(role), "{role} is not in the figure of {protocol}");
        }
        // Of an arrow that bends the eye must judge; where both ends stand beside it, this does.
        let mut seen = 0;
        for line in figure.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            for three in words.windows(3) {
                let Some((kind, _)) = arrows::arrow(three[1]) else { continue };
                if !roles.contains(three[0]) || !roles.contains(three[2]) {
                    continue;
                }
                seen += 1;
                let drawn = |edge: &&taraflow::observe::graph::Edge| {
                    edge.kind == kind && edge.from == three[0] && edge.to == three[2]
                };
                assert!(graph.edges.iter().any(|edge| drawn(&edge)), "{three:?} in {protocol}");
            }
        }
        assert!(seen > 3, "the figure of {protocol} was not understood");
    }
}

#[test]
fn every_role_reads_and_writes() {
    for (protocol, ..) in PROTOCOLS {
        let graph = graph(protocol);
        for role in graph.operators.iter().filter(|role| role.kind == OperatorKind::Role) {
            let name = &role.name;
            assert!(graph.edges.iter().any(|edge| edge.to == *name), "{name} reads nothing");
            assert!(graph.edges.iter().any(|edge| edge.from == *name), "{name} says nothing");
        }
    }
}

#[test]
fn every_kind_of_message_joins_two_roles() {
    for (protocol, ..) in PROTOCOLS {
        let graph = graph(protocol);
        let links = |edge: &&taraflow::observe::graph::Edge| edge.kind == EdgeKind::Link;
        let joined: BTreeSet<_> =
            graph.edges.iter().filter(links).filter_map(|edge| edge.label.as_ref()).collect();
        let posts = graph.operators.iter().filter(|o| o.kind == OperatorKind::Router);
        let posts: BTreeSet<_> = posts.map(|post| &post.name).collect();
        let sorted = graph.edges.iter().filter(|e| posts.contains(&e.from) && e.to != "links_out");
        let said = graph.edges.iter().filter(|e| posts.contains(&e.to) && e.from != "links_in");
        for edge in sorted.chain(said) {
            assert!(joined.contains(edge.label.as_ref().unwrap()), "{edge} leads nowhere");
        }
    }
}

#[test]
fn graph_is_the_same_for_every_replica_and_size() {
    for (protocol, ..) in PROTOCOLS {
        let other = dataflows::find(protocol).unwrap().graph(&Config::new(ReplicaId(4), 5));
        assert_eq!(other, graph(protocol));
    }
}

#[test]
fn picture_is_well_formed_and_shows_every_operator_once() {
    for (protocol, ..) in PROTOCOLS {
        for graph in [graph(protocol), graph(protocol).figure(), graph(protocol).roles()] {
            let svg = graph.svg("a < b & \"c\"");
            let document = roxmltree::Document::parse(&svg).unwrap();
            let texts = document.descendants().filter(|node| node.has_tag_name("text"));
            let texts: Vec<_> = texts.filter_map(|node| node.text()).collect();
            for operator in &graph.operators {
                let shown = texts.iter().filter(|text| **text == operator.name).count();
                assert_eq!(shown, 1, "{}", operator.name);
            }
            let heads = document.descendants().filter(|node| node.has_tag_name("polygon")).count();
            assert_eq!(heads, graph.edges.len(), "one arrowhead an edge");
        }
    }
}

#[test]
fn texts_of_a_picture_do_not_overlap() {
    for (protocol, ..) in PROTOCOLS {
        let svg = graph(protocol).svg(protocol);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let number = |node: roxmltree::Node<'_, '_>, name: &str| -> Option<f64> {
            node.attribute(name)?.parse().ok()
        };
        let rects = document.descendants().filter(|node| node.has_tag_name("rect"));
        let boxes: Vec<_> = rects
            .filter_map(|node| {
                let (x, y) = (number(node, "x")?, number(node, "y")?);
                Some((x, y, x + number(node, "width")?, y + number(node, "height")?))
            })
            .collect();
        assert!(boxes.len() > 20);
        for (at, one) in boxes.iter().enumerate() {
            for two in &boxes[at + 1..] {
                let apart = one.2 <= two.0 || two.2 <= one.0 || one.3 <= two.1 || two.3 <= one.1;
                assert!(apart, "{one:?} and {two:?} in the picture of {protocol}");
            }
        }
    }
}

#[test]
fn graphviz_is_given_every_operator_and_edge() {
    for (protocol, ..) in PROTOCOLS {
        let graph = graph(protocol);
        let dot = graph.dot();
        let body = dot.strip_prefix("digraph replica {\n").unwrap().strip_suffix("}\n").unwrap();

        assert!(body.lines().all(|line| line.starts_with("  ") && line.ends_with("];")));
        assert!(body.lines().all(|line| line.matches('"').count() % 2 == 0));
        let edges = body.lines().filter(|line| line.contains("\" -> \"")).count();
        assert_eq!(edges, graph.edges.len());
        for operator in &graph.operators {
            assert!(body.contains(&format!("\n  \"{}\" [shape=", operator.name)));
        }
    }
}

#[test]
fn json_is_read_back_as_it_was() {
    for (protocol, ..) in PROTOCOLS {
        let graph = graph(protocol);
        assert_eq!(serde_json::from_str::<OperatorGraph>(&graph.json()).unwrap(), graph);
    }
}
