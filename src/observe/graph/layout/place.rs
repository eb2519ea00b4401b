//! Places from left to right: edges straight, long ones above all, and nothing too near its
//! neighbour.

use super::{PORT_STEP, Piece, Sketch};

/// Pixels between two neighbours in a layer.
const GAP: f64 = 18.0;
/// Sweeps down and up with the edges at the middle of operators, and then at their ports.
const SWEEPS: [usize; 2] = [60, 60];

/// Rounds in which long edges are made upright; each makes room for the next.
const STRAIGHTENINGS: usize = 8;

/// Gives every spot its place, and every piece its ports.
pub(super) fn place(sketch: &mut Sketch) {
    for layer in 0..sketch.layers.len() {
        let still = vec![(0.0, 1.0); sketch.layers[layer].len()];
        settle(sketch, layer, &still);
    }
    for sweeps in SWEEPS {
        for _ in 0..sweeps {
            let count = sketch.layers.len();
            for layer in (0..count).chain((0..count).rev()) {
                let wishes: Vec<_> =
                    sketch.layers[layer].iter().map(|spot| wish(sketch, *spot)).collect();
                settle(sketch, layer, &wishes);
            }
        }
        set_ports(sketch);
    }
    for _ in 0..STRAIGHTENINGS {
        straighten(sketch);
        set_ports(sketch);
    }
}

/// Makes long edges upright as far as there is room, in place of many small steps sideways.
fn straighten(sketch: &mut Sketch) {
    for trunk in trunks(sketch) {
        let mut run: Vec<usize> = Vec::new();
        let mut room = (f64::NEG_INFINITY, f64::INFINITY);
        for spot in trunk {
            let (least, most) = room_of(sketch, spot);
            if room.0.max(least) > room.1.min(most) {
                align(sketch, &run, room);
                run.clear();
                room = (f64::NEG_INFINITY, f64::INFINITY);
            }
            room = (room.0.max(least), room.1.min(most));
            run.push(spot);
        }
        align(sketch, &run, room);
    }
}

/// The bends of each edge from top to bottom.
fn trunks(sketch: &Sketch) -> Vec<Vec<usize>> {
    let is_bend = |spot: usize| sketch.spots[spot].node.is_none();
    let joins = || sketch.pieces.iter().filter(|p| is_bend(p.upper) && is_bend(p.lower));
    let tops = (0..sketch.spots.len()).filter(|spot| is_bend(*spot));
    let tops = tops.filter(|spot| joins().all(|piece| piece.lower != *spot));
    let below = |spot: &usize| joins().find(|piece| piece.upper == *spot).map(|piece| piece.lower);
    tops.map(|top| std::iter::successors(Some(top), below).collect()).collect()
}

/// How far left and right a spot may be, as its neighbours stand.
fn room_of(sketch: &Sketch, spot: usize) -> (f64, f64) {
    let layer = &sketch.layers[sketch.spots[spot].layer];
    let at = layer.iter().position(|other| *other == spot).expect("a spot is in its layer");
    let apart = |other: usize| (sketch.spots[other].width + sketch.spots[spot].width) / 2.0 + GAP;
    let left = at.checked_sub(1).and_then(|left| layer.get(left));
    let least = left.map_or(f64::NEG_INFINITY, |left| sketch.spots[*left].x + apart(*left));
    let right = layer.get(at + 1);
    let most = right.map_or(f64::INFINITY, |right| sketch.spots[*right].x - apart(*right));
    // Neighbours may be a rounding error too near.
    (least.min(sketch.spots[spot].x), most.max(sketch.spots[spot].x))
}

/// Puts a run of bends one above the other, as near as can be to where its edge begins and ends.
fn align(sketch: &mut Sketch, run: &[usize], room: (f64, f64)) {
    let mut ends = Vec::new();
    for piece in &sketch.pieces {
        match (run.contains(&piece.upper), run.contains(&piece.lower)) {
            (true, false) => ends.push(sketch.spots[piece.lower].x + piece.ports.1),
            (false, true) => ends.push(sketch.spots[piece.upper].x + piece.ports.0),
            _ => {}
        }
    }
    ends.sort_by(f64::total_cmp);
    let Some(middle) = ends.get(ends.len() / 2) else { return };
    for spot in run {
        sketch.spots[*spot].x = middle.clamp(room.0, room.1);
    }
}

