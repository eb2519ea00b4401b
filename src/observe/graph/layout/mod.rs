//! The layout of a picture: layers of operators, with room between them for every label.
//!
//! This is the layered method of Sugiyama: [`rank`] the operators, thread long edges through the
//! layers between, [`order`] each layer so that few edges cross, [`place`] what is in it. Two
//! things are our own. Edges that one stream makes are one net, which leaves its writer once and
//! branches; so `executed`, read by five roles, is one line. And there is a layer of labels between
//! any two of operators, where a label takes up room like an operator does; so no text can lie on
//! another.

mod order;
mod place;
mod rank;
mod sizes;

use std::collections::BTreeMap;

use super::picture::{Head, Net, Picture, PictureNode};
use super::{EdgeKind, GraphOperator, OperatorGraph};
pub(super) use sizes::Sizes;

/// The length of an arrowhead in pixels.
pub(super) const HEAD_LENGTH: f64 = 9.0;
/// Pixels between the middles of two edges where they meet an operator.
const PORT_STEP: f64 = 14.0;
/// Pixels from the middle of a label at which an edge turns back to its writer.
const TURN: f64 = 9.0;

/// What takes up room in a layer: an operator, or an edge on its way through.
struct Spot {
    layer: usize,
    width: f64,
    x: f64,
    /// The operator; otherwise it is a bend.
    node: Option<usize>,
    /// Whether the net's label stands here.
    label: bool,
    net: usize,
}

/// A piece of an edge from a spot to one in the next layer.
struct Piece {
    upper: usize,
    lower: usize,
    net: usize,
    head: Tip,
    /// How far from the middle of its spots it begins and ends.
    ports: (f64, f64),
}

#[derive(Clone, Copy, PartialEq)]
enum Tip {
    None,
    Up,
    Down,
}

/// The spots of a picture, layer by layer, and what joins them.
struct Sketch {
    sizes: Sizes,
    spots: Vec<Spot>,
    pieces: Vec<Piece>,
    layers: Vec<Vec<usize>>,
}

/// A stream: its writer, kind and label.
type Stream<'a> = (usize, EdgeKind, Option<&'a str>);

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
    pub fn picture(&self) -> Picture {
        layout(self, Sizes::BOARD).rounded()
    }
}

/// Lays out `graph` with things as large as `sizes` says. All lengths are in pixels, and the
/// origin is the upper left corner.
pub(super) fn layout(graph: &OperatorGraph, sizes: Sizes) -> Picture {
    let index: BTreeMap<&str, usize> =
        graph.operators.iter().enumerate().map(|(at, o)| (o.name.as_str(), at)).collect();
    let mut streams: BTreeMap<Stream<'_>, Vec<usize>> = BTreeMap::new();
    let mut arcs = Vec::new();
    for edge in &graph.edges {
        let (from, to) = (index[edge.from.as_str()], index[edge.to.as_str()]);
        streams.entry((from, edge.kind, edge.label.as_deref())).or_default().push(to);
        arcs.push((from, to, edge.kind));
    }
    let ranks = rank::ranks(graph.operators.len(), &arcs);
    let (spots, pieces, layers) = Default::default();
    let mut sketch = Sketch { sizes, spots, pieces, layers };
    for (node, operator) in graph.operators.iter().enumerate() {
        let (layer, width) = (2 * ranks[node], sizes.node_width(&operator.name));
        sketch.add(Spot { layer, width, x: 0.0, node: Some(node), label: false, net: 0 });
    }
    for (net, (stream, readers)) in streams.iter().enumerate() {
        sketch.thread(net, stream, readers);
    }
    sketch.widen();
    order::order(&mut sketch);
    place::place(&mut sketch);
    sketch.finish(graph, streams)
}

impl Sketch {
    fn add(&mut self, spot: Spot) -> usize {
        if self.layers.len() <= spot.layer {
            self.layers.resize_with(spot.layer + 1, Vec::new);
        }
        self.layers[spot.layer].push(self.spots.len());
        self.spots.push(spot);
        self.spots.len() - 1
    }

