//! A graph with a place for everything, for those who draw it themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKind, OperatorKind};

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

impl Picture {
    /// The same to a tenth of a pixel, which is finer than any screen.
    pub(super) fn rounded(mut self) -> Self {
        let round = |length: &mut f64| *length = (*length * 10.0).round() / 10.0;
        [&mut self.width, &mut self.height].into_iter().for_each(round);
        for PictureNode { x, y, width, .. } in &mut self.nodes {
            [x, y, width].into_iter().for_each(round);
        }
        for net in &mut self.nets {
            let heads = net.heads.iter_mut().map(|head| &mut head.at);
            let ends = net.curves.iter_mut().flat_map(|(from, to)| [from, to]);
            for (x, y) in net.places.iter_mut().chain(heads).chain(ends) {
                [x, y].into_iter().for_each(round);
            }
        }
        self
    }
}
