//! The order within each layer: few crossings.

use super::Sketch;

/// Sweeps down and up before the best order found is taken.
const SWEEPS: usize = 40;

/// Orders every layer by the barycentres of its neighbours, then swaps neighbours while that helps.
pub(super) fn order(sketch: &mut Sketch) {
    let mut joins = vec![Vec::new(); sketch.layers.len()];
    for piece in &sketch.pieces {
        joins[sketch.spots[piece.upper].layer].push((piece.upper, piece.lower));
    }
    let layers = std::mem::take(&mut sketch.layers);
    let mut order = Order { place: vec![0; sketch.spots.len()], layers, joins };
    order.number();
    let (mut best, mut fewest) = (order.layers.clone(), order.crossings());
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for step in 0..order.layers.len() {
            order.sort(if down { step } else { order.layers.len() - 1 - step }, down);
        }
        order.swap_neighbours();
        let found = order.crossings();
        if found < fewest {
            (best, fewest) = (order.layers.clone(), found);
        }
    }
    sketch.layers = best;
}

struct Order {
    /// The spots of each layer from left to right.
    layers: Vec<Vec<usize>>,
    /// What joins each layer to the next: the upper and the lower spot.
    joins: Vec<Vec<(usize, usize)>>,
    /// Where each spot stands in its layer.
    place: Vec<usize>,
}

impl Order {
    fn number(&mut self) {
        for layer in &self.layers {
            for (place, spot) in layer.iter().enumerate() {
                self.place[*spot] = place;
            }
        }
    }

    /// Sorts a layer by the mean place of what each spot is joined to above, or below.
    fn sort(&mut self, layer: usize, look_up: bool) {
        let above = layer.checked_sub(1).map_or(&[][..], |above| &self.joins[above]);
        let joins = if look_up { above } else { &self.joins[layer] };
        let mean = |spot: usize| {
            let ends = joins.iter().filter_map(|(upper, lower)| match look_up {
                true => (*lower == spot).then_some(self.place[*upper]),
                false => (*upper == spot).then_some(self.place[*lower]),
            });
            let (sum, count) = ends.fold((0, 0), |(sum, count), end| (sum + end, count + 1));
            if count == 0 { self.place[spot] as f64 } else { sum as f64 / count as f64 }
        };
        let mut spots: Vec<_> =
            self.layers[layer].iter().map(|spot| (mean(*spot), *spot)).collect();
        spots.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.layers[layer] = spots.into_iter().map(|(_, spot)| spot).collect();
        self.number();
    }

    /// Swaps two neighbours wherever that leaves fewer crossings, until it nowhere does.
    fn swap_neighbours(&mut self) {
        let mut better = true;
        while better {
            better = false;
            for layer in 0..self.layers.len() {
                for left in 1..self.layers[layer].len() {
                    let before = self.crossings_at(layer);
                    self.swap(layer, left);
                    if self.crossings_at(layer) < before {
                        better = true;
                    } else {
                        self.swap(layer, left);
                    }
                }
            }
        }
    }

    fn swap(&mut self, layer: usize, right: usize) {
        self.layers[layer].swap(right - 1, right);
        self.place.swap(self.layers[layer][right - 1], self.layers[layer][right]);
    }

    fn crossings(&self) -> usize {
        (0..self.layers.len()).map(|layer| self.between(layer)).sum()
    }

    /// Crossings just above and just below a layer.
    fn crossings_at(&self, layer: usize) -> usize {
        layer.checked_sub(1).map_or(0, |above| self.between(above)) + self.between(layer)
    }

    /// Crossings between a layer and the next.
    fn between(&self, layer: usize) -> usize {
        let joins = self.joins[layer].iter();
        let ends: Vec<_> = joins.map(|(u, l)| (self.place[*u], self.place[*l])).collect();
        let crosses = |one: (usize, usize), two: (usize, usize)| {
            one.0 < two.0 && one.1 > two.1 || one.0 > two.0 && one.1 < two.1
        };
        let crossed = |at: usize| ends[..at].iter().filter(|one| crosses(**one, ends[at])).count();
        (0..ends.len()).map(crossed).sum()
    }
}
