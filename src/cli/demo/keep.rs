//! Files that a run leaves behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::report::DemoReport;
use crate::cli::outcome::Failure;
use crate::hosts::embedded::Cluster;
use crate::model::error::Error;
use crate::model::types::ReplicaId;

/// A directory that can be written, and is empty.
pub(super) struct KeptFiles(PathBuf);

impl KeptFiles {
    /// Makes the directory if need be, and tries to write there: better now than after the run.
    pub fn prepare(directory: &Path) -> Result<Self, Failure> {
        let fail = |doing| Error::file(doing, directory);
        fs::create_dir_all(directory).map_err(fail("make directory"))?;
        let mut entries = fs::read_dir(directory).map_err(fail("read directory"))?;
        if entries.next().is_some() {
            let taken = io::Error::new(io::ErrorKind::DirectoryNotEmpty, "it is not empty");
            return Err(fail("keep files in")(taken).into());
        }
        let probe = directory.join("probe");
        fs::write(&probe, b"").map_err(fail("write to"))?;
        fs::remove_file(&probe).map_err(fail("write to"))?;
        Ok(Self(directory.to_owned()))
    }

    /// Writes each replica's disk, and the report.
    pub fn write(&self, cluster: &Cluster, report: &DemoReport) -> Result<(), Failure> {
        for replica in (0..cluster.replicas() as u16).map(ReplicaId) {
            let directory = self.0.join(format!("replica-{replica}"));
            fs::create_dir(&directory).map_err(Error::file("make directory", &directory))?;
            let disk = cluster.disk(replica)?;
            for name in disk.list().map_err(Error::file("read the disk for", &directory))? {
                let path = directory.join(&name);
                let bytes = disk.read(&name).map_err(Error::file("read the disk for", &path))?;
                fs::write(&path, bytes).map_err(Error::file("write", &path))?;
            }
        }
        let path = self.0.join("report.json");
        fs::write(&path, report.json()).map_err(Error::file("write", &path))?;
        say!("files and report are in {}", self.0.display());
        Ok(())
    }
}
