//! A recorded run: frames of a simulated cluster, one a line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::cli::outcome::Failure;
use crate::model::error::Error;
use crate::model::types::ReplicaId;
use crate::observe::frame::Frame;
use crate::observe::scene::Sighting;

/// The version of recordings this program reads.
const VERSION: u32 = 1;
/// Bytes of a line, and more than any frame has.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// A replica without a frame for so long is silent: they are taken twice a second.
const FRESH_US: u64 = 1_000_000;

/// A recorded run. Only where its frames are is kept in memory; one is read when it is looked at.
#[derive(Debug)]
pub(in crate::cli) struct Recording {
    path: PathBuf,
    file: File,
    /// The seed of the run.
    pub seed: u64,
    /// The protocol its replicas spoke.
    pub protocol: String,
    n: u16,
    /// Each frame, in order of time.
    marks: Vec<Mark>,
    /// Whether the last line is missing.
    pub cut: bool,
}

/// Where a frame is.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// When it was taken, by the clock of the run. Those of replicas may be wrong there, and never go back
    /// here.
    moment_us: u64,
    replica: ReplicaId,
    offset: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    protocol: String,
    n: u16,
    #[serde(default)]
    seed: u64,
}

/// As much of a line as is needed to find it again.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Frame {
        at_us: u64,
        status: Whose,
    },
    /// What was done to the run: only pages tell of that.
    Fault {
        fault: Fault,
    },
    End {
        end: bool,
        frames: usize,
    },
}

#[derive(Deserialize)]
struct Fault {}

#[derive(Deserialize)]
struct Whose {
    replica: ReplicaId,
}

