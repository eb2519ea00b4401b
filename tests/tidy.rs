//! The order of the house: who may import whom, and what things are called.
#![allow(clippy::unwrap_used, reason = "a file that cannot be read is a failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order of `src/lib.rs`: each imports only those before it.
const ROOMS: [&str; 12] = [
    "model",
    "disk",
    "links",
    "kv",
    "engine",
    "client",
    "observe",
    "deploy",
    "web",
    "hosts",
    "dataflows",
    "cli",
];

/// Lines of a file, tests included.
const FILE_LINES_MAX: usize = 480;

/// First words of headlines that are clauses and no names of things.
const CLAUSES: [&str; 13] = [
    "What", "Who", "How", "Where", "When", "Whether", "Why", "Which", "That", "If", "Those",
    "Whose", "Whom",
];

/// A source file.
struct Source {
    /// Its path, from the root of the repository.
    path: String,
    /// All of it.
    text: String,
}

impl Source {
    /// The room it is in; nothing for the files beside the rooms.
    fn room(&self) -> Option<&'static str> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        ROOMS.into_iter().find(|room| inside.starts_with(&format!("{room}/")))
    }

    /// What ships: all before the tests, without comments.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.contains("/tests");
        let lines = self.text.lines().take_while(|line| *line != "#[cfg(test)]");
        let code = |(_, line): &(usize, &str)| !line.trim_start().starts_with("//");
        (1..).zip(lines).filter(move |_| !is_test).filter(code)
    }
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for root in ["src", "dataflows"] {
        collect(Path::new(env!("CARGO_MANIFEST_DIR")).join(root), root.to_owned(), &mut found);
    }
    assert!(found.len() > 200, "only {} files were found", found.len());
    found
}

fn collect(directory: PathBuf, name: String, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(entry.path(), name, found);
        } else if name.ends_with(".rs") {
            found.push(Source { path: name, text: fs::read_to_string(entry.path()).unwrap() });
        }
    }
}

/// Fails with all complaints at once.
fn none(complaints: &[String], rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

#[test]
fn a_room_imports_only_rooms_before_it() {
    let place = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut complaints = Vec::new();
    for source in sources() {
        let Some(own) = source.room().and_then(place) else { continue };
        for (number, line) in source.shipped() {
            for after in line.split("crate::").skip(1) {
                let name: String =
                    after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if place(&name).is_some_and(|other| other > own) {
                    complaints.push(format!("{}:{number}: {}", source.path, line.trim()));
                }
            }
        }
    }
    none(&complaints, "these lines import what rests on them");
}

#[test]
fn rooms_stand_in_the_front_page_in_the_order_in_which_they_rest_on_each_other() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let listed = page.lines().filter_map(|line| line.strip_prefix("//! - [`")?.split('`').next());
    assert_eq!(listed.collect::<Vec<_>>(), ROOMS);
    let kept = page.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    assert_eq!(kept.collect::<BTreeSet<_>>(), ROOMS.into_iter().collect());
}

#[test]
fn a_public_type_name_is_used_once() {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        // Protocols may call the same thing by the same name.
        let protocol = source.path.strip_prefix("dataflows/").and_then(|path| path.split_once('/'));
        for (_, line) in source.shipped() {
            let line = line.trim_start();
            let named = ["struct ", "enum ", "trait ", "type "]
                .into_iter()
                .find_map(|kind| line.strip_prefix("pub ")?.strip_prefix(kind));
            if let Some(rest) = named {
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let owner = match protocol {
                    Some((protocol, _)) => format!("{} ({protocol})", source.path),
                    None => source.path.clone(),
                };
                owners.entry(name).or_default().push(owner);
            }
        }
    }
    let twice = owners.iter().filter(|(_, owners)| {
        let shared = owners.iter().filter(|owner| !owner.ends_with(')')).count();
        let protocols: BTreeSet<&str> =
            owners.iter().filter_map(|owner| owner.rsplit_once(" (")).map(|(_, of)| of).collect();
        let own = owners.len() - shared;
        shared > 1 || own > protocols.len() || (shared == 1 && own > 0)
    });
    let complaints: Vec<_> =
        twice.map(|(name, owners)| format!("{name}: {}", owners.join(", "))).collect();
    none(&complaints, "these names have more than one meaning");
}

#[test]
fn a_headline_names_a_thing() {
    let mut complaints = Vec::new();
    for source in sources() {
        let headline = source.text.lines().next().and_then(|line| line.strip_prefix("//! "));
        let first = headline.and_then(|line| line.split([' ', ',']).next());
        if first.is_some_and(|first| CLAUSES.contains(&first)) {
            complaints.push(format!("{}: {}", source.path, headline.unwrap()));
        }
    }
    none(&complaints, "these headlines are clauses");
}

#[test]
fn a_file_can_be_held_in_the_head() {
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    };
    let complaints: Vec<_> = sources().iter().filter_map(long).collect();
    none(&complaints, &format!("these files have more than {FILE_LINES_MAX} lines"));
}

/// The Rust code that a page quotes, each block with the file that was named last before it.
fn quoted(page: &str) -> Vec<(String, String)> {
    let (mut file, mut block) = (String::new(), None::<String>);
    let mut quoted = Vec::new();
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```rust") => block = Some(String::new()),
            (Some(_), "```") => quoted.extend(block.take().map(|code| (file.clone(), code))),
            (Some(code), line) => *code += &format!("{line}\n"),
            (None, line) => {
                let mut names = line.split('`').filter(|word| word.ends_with(".rs"));
                file = names.next_back().map_or(file, str::to_owned);
            }
        }
    }
    quoted
}

#[test]
fn the_tutorial_quotes_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/protocol-in-an-afternoon.md")).unwrap();
    let quoted = quoted(&page);
    assert!(quoted.len() > 10, "{} blocks", quoted.len());
    for (file, code) in quoted {
        let text = fs::read_to_string(root.join(&file)).unwrap();
        assert!(text.contains(&code), "not in {file}:\n{code}");
    }
}
