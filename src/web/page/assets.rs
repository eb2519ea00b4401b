//! Files of the page.

/// What a browser may do with the page: run its own scripts, look like its own sheet, ask its own node.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The page itself.
pub const INDEX: &str = include_str!("assets/index.html");

/// A file that the page needs.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name below `/page/`.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

macro_rules! files {
    ($kind:literal: $($name:literal),* $(,)?) => {
        [$(Asset {
            name: $name,
            media_type: concat!("text/", $kind, "; charset=utf-8"),
            text: include_str!(concat!("assets/", $name)),
        }),*]
    };
}

/// Its style.
pub(super) const STYLE: [Asset; 1] = files!["css": "style.css"];
/// Its modules.
pub(super) const SCRIPTS: [Asset; 26] = files!["javascript":
    "chart.js", "charts-view.js", "cluster-view.js", "controls.js", "differs.js", "dom.js",
    "faults.js", "findings-view.js", "frame.js", "graph-view.js", "live.js", "machine-view.js",
    "main.js", "memory.js", "operator-view.js", "player.js", "recording.js", "replay.js", "replicas.js",
    "slots-view.js", "slots.js", "store.js", "story-view.js", "story.js", "wires.js",
    "words.js",
];
/// All files but the page itself.
pub const ASSETS: [&[Asset]; 2] = [&STYLE, &SCRIPTS];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names() -> BTreeSet<&'static str> {
        ASSETS.iter().copied().flatten().map(|asset| asset.name).collect()
    }

    #[test]
    fn every_file_of_the_page_is_carried() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/page/assets");
        let entries = std::fs::read_dir(directory).unwrap();
        let found: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        let found: BTreeSet<_> = found.iter().map(|name| name.to_str().unwrap()).collect();

        let mut carried = names();
        carried.insert("index.html");
        assert_eq!(found, carried);
    }

    /// A replay finds modules by this form of their names.
    #[test]
    fn modules_import_only_each_other_and_by_name() {
        for script in SCRIPTS {
            let imports = script.text.lines().filter(|line| line.contains(" from \""));
            for import in imports {
                let name =
                    import.split(" from \"./").nth(1).and_then(|rest| rest.split('"').next());
                assert!(
                    name.is_some_and(|name| names().contains(name)),
                    "{}: {import}",
                    script.name
                );
            }
        }
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let files = ASSETS.iter().copied().flatten().map(|asset| asset.text).chain([INDEX]);
        for text in files {
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http:") && !elsewhere.contains("https:"));
        }
    }

    #[test]
    fn text_becomes_no_markup() {
        for script in SCRIPTS {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!script.text.contains(way), "{}: {way}", script.name);
            }
        }
    }
}