impl Recording {
    /// Reads where everything is.
    ///
    /// # Errors
    /// What the file is instead of a recording, or where it is damaged.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let unreadable = Error::file("read", path);
        let file = File::open(path);
        let file =
            file.map_err(|source| Failure::Usage(format!("cannot open {name}: {source}")))?;
        let mut lines = BufReader::new(file.try_clone().map_err(&unreadable)?);
        let mut line = Vec::new();
        let mut offset = next(&mut lines, &mut line).map_err(&unreadable)?;
        let header = header(&name, &line)?;
        let mut marks: Vec<Mark> = Vec::new();
        let (mut ended, mut place) = (false, 1);
        loop {
            let bytes = next(&mut lines, &mut line).map_err(&unreadable)?;
            if bytes == 0 {
                break;
            }
            place += 1;
            match serde_json::from_slice(&line) {
                Ok(Line::Frame { at_us, status }) if !ended => {
                    let last = marks.last().map_or(0, |mark| mark.moment_us);
                    let moment_us = at_us.max(last);
                    marks.push(Mark { moment_us, replica: status.replica, offset, bytes });
                }
                Ok(Line::Fault { fault: Fault {} }) if !ended => {}
                Ok(Line::End { end: true, frames }) if !ended && frames == marks.len() => {
                    ended = true;
                }
                // The last line of a file that was cut is part of one.
                Err(_) if !line.ends_with(b"\n") && !ended => break,
                _ => return Err(damaged(&name, place, &line, marks.len())),
            }
            offset += bytes;
        }
        if marks.is_empty() {
            let what = format!("{name} is a recording without a frame: it was cut");
            return Err(Failure::Usage(what));
        }
        let Header { seed, protocol, n } = header;
        Ok(Self { path: path.to_owned(), file, seed, protocol, n, marks, cut: !ended })
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.marks.len()
    }

    /// When the first and the last frame were taken, by the clock of the run.
    pub fn span_us(&self) -> (u64, u64) {
        let [first, .., last] = &self.marks[..] else {
            let only = self.marks[0].moment_us;
            return (only, only);
        };
        (first.moment_us, last.moment_us)
    }

    /// The next moment at which there is a frame.
    pub fn after(&self, moment_us: u64) -> Option<u64> {
        let place = self.marks.partition_point(|mark| mark.moment_us <= moment_us);
        self.marks.get(place).map(|mark| mark.moment_us)
    }

    /// The last moment before this one at which there is a frame.
    pub fn before(&self, moment_us: u64) -> Option<u64> {
        let place = self.marks.partition_point(|mark| mark.moment_us < moment_us);
        Some(self.marks[place.checked_sub(1)?].moment_us)
    }

    /// All replicas as they were seen last at this moment.
    ///
    /// # Errors
    /// What the disk says, or that a frame cannot be read.
    pub fn sightings(&mut self, moment_us: u64) -> Result<Vec<Sighting>, Failure> {
        let until = self.marks.partition_point(|mark| mark.moment_us <= moment_us);
        let latest: BTreeMap<_, _> =
            self.marks[..until].iter().map(|mark| (mark.replica, *mark)).collect();
        let mut sightings = Vec::new();
        for replica in (0..self.n).map(ReplicaId) {
            let Some(mark) = latest.get(&replica) else {
                let silence = Some("it has not been seen yet".to_owned());
                sightings.push(Sighting { replica, silence, ..Sighting::default() });
                continue;
            };
            let age_us = moment_us.saturating_sub(mark.moment_us);
            let silence = (age_us > FRESH_US)
                .then(|| format!("it has not been seen for {:.1} s", age_us as f64 / 1e6));
            let frame = Some(Arc::new(self.frame(*mark)?));
            sightings.push(Sighting { replica, frame, age_us, silence, ..Sighting::default() });
        }
        Ok(sightings)
    }

    /// The last `most` frames up to this moment, in order of time.
    ///
    /// # Errors
    /// What the disk says, or that a frame cannot be read.
    pub fn last(&mut self, most: usize, moment_us: u64) -> Result<Vec<Frame>, Failure> {
        let until = self.marks.partition_point(|mark| mark.moment_us <= moment_us);
        let marks = self.marks[until.saturating_sub(most)..until].to_vec();
        marks.into_iter().map(|mark| self.frame(mark)).collect()
    }

    fn frame(&mut self, mark: Mark) -> Result<Frame, Failure> {
        let mut line = vec![0; mark.bytes as usize];
        let read = (self.file.seek(SeekFrom::Start(mark.offset)))
            .and_then(|_| self.file.read_exact(&mut line));
        read.map_err(Error::file("read", &self.path))?;
        serde_json::from_slice(&line).map_err(|error| {
            let path = self.path.display();
            Failure::Usage(format!("{path}: the frame at byte {} is not one: {error}", mark.offset))
        })
    }
}

/// Reads a line with its end, and returns how long it is.
fn next(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let read = lines.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    Ok(read as u64)
}

fn header(name: &str, line: &[u8]) -> Result<Header, Failure> {
    #[derive(Deserialize)]
    struct Any {
        taraflow_trace: u32,
    }
    let refuse = |what: String| Err(Failure::Usage(format!("{name} {what}")));
    if line.is_empty() {
        return refuse("is empty: the run that should have written it did not".to_owned());
    }
    match serde_json::from_slice(line).map(|Any { taraflow_trace }| taraflow_trace) {
        Ok(VERSION) => {}
        Ok(other) => {
            return refuse(format!(
                "is a recording of version {other}, and this program reads version {VERSION}: use the one \
                 that wrote it, or record the run again"
            ));
        }
        Err(_) => {
            let form = format!("{{\"taraflow_trace\":{VERSION},...}}");
            return refuse(format!("is not a recording: one begins with {form}"));
        }
    }
    match serde_json::from_slice(line) {
        Ok(Header { n: 0, .. }) => refuse("is a recording of no replicas".to_owned()),
        Ok(header) => Ok(header),
        Err(error) => refuse(format!("has a first line that is incomplete: {error}")),
    }
}

