//! The files of a replica, and all that is done to them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A file and its harm.
#[derive(Debug)]
pub struct Case {
    /// What the file is to its replica.
    kind: &'static str,
    path: PathBuf,
    harm: &'static str,
    /// What it holds then; nothing if it is gone.
    bytes: Option<Vec<u8>>,
}

/// A file of a replica, and where others like it are.
pub struct Subject {
    pub kind: &'static str,
    pub path: PathBuf,
    /// The same file of another replica, and of a replica of another cluster.
    pub of_another_replica: Option<PathBuf>,
    pub of_another_cluster: Option<PathBuf>,
    /// Itself, as it was some time before.
    pub older: Option<PathBuf>,
}

impl Subject {
    /// All that is done to it. What would leave it as it is harms nothing.
    pub fn harmed(&self) -> Vec<Case> {
        let own = fs::read(&self.path).unwrap_or_default();
        // What was made ready for later records is no part of a file yet.
        let end = own.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let noise = |at: usize| (at.wrapping_mul(0x9e37_79b9) >> 7) as u8;
        let like = |path: &Option<PathBuf>| path.as_ref().and_then(|path| fs::read(path).ok());
        let mut harms = vec![
            ("missing", None),
            ("empty", Some(Vec::new())),
            ("cut", Some(own[..end / 2].to_vec())),
            ("zeros", Some(vec![0; own.len()])),
            ("noise", Some((0..own.len()).map(noise).collect())),
        ];
        for (harm, path) in [
            ("another replica's", &self.of_another_replica),
            ("another cluster's", &self.of_another_cluster),
            ("older", &self.older),
        ] {
            harms.extend(like(path).map(|bytes| (harm, Some(bytes))));
        }
        let there = self.path.exists().then_some(&own);
        harms.retain(|(_, bytes)| bytes.as_ref() != there);
        let case = |(harm, bytes)| {
            let Self { kind, path, .. } = self;
            Case { kind, path: path.clone(), harm, bytes }
        };
        harms.into_iter().map(case).collect()
    }
}

impl Case {
    /// The same to the file that a new one is written to before it takes the name of this one.
    pub fn of_unfinished(self) -> Option<Self> {
        self.bytes.is_some().then(|| Self { path: self.path.with_extension("new"), ..self })
    }

    /// Does it.
    pub fn apply(&self) {
        match &self.bytes {
            Some(bytes) => fs::write(&self.path, bytes).unwrap(),
            None => fs::remove_file(&self.path).unwrap(),
        }
    }

    /// Whether the file is in the data directory.
    pub fn is_data(&self) -> bool {
        self.path.parent().is_some_and(|parent| parent.ends_with("data"))
    }

    /// Whether a replica may end so because of it: 7 says damage, 2 that settings cannot be used.
    pub fn is_refused_with(&self, code: Option<i32>) -> bool {
        // Settings of another cluster are sound, and the data is not theirs.
        let is_foreign = self.kind == "cluster.toml" && self.harm == "another cluster's";
        code == Some(if self.is_data() || is_foreign { 7 } else { 2 })
    }

    /// Whether words name the file, what is wrong with it, and what to do.
    pub fn names_what_is_wrong(&self, words: &str) -> bool {
        let name = self.path.file_name().unwrap().to_str().unwrap();
        if !self.is_data() {
            return words.contains(name);
        }
        // Of several segments that do not fit each other any may be named.
        let named = words.contains(name) || words.contains("journal-");
        let what = words.contains("is damaged at byte") && words.contains("found");
        named
            && (what || words.contains("is missing"))
            && words.contains("expected")
            && words.contains("keep it down and the others running")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().unwrap_or_default();
        write!(f, "{} ({}): {}", self.kind, Path::new(name).display(), self.harm)
    }
}
