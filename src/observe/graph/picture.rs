//! A graph with a place for everything, for those who draw it themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::{Layout, Sizes, layout};
use super::{EdgeKind, OperatorGraph, OperatorKind};

/// A point: how far from the left and how far from the top, in pixels.
pub type PicturePoint = (f64, f64);

/// A graph as it is to be drawn, with room for a line of figures in each operator and label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Picture {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// The height of each operator.
    pub node_height: f64,
    /// The operators.
    pub nodes: Vec<PictureNode>,
    /// The streams between them.
    pub nets: Vec<Net>,
}

/// An operator and its middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PictureNode {
    /// Its name in the wiring.
    pub name: String,
    /// What it is there for.
    pub kind: OperatorKind,
    /// Its middle, from the left.
    pub x: f64,
    /// Its middle, from the top.
    pub y: f64,
    /// Its width.
    pub width: f64,
}

/// A stream, which leaves its writer once and branches to its readers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Net {
    /// Who writes.
    pub from: String,
    /// Who reads.
    pub to: Vec<String>,
    /// What it stands for.
    pub kind: EdgeKind,
    /// The name of a back edge; otherwise the record's type, if that has a name.
    pub label: Option<String>,
    /// The middles of the places where the label stands.
    pub places: Vec<PicturePoint>,
    /// Its pieces: from the upper end to the lower, upright at both.
    pub curves: Vec<(PicturePoint, PicturePoint)>,
    /// Its arrowheads.
    pub heads: Vec<Head>,
}

/// An arrowhead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// Its point.
    pub at: PicturePoint,
    /// Whether it points down; otherwise it points up.
    pub down: bool,
}

impl OperatorGraph {
    /// The graph with a place for everything.
    ///
    /// ```
    /// use taraflow::model::config::Config;
    /// use taraflow::model::types::ReplicaId;
    ///
    /// let config = Config::new(ReplicaId(0), 3);
    /// let graph = taraflow::observe::graph::graph(&config, taraflow::dataflows::tara::dataflow);
    /// assert_eq!(graph.picture().nodes.len(), graph.operators.len());
    /// ```
    #[must_use]
    pub fn picture(&self) -> Picture {
        Picture::of(layout(self, Sizes::BOARD))
    }
}

impl Picture {
    fn of(layout: Layout<'_>) -> Self {
        let nodes = layout.nodes.iter().map(|node| PictureNode {
            name: node.operator.name.clone(),
            kind: node.operator.kind,
            x: tenth(node.x),
            y: tenth(node.y),
            width: tenth(node.width),
        });
        let nets = layout.nets.into_iter().map(|net| {
            let (label, places) = net.label.unzip();
            Net {
                from: net.from.to_owned(),
                to: net.to.into_iter().map(str::to_owned).collect(),
                kind: net.kind,
                label: label.map(str::to_owned),
                places: places.into_iter().flatten().map(place).collect(),
                curves: net.curves.iter().map(|c| (place(c.from), place(c.to))).collect(),
                heads: net.heads.iter().map(|&(at, down)| Head { at: place(at), down }).collect(),
            }
        });
        Self {
            width: tenth(layout.width),
            height: tenth(layout.height),
            node_height: Sizes::BOARD.node_height,
            nodes: nodes.collect(),
            nets: nets.collect(),
        }
    }
}

fn place((x, y): PicturePoint) -> PicturePoint {
    (tenth(x), tenth(y))
}

/// A tenth of a pixel is finer than any screen.
fn tenth(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}