fn damaged(name: &str, place: usize, line: &[u8], frames: usize) -> Failure {
    let what = match serde_json::from_slice(line) {
        Ok(Line::End { frames: said, .. }) if said != frames => {
            format!("the file should hold {said} frames, and holds {frames}")
        }
        Ok(_) => "something follows its end".to_owned(),
        Err(error) => format!("there should be a frame: {error}"),
    };
    Failure::integrity(format!("{name} is damaged in line {place}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    /// Replicas 0 and 1 of three, four frames each, 250 ms apart; replica 1 is not seen after the second.
    fn lines() -> Vec<String> {
        let mut lines =
            vec![r#"{"taraflow_trace":1,"protocol":"tara","n":3,"seed":42}"#.to_owned()];
        for number in 1..=8 {
            for replica in 0..2 {
                if replica == 0 || number <= 2 {
                    let mut frame = example::frame(replica);
                    (frame.number, frame.at_us) = (number, 1_000_000 + number * 250_000);
                    lines.push(serde_json::to_string(&frame).unwrap());
                }
            }
        }
        lines.push(r#"{"end":true,"frames":10}"#.to_owned());
        lines
    }

    fn open(text: &str) -> Result<Recording, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.ndjson");
        std::fs::write(&path, text).unwrap();
        Recording::open(&path)
            .map_err(|error| error.to_string().replace(&format!("{}/", home.path().display()), ""))
    }

    #[test]
    fn replicas_are_seen_as_they_were_at_the_moment() {
        let mut recording = open(&(lines().join("\n") + "\n")).unwrap();
        let (first, last) = recording.span_us();
        assert_eq!((recording.frames(), first, last), (10, 1_250_000, 3_000_000));

        let sightings = recording.sightings(last).unwrap();

        let numbers: Vec<_> =
            sightings.iter().map(|seen| seen.frame.as_ref().map(|frame| frame.number)).collect();
        assert_eq!(numbers, [Some(8), Some(2), None]);
        let silences: Vec<_> = sightings.iter().map(|seen| seen.silence.as_deref()).collect();
        assert_eq!(
            silences,
            [None, Some("it has not been seen for 1.5 s"), Some("it has not been seen yet")]
        );
        assert_eq!(recording.after(first), Some(1_500_000));
        assert_eq!((recording.after(last), recording.before(first)), (None, None));
        assert_eq!(recording.last(3, 1_500_000).unwrap().len(), 3);
    }

    #[test]
    fn what_was_done_to_the_run_is_no_frame_and_no_damage() {
        let mut lines = lines();
        lines.insert(3, r#"{"fault":{"at_us":1,"replica":2,"text":"crashes"}}"#.to_owned());

        let mut recording = open(&(lines.join("\n") + "\n")).unwrap();

        assert_eq!((recording.frames(), recording.cut), (10, false));
        assert_eq!(recording.sightings(3_000_000).unwrap().len(), 3);
    }

    #[test]
    fn a_file_that_was_cut_is_read_as_far_as_it_goes() {
        let whole = lines().join("\n") + "\n";

        let cut = open(&whole[..whole.len() / 2]).unwrap();

        assert!(cut.cut && cut.frames() < 10);
        assert!(!open(&whole).unwrap().cut);
    }

    #[test]
    fn what_is_no_recording_is_told_what_it_is() {
        let said = |text: &str| open(text).unwrap_err();

        assert!(said("").contains("run.ndjson is empty"));
        assert!(said("hello\n").contains("run.ndjson is not a recording"));
        assert!(said("{\"taraflow_trace\":2}\n").contains("a recording of version 2"));
        assert!(said(&lines()[0]).contains("without a frame"));
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let said = |lines: &[String]| open(&(lines.join("\n") + "\n")).unwrap_err();

        let mut torn = lines();
        torn[3] = torn[3][..100].to_owned();
        assert!(
            said(&torn).starts_with("run.ndjson is damaged in line 4: there should be a frame")
        );
        let mut short = lines();
        short.remove(5);
        assert_eq!(
            said(&short),
            "run.ndjson is damaged in line 11: the file should hold 10 frames, and holds 9"
        );
    }
}
