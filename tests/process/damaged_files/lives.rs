//! A cluster with a past of several lives, which can be put back.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use taraflow::kv::resp::RespReply;
use tempfile::TempDir;

use super::Outcome;
use super::files::{Case, Subject};
use crate::support::files::{copy, named};
use crate::support::nodes::{Nodes, REPLICAS};
use crate::support::redis::RedisConnection;
use crate::support::{taraflow, wait_until};

/// A cluster that has had four lives, its files as the last one left them, and what they are
/// exchanged for.
pub struct Lives {
    nodes: Nodes,
    keys: usize,
    /// The files of this cluster, those in the middle of its last life, and those of another
    /// cluster.
    kept: TempDir,
    older: TempDir,
    other: TempDir,
}

/// Keys that are written in the first life, and in each later one, which cuts no checkpoint.
const FIRST: usize = 140;
const LATER: usize = 4;

impl Lives {
    /// Leads two clusters through their lives.
    pub fn lead(checkpoint_every: u64) -> Self {
        let place = || tempfile::tempdir().unwrap();
        let (kept, older, other) = (place(), place(), place());
        drop(live(checkpoint_every, None, other.path()));
        let (nodes, keys) = live(checkpoint_every, Some(older.path()), kept.path());
        Self { nodes, keys, kept, older, other }
    }

    /// The replica that leads the latest view there has been.
    pub fn next_leader(&self) -> usize {
        let views = (0..REPLICAS).flat_map(|index| {
            let data = self.kept.path().join(format!("replica-{index}/data"));
            let records = taraflow().args(["log", "inspect", "-o", "json"]).arg(data).output();
            let lines = String::from_utf8(records.unwrap().stdout).unwrap();
            let view = |line: &str| serde_json::from_str::<Value>(line).unwrap()["view"].as_u64();
            lines.lines().filter_map(view).collect::<Vec<_>>()
        });
        views.max().unwrap() as usize % REPLICAS
    }

    /// All files of a replica, with all that is done to them.
    pub fn cases(&self, who: usize) -> Vec<Case> {
        let other = (who + 1) % REPLICAS;
        let of = |home: &TempDir, replica: usize| home.path().join(format!("replica-{replica}"));
        let (foreign, older) = (of(&self.other, who), of(&self.older, who));
        let mut subjects = Vec::new();
        let data = self.data(who);
        // In a directory of journal and checkpoints, the counterpart of a file is at the same place
        // in a row.
        let mut add = |kind, prefix: &str, chosen: &dyn Fn(usize) -> Option<usize>| {
            let at = |data: &Path| {
                let files = named(data, prefix);
                chosen(files.len()).and_then(|index| files.get(index).cloned())
            };
            let Some(path) = at(&data) else { return };
            subjects.push(Subject {
                kind,
                older: Some(older.join("data").join(path.file_name().unwrap())),
                of_another_replica: at(&self.data(other)),
                of_another_cluster: at(&foreign.join("data")),
                path,
            });
        };
        add("oldest segment", "journal-", &|_| Some(0));
        add("middle segment", "journal-", &|count| Some(count / 2));
        add("newest segment", "journal-", &|count| count.checked_sub(1));
        add("extent", "extent", &|_| Some(0));
        add("older checkpoint", "checkpoint-", &|count| count.checked_sub(2));
        add("newest checkpoint", "checkpoint-", &|count| count.checked_sub(1));
        add("lock", "lock", &|_| Some(0));
        for kind in ["node.toml", "cluster.toml", "key.pem", "cert.pem"] {
            subjects.push(Subject {
                kind,
                path: self.home(who).join(kind),
                // Each has its own only because a proxy is between any two.
                of_another_replica: (kind != "cluster.toml").then(|| self.home(other).join(kind)),
                of_another_cluster: Some(foreign.join(kind)),
                older: None,
            });
        }
        subjects.push(Subject {
            kind: "ca.pem",
            path: self.directory().join("ca.pem"),
            of_another_replica: None,
            of_another_cluster: Some(self.other.path().join("ca.pem")),
            older: None,
        });
        let mut cases: Vec<_> = subjects.iter().flat_map(Subject::harmed).collect();
        cases.extend(unfinished(&data));
        cases
    }

    /// Puts all replicas' files back, once all have ended.
    pub fn restore_all(&mut self) {
        for index in 0..REPLICAS {
            if self.nodes.runs(index) {
                self.nodes.kill(index);
            }
            self.restore(index);
        }
    }