/// Where a spot would like to be, and how much it would.
fn wish(sketch: &Sketch, spot: usize) -> (f64, f64) {
    let mut sum = 0.0;
    let mut weight = 0.0;
    for piece in &sketch.pieces {
        let wanted = if piece.upper == spot {
            sketch.spots[piece.lower].x + piece.ports.1 - piece.ports.0
        } else if piece.lower == spot {
            sketch.spots[piece.upper].x + piece.ports.0 - piece.ports.1
        } else {
            continue;
        };
        let pull = pull(sketch, piece);
        sum += wanted * pull;
        weight += pull;
    }
    // A spot with no edge stays where it is.
    if weight == 0.0 { (sketch.spots[spot].x, 0.1) } else { (sum / weight, weight) }
}

/// A bend in the middle of a long edge shows most.
fn pull(sketch: &Sketch, piece: &Piece) -> f64 {
    match (sketch.spots[piece.upper].node, sketch.spots[piece.lower].node) {
        (None, None) => 8.0,
        _ => 2.0,
    }
}

fn settle(sketch: &mut Sketch, layer: usize, wishes: &[(f64, f64)]) {
    let widths: Vec<f64> =
        sketch.layers[layer].iter().map(|spot| sketch.spots[*spot].width + GAP).collect();
    let places = spread(wishes, &widths);
    for (spot, x) in sketch.layers[layer].iter().zip(places) {
        sketch.spots[*spot].x = x;
    }
}

/// The places in the given order that are nearest to the wishes `(place, weight)` in the least
/// squares, where neighbours are apart by half the sum of their widths.
///
/// Measured from where each would be if all stood close together, places must not decrease; so this
/// is isotonic regression, and pooling neighbours that violate the order solves it exactly.
fn spread(wishes: &[(f64, f64)], widths: &[f64]) -> Vec<f64> {
    let mut close = vec![0.0; wishes.len()];
    for at in 1..wishes.len() {
        close[at] = close[at - 1] + (widths[at - 1] + widths[at]) / 2.0;
    }
    // Pools: mean, weight, members.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for ((wish, weight), close) in wishes.iter().zip(&close) {
        let mut pool = (wish - close, *weight, 1);
        while let Some(left) = pools.pop_if(|left| left.0 > pool.0) {
            let weight = left.1 + pool.1;
            pool = ((left.0 * left.1 + pool.0 * pool.1) / weight, weight, left.2 + pool.2);
        }
        pools.push(pool);
    }
    let means = pools.iter().flat_map(|(mean, _, count)| std::iter::repeat_n(*mean, *count));
    means.zip(&close).map(|(mean, close)| mean + close).collect()
}

/// Lets the edges of each operator meet it side by side, each as near as can be to where it comes
/// from.
fn set_ports(sketch: &mut Sketch) {
    for spot in 0..sketch.spots.len() {
        if sketch.spots[spot].node.is_none() {
            continue;
        }
        for above in [true, false] {
            let meets =
                |piece: &Piece| if above { piece.lower == spot } else { piece.upper == spot };
            let other = |piece: &Piece| match above {
                true => sketch.spots[piece.upper].x + piece.ports.0,
                false => sketch.spots[piece.lower].x + piece.ports.1,
            };
            let pieces = sketch.pieces.iter().enumerate().filter(|(_, piece)| meets(piece));
            let mut ends: Vec<_> = pieces.map(|(at, piece)| (other(piece), at)).collect();
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            let ports = ports(&ends, sketch.spots[spot].x, sketch.spots[spot].width);
            for ((_, piece), port) in ends.iter().zip(ports) {
                let ports = &mut sketch.pieces[*piece].ports;
                *(if above { &mut ports.1 } else { &mut ports.0 }) = port;
            }
        }
    }
}

/// How far from the middle of an operator at `x` the edges to `ends` meet it.
fn ports(ends: &[(f64, usize)], x: f64, width: f64) -> Vec<f64> {
    let most = width / 2.0 - 12.0;
    let wishes: Vec<_> = ends.iter().map(|(end, _)| ((end - x).clamp(-most, most), 1.0)).collect();
    let mut ports = spread(&wishes, &vec![PORT_STEP; ends.len()]);
    if let (Some(first), Some(last)) = (ports.first(), ports.last()) {
        // Room for all of them was made when the operator was widened.
        let shift = (-most - first).max(0.0) + (most - last).min(0.0);
        ports.iter_mut().for_each(|port| *port += shift);
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_keeps_neighbours_apart_and_moves_them_least() {
        assert_eq!(spread(&[(0.0, 1.0), (50.0, 1.0)], &[10.0, 10.0]), [0.0, 50.0]);
        assert_eq!(spread(&[(5.0, 1.0), (5.0, 1.0)], &[10.0, 10.0]), [0.0, 10.0]);
        assert_eq!(spread(&[(5.0, 3.0), (5.0, 1.0)], &[8.0, 8.0]), [3.0, 11.0]);
    }
}