    fn join(&mut self, upper: usize, lower: usize, net: usize, head: Tip) {
        self.join_beside(upper, lower, net, head, 0.0);
    }

    /// Joins two spots, `aside` pixels from the middle of the lower one.
    fn join_beside(&mut self, upper: usize, lower: usize, net: usize, head: Tip, aside: f64) {
        self.pieces.push(Piece { upper, lower, net, head, ports: (0.0, aside) });
    }

    /// Draws one stream: a trunk down from its writer, one up, or both, and branches to its
    /// readers.
    ///
    /// A reader beside its writer, or the writer itself, is reached from below, unless the trunk
    /// goes up anyway.
    fn thread(&mut self, net: usize, stream: &Stream<'_>, readers: &[usize]) {
        let writer = stream.0;
        let start = self.spots[writer].layer;
        let layer = |sketch: &Self, reader: &usize| sketch.spots[*reader].layer;
        let goes_up = readers.iter().any(|reader| layer(self, reader) < start);
        let goes_down = readers.iter().any(|reader| layer(self, reader) > start);
        let beside_is_up = goes_up && !goes_down;
        let (up, down): (Vec<usize>, Vec<usize>) = readers.iter().partition(|reader| {
            let layer = layer(self, reader);
            layer < start || layer == start && beside_is_up
        });
        if let Some(end) = down.iter().map(|reader| layer(self, reader)).max() {
            let trunk = self.trunk(net, stream.2, (start + 1)..(end.max(start + 2)));
            // What goes back to the writer itself is not drawn upon what leaves it.
            let aside = if down.contains(&writer) { TURN } else { 0.0 };
            self.join_beside(writer, trunk[0], net, Tip::None, -aside);
            trunk.windows(2).for_each(|two| self.join(two[0], two[1], net, Tip::None));
            for reader in down {
                match layer(self, &reader) - start {
                    0 => self.join_beside(reader, trunk[0], net, Tip::Up, aside),
                    below => self.join(trunk[below - 2], reader, net, Tip::Down),
                }
            }
        }
        if let Some(end) = up.iter().map(|reader| layer(self, reader)).min() {
            let trunk = self.trunk(net, stream.2, (end + 1..start).rev());
            self.join(trunk[0], writer, net, Tip::None);
            trunk.windows(2).for_each(|two| self.join(two[1], two[0], net, Tip::None));
            for reader in up {
                match start - layer(self, &reader) {
                    0 => self.join(trunk[0], reader, net, Tip::Down),
                    above => self.join(reader, trunk[above - 2], net, Tip::Up),
                }
            }
        }
    }

    /// One bend a layer, with the label in the first.
    fn trunk(
        &mut self,
        net: usize,
        label: Option<&str>,
        layers: impl Iterator<Item = usize>,
    ) -> Vec<usize> {
        let mut trunk = Vec::new();
        for layer in layers {
            let label = label.filter(|_| trunk.is_empty());
            let width = label.map_or(4.0, |text| self.sizes.label_width(text));
            let spot = Spot { layer, width, x: 0.0, node: None, label: label.is_some(), net };
            trunk.push(self.add(spot));
        }
        trunk
    }

    /// Makes operators wide enough for the edges that meet them.
    fn widen(&mut self) {
        for at in 0..self.spots.len() {
            let above = self.pieces.iter().filter(|piece| piece.lower == at).count();
            let below = self.pieces.iter().filter(|piece| piece.upper == at).count();
            if self.spots[at].node.is_some() {
                let needed = above.max(below) as f64 * PORT_STEP + 10.0;
                self.spots[at].width = self.spots[at].width.max(needed);
            }
        }
    }