    /// Puts the files of a replica back that does not run, and its log.
    pub fn restore(&self, index: usize) {
        let home = self.home(index);
        fs::remove_dir_all(&home).unwrap();
        copy(&self.kept.path().join(format!("replica-{index}")), &home);
        fs::copy(self.kept.path().join("ca.pem"), self.directory().join("ca.pem")).unwrap();
    }

    pub fn start(&mut self, who: usize) {
        self.nodes.start(who);
    }

    /// Starts all replicas but one, and waits until they serve.
    pub fn start_others(&mut self, who: usize) {
        for index in (0..REPLICAS).filter(|index| *index != who) {
            self.nodes.start(index);
        }
        self.nodes.all_serve();
    }

    /// Starts a replica, and waits until it serves or has ended.
    pub fn outcome_of_start(&mut self, who: usize) -> Outcome {
        self.nodes.start(who);
        let mut outcome = None;
        wait_until(&format!("replica {who} serves or ends"), || {
            outcome = match self.nodes.has_ended(who) {
                Some(status) => Some(Outcome::Refuses(status.code())),
                None => self.nodes.serves(who).then_some(Outcome::Serves),
            };
            outcome.is_some()
        });
        if let Some(Outcome::Refuses(_)) = outcome {
            self.nodes.wait(who);
        }
        outcome.unwrap()
    }

    /// Waits until a replica serves, and looks for all that was acknowledged.
    pub fn serves_everything(&self, index: usize, case: &str) {
        wait_until(&format!("replica {index} serves: {case}"), || self.nodes.serves(index));
        let names = (0..self.keys).map(|key| format!("key:{key}"));
        let words: Vec<_> = std::iter::once("MGET".to_owned()).chain(names).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let found = RedisConnection::to(self.nodes.clients(index)).patient().ask(&words);
        let values = (0..self.keys).map(|key| RespReply::Bulk(Some(key.to_string().into())));
        assert_eq!(
            found,
            Some(RespReply::Array(Some(values.collect()))),
            "replica {index}: {case}"
        );
    }

    /// The same of all.
    pub fn all_serve_everything(&self, case: &str) {
        (0..REPLICAS).for_each(|index| self.serves_everything(index, case));
    }

    pub fn directory(&self) -> PathBuf {
        self.nodes.directory()
    }

    pub fn home(&self, index: usize) -> PathBuf {
        self.directory().join(format!("replica-{index}"))
    }

    pub fn data(&self, index: usize) -> PathBuf {
        self.nodes.data(index)
    }

    pub fn log(&self, index: usize) -> String {
        self.nodes.log(index)
    }
}

/// A cluster's four lives. Its files are kept at two places: in the middle of the last life, if
/// that is wanted, and after it. How many keys were acknowledged.
fn live(checkpoint_every: u64, half_way: Option<&Path>, end: &Path) -> (Nodes, usize) {
    let mut nodes = Nodes::make(false, checkpoint_every);
    let mut keys = 0..0;
    for life in 0..4 {
        (0..REPLICAS).for_each(|index| nodes.start(index));
        nodes.all_serve();
        keys = keys.end..keys.end + if life == 0 { FIRST } else { LATER };
        write(&nodes, keys.clone());
        if let (3, Some(place)) = (life, half_way) {
            copy(&nodes.directory(), place);
            keys = keys.end..keys.end + LATER;
            write(&nodes, keys.clone());
        }
        nodes.all_agree();
        (0..REPLICAS).for_each(|index| nodes.kill(index));
        (0..REPLICAS).for_each(|index| {
            let log = nodes.directory().join(format!("replica-{index}/log"));
            fs::write(log, "").unwrap();
        });
    }
    copy(&nodes.directory(), end);
    (nodes, keys.end)
}

fn write(nodes: &Nodes, keys: Range<usize>) {
    let mut redis = RedisConnection::to(nodes.clients(0)).patient();
    for key in keys {
        // What is executed a second time must show.
        let said = redis.ask(&["INCRBY", &format!("key:{key}"), &key.to_string()]);
        assert_eq!(said, Some(RespReply::Integer(key as i64)));
    }
}

/// Files that a crash may leave half made, which say nothing.
fn unfinished(data: &Path) -> Vec<Case> {
    let newest = ["extent", "journal-", "checkpoint-"].map(|prefix| named(data, prefix).pop());
    let harmed = newest.into_iter().flatten().flat_map(|path| {
        let like = Subject {
            kind: "unfinished file",
            path,
            of_another_replica: None,
            of_another_cluster: None,
            older: None,
        };
        like.harmed()
    });
    harmed.filter_map(Case::of_unfinished).collect()
}
