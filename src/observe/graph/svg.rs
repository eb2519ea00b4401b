//! A graph as a picture.
//!
//! It is a file of its own: no script, no font to be fetched, dark where the reader's system is.
//! What an edge is shows without colour: links are double lines, back edges dashed.

use std::fmt::{Arguments, Write};

use super::layout::{HEAD_LENGTH, Sizes, layout};
use super::picture::{Head, Net, Picture, PicturePoint};
use super::{EdgeKind, OperatorGraph, OperatorKind};

/// The height of an operator.
const NODE_HEIGHT: f64 = Sizes::FIGURE.node_height;
/// The height of a label.
const LABEL_HEIGHT: f64 = Sizes::FIGURE.label_height;
/// What a character takes in a label.
const LABEL_WIDTH: f64 = Sizes::FIGURE.label_char;

const STYLE: &str = "\
svg { background: #ffffff }
text { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; \
text-anchor: middle }
.paper { fill: #ffffff }
.role rect, .post rect { fill: #edf2ff; stroke: #3b5bdb; stroke-width: 1.4 }
.post rect { stroke-dasharray: 2 2 }
.door rect { fill: #f4f4f5; stroke: #71717a; stroke-width: 1.4 }
.role text, .post text, .door text { fill: #18181b; font-size: 13px }
.forward path, .link path, .back path { fill: none; stroke-width: 1.4 }
.link path.wide { stroke-width: 4.6 }
.link path.core { stroke: #ffffff; stroke-width: 1.8 }
.back path { stroke-dasharray: 5 3.5 }
.forward path { stroke: #52525b } .forward polygon, .forward text { fill: #52525b }
.link path { stroke: #0b7285 } .link polygon, .link text { fill: #0b7285 }
.back path { stroke: #b4430a } .back polygon, .back text { fill: #b4430a }
.forward text, .link text, .back text { font-size: 11px }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 }
.paper { fill: #0d1117 }
.role rect, .post rect { fill: #172242; stroke: #748ffc }
.door rect { fill: #1f2329; stroke: #8b949e }
.role text, .post text, .door text { fill: #f0f3f6 }
.link path.core { stroke: #0d1117 }
.forward path { stroke: #a8b1bb } .forward polygon, .forward text { fill: #a8b1bb }
.link path { stroke: #4dd0e1 } .link polygon, .link text { fill: #4dd0e1 }
.back path { stroke: #ffa94d } .back polygon, .back text { fill: #ffa94d }
}
";

/// The kinds of edge and what they are called in the legend.
const LEGEND: [(EdgeKind, &str); 3] = [
    (EdgeKind::Forward, "inside the replica"),
    (EdgeKind::Link, "over links"),
    (EdgeKind::Back, "inside, feedback"),
];
/// Pixels the legend takes below the graph, and at least from left to right.
const LEGEND_SIZE: (f64, f64) = (34.0, 610.0);

impl OperatorGraph {
    /// The graph as an SVG file with the given title.
    pub fn svg(&self, title: &str) -> String {
        let layout = layout(self, Sizes::FIGURE);
        let (width, height) = (layout.width.max(LEGEND_SIZE.1), layout.height + LEGEND_SIZE.0);
        let mut page = Page(String::new());
        page.line(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">"
        ));
        page.line(format_args!("<title>{}</title>\n<style>\n{STYLE}</style>", escaped(title)));
        page.line(format_args!("<rect class=\"paper\" width=\"100%\" height=\"100%\"/>"));
        let shift = (width - layout.width) / 2.0;
        page.line(format_args!("<g transform=\"translate({shift:.1} 0)\">"));
        page.graph(&layout);
        page.line(format_args!("</g>"));
        page.legend(width, height - LEGEND_SIZE.0 / 2.0);
        page.line(format_args!("</svg>"));
        page.0
    }
}

struct Page(String);

impl Page {
    fn line(&mut self, line: Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes all that is written to it");
    }

    /// Edges first, then what must not be crossed: labels and operators.
    fn graph(&mut self, layout: &Picture) {
        for net in &layout.nets {
            self.net(net);
        }
        for net in &layout.nets {
            self.labels(net);
        }
        for node in &layout.nodes {
            let (class, round) = match node.kind {
                OperatorKind::Role => ("role", 5.0),
                OperatorKind::Router => ("post", 5.0),
                OperatorKind::Boundary => ("door", NODE_HEIGHT / 2.0),
            };
            let (left, top) = (node.x - node.width / 2.0, node.y - NODE_HEIGHT / 2.0);
            self.line(format_args!(
                "<g class=\"{class}\"><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
                 height=\"{NODE_HEIGHT}\" rx=\"{round}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                node.width,
                node.x,
                node.y + 4.5,
                escaped(&node.name),
            ));
        }
    }

    fn net(&mut self, net: &Net) {
        let path: String = net.curves.iter().map(path_of).collect();
        self.line(format_args!("<g class=\"{}\">", class(net.kind)));
        self.stroke(net.kind, &path);
        let half = if net.kind == EdgeKind::Link { 5.0 } else { 4.0 };
        for Head { at: (x, y), down } in &net.heads {
            let back = if *down { y - HEAD_LENGTH } else { y + HEAD_LENGTH };
            self.line(format_args!(
                "<polygon points=\"{x:.1},{y:.1} {:.1},{back:.1} {:.1},{back:.1}\"/>",
                x - half,
                x + half
            ));
        }
        self.line(format_args!("</g>"));
    }

    /// A double line is a wide one with a narrow one of the paper's colour inside.
    fn stroke(&mut self, kind: EdgeKind, path: &str) {
        if kind == EdgeKind::Link {
            self.line(format_args!("<path class=\"wide\" d=\"{path}\"/>"));
            self.line(format_args!("<path class=\"core\" d=\"{path}\"/>"));
        } else {
            self.line(format_args!("<path d=\"{path}\"/>"));
        }
    }

    fn labels(&mut self, net: &Net) {
        let Some(text) = &net.label else { return };
        let width = text.chars().count() as f64 * LABEL_WIDTH + 4.0;
        for (x, y) in &net.places {
            self.line(format_args!(
                "<g class=\"{}\"><rect class=\"paper\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" \
                 height=\"{LABEL_HEIGHT}\"/><text x=\"{x:.1}\" y=\"{:.1}\">{}</text></g>",
                class(net.kind),
                x - width / 2.0,
                y - LABEL_HEIGHT / 2.0,
                y + 4.0,
                escaped(text),
            ));
        }
    }

    /// What the three kinds of line mean, in one row around the middle of the page.
    fn legend(&mut self, width: f64, y: f64) {
        let wide = |text: &str| text.chars().count() as f64 * LABEL_WIDTH;
        let total: f64 = LEGEND.iter().map(|(_, text)| wide(text) + 66.0).sum();
        let mut x = (width - total) / 2.0 + 10.0;
        for (kind, text) in LEGEND {
            self.line(format_args!("<g class=\"{}\">", class(kind)));
            self.stroke(kind, &format!("M{x:.1} {y:.1}h34"));
            let middle = x + 42.0 + wide(text) / 2.0;
            self.line(format_args!(
                "<text x=\"{middle:.1}\" y=\"{:.1}\">{text}</text></g>",
                y + 4.0
            ));
            x += wide(text) + 66.0;
        }
    }
}

fn class(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Forward => "forward",
        EdgeKind::Link => "link",
        EdgeKind::Back => "back",
    }
}

/// Upright at both ends; straight if they are one above the other.
fn path_of(((x, y), (to_x, to_y)): &(PicturePoint, PicturePoint)) -> String {
    if (x - to_x).abs() < 0.5 {
        return format!("M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}");
    }
    let middle = (y + to_y) / 2.0;
    format!("M{x:.1} {y:.1}C{x:.1} {middle:.1} {to_x:.1} {middle:.1} {to_x:.1} {to_y:.1}")
}

/// Text as it stands in XML and HTML, in elements and in attributes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