    /// The vertical middle of each layer, and the height of the picture.
    ///
    /// The further an edge runs sideways between two layers, the more room there is between them.
    fn heights(&self) -> (Vec<f64>, f64) {
        let mut reach = vec![0.0_f64; self.layers.len() + 1];
        for piece in &self.pieces {
            let (from, to) = self.ends(piece);
            let layer = self.spots[piece.upper].layer;
            reach[layer] = reach[layer].max((from - to).abs());
        }
        let mut y = MARGIN;
        let mut middles = Vec::new();
        for (layer, reach) in reach.iter().take(self.layers.len()).enumerate() {
            let height = self.sizes.layer_height(layer);
            middles.push(y + height / 2.0);
            y += height + self.sizes.gap_for(*reach);
        }
        let bottom = middles.last().map_or(0.0, |middle| middle + self.sizes.node_height / 2.0);
        (middles, bottom + MARGIN)
    }

    /// Where a piece begins and ends, from left to right.
    fn ends(&self, piece: &Piece) -> (f64, f64) {
        let (upper, lower) = (&self.spots[piece.upper], &self.spots[piece.lower]);
        (upper.x + piece.ports.0, lower.x + piece.ports.1)
    }

    /// Whether an edge goes on at the other side of each spot, rather than turning at a label.
    fn passes(&self) -> Vec<bool> {
        let mut sides = vec![(false, false); self.spots.len()];
        for piece in &self.pieces {
            sides[piece.lower].0 = true;
            sides[piece.upper].1 = true;
        }
        sides.into_iter().map(|(above, below)| above && below).collect()
    }

    fn finish(self, graph: &OperatorGraph, streams: BTreeMap<Stream<'_>, Vec<usize>>) -> Picture {
        let name = |at: usize| graph.operators[at].name.clone();
        let sizes = self.sizes;
        let (middles, height) = self.heights();
        let left = self.spots.iter().map(|s| s.x - s.width / 2.0).fold(f64::INFINITY, f64::min);
        let right = self.spots.iter().map(|s| s.x + s.width / 2.0).fold(0.0, f64::max);
        let shift = MARGIN - if left.is_finite() { left } else { 0.0 };
        let mut nets: Vec<Net> = streams
            .into_iter()
            .map(|((from, kind, label), to)| Net {
                from: name(from),
                to: to.into_iter().map(name).collect(),
                kind,
                label: label.map(str::to_owned),
                places: Vec::new(),
                curves: Vec::new(),
                heads: Vec::new(),
            })
            .collect();
        let mut nodes = Vec::new();
        let passes = self.passes();
        for (at, spot) in self.spots.iter().enumerate() {
            let (x, y) = (spot.x + shift, middles[spot.layer]);
            if let Some(node) = spot.node {
                let GraphOperator { name, kind, .. } = graph.operators[node].clone();
                nodes.push(PictureNode { name, kind, x, y, width: spot.width });
                continue;
            }
            let net = &mut nets[spot.net];
            let half = sizes.layer_height(spot.layer) / 2.0;
            // Straight through its layer, so that it cannot touch what stands beside it.
            if passes[at] {
                net.curves.push(((x, y - half), (x, y + half)));
            }
            if spot.label {
                net.places.push((x, y));
            }
        }
        for piece in &self.pieces {
            let (from, to) = self.ends(piece);
            let layer = self.spots[piece.upper].layer;
            let mut from = (from + shift, middles[layer] + sizes.layer_height(layer) / 2.0);
            let mut to = (to + shift, middles[layer + 1] - sizes.layer_height(layer + 1) / 2.0);
            let net = &mut nets[piece.net];
            // A line ends inside its arrowhead, whose point is finer than the line.
            match piece.head {
                Tip::None => {}
                Tip::Up => {
                    net.heads.push(Head { at: from, down: false });
                    from.1 += HEAD_LENGTH / 2.0;
                }
                Tip::Down => {
                    net.heads.push(Head { at: to, down: true });
                    to.1 -= HEAD_LENGTH / 2.0;
                }
            }
            net.curves.push((from, to));
        }
        let (width, node_height) = (right + shift + MARGIN, sizes.node_height);
        Picture { width, height, node_height, nodes, nets }
    }
}

/// Pixels left free around a picture.
const MARGIN: f64 = 20.0;
