//! A recording as one file.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::INDEX;
use super::assets::{Asset, SCRIPTS, STYLE};
use super::judged::{RecordingHead, judged};
use crate::observe::graph::{OperatorGraph, Picture, escaped};

/// What the file may do: run what is in it, and contact nobody.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' data:; \
     style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The pictures of a protocol's graph.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Figures {
    /// As in a paper.
    pub figure: Picture,
    /// With all that is there.
    pub all: Picture,
}

impl Figures {
    /// Those of a graph.
    pub fn of(graph: &OperatorGraph) -> Self {
        Self { figure: graph.figure().picture(), all: graph.picture() }
    }
}

/// Knows the graphs of protocols, by their names. A graph is the same for every replica.
pub type GraphOf = fn(&str) -> Option<OperatorGraph>;

/// A page that plays the recorded run `frames_ndjson`, as one file that needs no other. `graph_of` knows
/// the graph that the run is shown in.
///
/// A recording that is damaged or of another version becomes a page that says so.
///
/// ```
/// let run = "{\"taraflow_trace\":1,\"protocol\":\"tara\"}\n";
/// let page = taraflow::web::page::replay("a run", run, taraflow::dataflows::graph);
/// assert!(page.starts_with("<!doctype html>") && page.contains("<title>a run</title>"));
/// ```
pub fn replay(title: &str, frames_ndjson: &str, graph_of: GraphOf) -> String {
    let modules: String = SCRIPTS.iter().map(entry).collect::<Vec<_>>().join(",\n");
    let graph = graph_of(&RecordingHead::of(frames_ndjson).protocol);
    let graph = graph.map(|graph| Figures::of(&graph));
    let graph = serde_json::to_string(&graph).unwrap_or_default();
    let head = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <style>\n{}</style>\n<script type=\"importmap\">\n{{\"imports\": {{\n{modules}\n}}}}\n</script>",
        STYLE[0].text
    );
    let data = format!(
        "<script type=\"application/json\" id=\"recorded-graph\">{}</script>\n\
         <script type=\"application/x-ndjson\" id=\"recording\">{}</script>\n\
         <script type=\"module\">import \"taraflow/main.js\";</script>",
        inert(&graph),
        inert(&judged(frames_ndjson))
    );
    INDEX
        .replace("<title>taraflow</title>", &format!("<title>{}</title>", escaped(title)))
        .replace("<link rel=\"stylesheet\" href=\"/page/style.css\">", &head)
        .replace("<script type=\"module\" src=\"/page/main.js\"></script>", &data)
}

/// A module's line in the import map.
///
/// Modules that are not fetched from a place have no neighbours there, so they are found by name.
fn entry(script: &Asset) -> String {
    let text = script.text.replace("from \"./", "from \"taraflow/");
    format!(
        "\"taraflow/{}\": \"data:text/javascript;charset=utf-8,{}\"",
        script.name,
        quoted(&text)
    )
}

/// Text in a URL of data: all but letters and digits by their numbers.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            quoted.push(char::from(byte));
        } else {
            write!(quoted, "%{byte:02X}").expect("a string takes all that is written to it");
        }
    }
    quoted
}

/// JSON in which nothing can end the element around it. Only strings hold this character.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflows::graph;

    #[test]
    fn nothing_in_a_recording_ends_the_element_it_is_in() {
        let hostile = "</script><script>alert(1)</script><!--";
        let page =
            replay(hostile, &format!("{{\"taraflow_trace\":1,\"title\":\"{hostile}\"}}\n"), graph);

        assert_eq!(page.matches("alert(1)").count(), 2);
        assert!(!page.contains("<script>alert"));
        assert_eq!(
            page.matches("</script>").count(),
            replay("", "", graph).matches("</script>").count()
        );
    }

    #[test]
    fn a_replay_names_no_file_beside_it() {
        let page = replay("a run", "", graph);

        assert!(!page.contains("src=\"/") && !page.contains("href=\"/"));
    }

    #[test]
    fn the_protocol_of_a_recording_is_drawn() {
        let drawn = |head: &str| replay("", head, graph).contains("\"node_height\"");

        assert!(drawn("{\"taraflow_trace\":1,\"protocol\":\"tara\"}\n"));
        assert!(!drawn("{\"taraflow_trace\":1,\"protocol\":\"unknown\"}\n"));
    }
}
