//! Sizes of things in a picture.

/// Sizes in pixels.
#[derive(Clone, Copy)]
pub(in crate::observe::graph) struct Sizes {
    /// What a character takes in an operator.
    pub name_char: f64,
    /// The least width of an operator.
    pub node_width_min: f64,
    /// The height of an operator, and so of its layer.
    pub node_height: f64,
    /// What a character takes in a label.
    pub label_char: f64,
    /// Characters for which a label has room after its text.
    pub label_room: f64,
    /// The height of a label, and so of its layer.
    pub label_height: f64,
    /// Between two layers, if no edge runs sideways there.
    pub gap: f64,
    /// More of that at most, if edges do.
    pub gap_more: f64,
}

impl Sizes {
    /// For a figure that is read like one in a paper.
    pub const FIGURE: Self = Self {
        name_char: 8.2,
        node_width_min: 0.0,
        node_height: 32.0,
        label_char: 6.9,
        label_room: 0.0,
        label_height: 16.0,
        gap: 20.0,
        gap_more: 36.0,
    };

    /// For a board on which operators and streams carry figures that change.
    pub const BOARD: Self = Self {
        name_char: 7.6,
        node_width_min: 128.0,
        node_height: 34.0,
        label_char: 6.7,
        label_room: 7.0,
        label_height: 12.0,
        gap: 8.0,
        gap_more: 9.0,
    };

    pub fn node_width(&self, name: &str) -> f64 {
        (name.chars().count() as f64 * self.name_char + 26.0).max(self.node_width_min)
    }

    pub fn label_width(&self, text: &str) -> f64 {
        (text.chars().count() as f64 + self.label_room) * self.label_char + 8.0
    }

    /// Operators and labels stand in layers of their own, by turns.
    pub fn layer_height(&self, layer: usize) -> f64 {
        if layer.is_multiple_of(2) { self.node_height } else { self.label_height }
    }

    /// Between two layers where an edge runs so far sideways.
    pub fn gap_for(&self, reach: f64) -> f64 {
        self.gap + (reach * 0.1).min(self.gap_more)
    }
}
