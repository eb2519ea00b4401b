//! Figures of the last minutes, of all replicas, for pages that are opened later.
//!
//! Frames are about a moment. A node keeps a few figures of those it sees, one a second, on the thread that
//! answers requests; no replica's thread is involved.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use tokio::time::interval;

use crate::model::types::ReplicaId;
use crate::observe::board::Board;
use crate::observe::frame::{Frame, VERSION};

const EVERY: Duration = Duration::from_secs(1);
/// Points kept of each replica: five minutes.
const POINTS: usize = 300;

/// What is remembered of each replica, in their order.
#[derive(Debug, Default)]
pub(super) struct ServedHistory(Mutex<Vec<Line>>);

#[derive(Debug, Default)]
struct Line {
    /// The incarnation and number of the frame that was noted last.
    last: Option<(u64, u64)>,
    points: VecDeque<Point>,
}

impl ServedHistory {
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been noted so far.
    pub fn minutes(&self) -> Minutes {
        let lines = self.lines();
        let replicas = (0..).map(ReplicaId).zip(lines.iter()).map(|(replica, line)| Served {
            replica,
            points: line.points.iter().cloned().collect(),
        });
        Minutes { version: VERSION, replicas: replicas.collect() }
    }

    /// Notes what is new on the boards.
    fn note(&self, boards: &[Board]) {
        // A frame that came as bytes is read before anybody is kept waiting.
        let frames: Vec<_> = boards.iter().map(Board::frame).collect();
        let mut lines = self.lines();
        lines.resize_with(boards.len(), Line::default);
        for (line, frame) in lines.iter_mut().zip(frames) {
            if let Some((frame, at)) = frame {
                line.note(&frame, at);
            }
        }
    }
}

impl Line {
    fn note(&mut self, frame: &Frame, at: Instant) {
        let name = (frame.status.starts, frame.number);
        if self.last.replace(name) == Some(name) {
            return;
        }
        if self.points.len() >= POINTS {
            self.points.pop_front();
        }
        let Frame { request_rate, latency, .. } = *frame;
        let latency_us = |us: u64| (latency.count > 0).then_some(us);
        let (p50_us, p99_us) = (latency_us(latency.p50_us), latency_us(latency.p99_us));
        self.points.push_back(Point { at, request_rate, p50_us, p99_us });
    }
}

/// Notes what boards show, for as long as requests are answered.
pub(super) async fn keep(history: Arc<ServedHistory>, boards: Vec<Board>) {
    let mut beat = interval(EVERY);
    loop {
        beat.tick().await;
        history.note(&boards);
    }
}

/// What all replicas have served in the last minutes, as far as this node has seen it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Minutes {
    /// The version of the format of frames.
    version: u32,
    /// Each replica, in order.
    replicas: Vec<Served>,
}

/// What a replica has served.
#[derive(Serialize, JsonSchema)]
struct Served {
    /// Which replica.
    replica: ReplicaId,
    /// About one a second, oldest first.
    points: Vec<Point>,
}

/// What a replica served at a moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Point {
    /// How long ago that was, in milliseconds.
    #[serde(rename = "age_ms", serialize_with = "age_ms")]
    #[schemars(with = "u64")]
    at: Instant,
    /// Requests executed a second.
    request_rate: f64,
    /// Half of the requests of its clients took no more than this; nothing if there were none.
    p50_us: Option<u64>,
    /// 99 of 100 took no more than this.
    p99_us: Option<u64>,
}

/// Writes how long ago a moment was, in milliseconds.
fn age_ms<S: Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.elapsed().as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::frame::Spread;
    use crate::observe::status::ReplicaStatus;

    fn frame(number: u64) -> Arc<Frame> {
        let latency = Spread { count: 1, p50_us: 7, p99_us: 9, max_us: 9 };
        let request_rate = number as f64;
        let frame = Frame::unwatched(ReplicaStatus::example(), number, 0);
        Arc::new(Frame { latency, request_rate, ..frame })
    }

    #[test]
    fn of_each_new_frame_a_point_is_kept_and_no_more_than_the_last_minutes() {
        let (history, boards) = (ServedHistory::default(), [Board::default(), Board::default()]);
        for number in 1..=POINTS as u64 + 5 {
            boards[0].set_frame(frame(number));
            history.note(&boards);
            history.note(&boards);
        }

        let lines = history.lines();

        assert_eq!(lines[0].points.len(), POINTS);
        assert_eq!(lines[0].points[0].request_rate, 6.0);
        assert_eq!((lines[0].points[0].p50_us, lines[0].points[0].p99_us), (Some(7), Some(9)));
        assert_eq!(lines[1].points.len(), 0, "nobody has seen it");
    }
}
