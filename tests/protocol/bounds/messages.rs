//! The longest messages there are, in frames.

use serde_bytes::ByteBuf;
use taraflow::dataflows::tara::Message;
use taraflow::engine::operators::catch_up::CatchUp;
use taraflow::engine::operators::transfer::{GroupDigests, Offer, Piece};
use taraflow::engine::ordering::messages::{Proposal, Record, Renewal, Supply};
use taraflow::engine::ordering::runs::Run;
use taraflow::hosts::server::frame_bytes_max;
use taraflow::links::Carried;
use taraflow::model::batch::{Batch, BatchId, Packer, Request, Value};
use taraflow::model::checkpoint::Digest;
use taraflow::model::config::Config;
use taraflow::model::types::{ClientId, ReplicaId, Slot, View};

use super::trio::around;

/// What a frame may hold already when the message that ends it is added.
const BEFORE: usize = (1 << 20) - 1;
/// Numbers as large as they may be take the most bytes.
const LATE: u64 = (1 << 62) - (1 << 30);

/// A batch with commands of so many bytes in all, and as many requests as there may be.
fn value(bytes: usize, requests: usize) -> Value {
    let mut packer = Packer::default();
    let client = ClientId::of_line(1);
    for number in 0..requests as u64 {
        let command = vec![7; bytes / requests];
        let (number, acknowledged) = (LATE + number, LATE);
        packer.push(Request { client, number, acknowledged, command: &command });
    }
    let id = BatchId { source: ReplicaId(2), incarnation: LATE, number: LATE };
    Some(Batch { id, time_ms: LATE, requests: packer.finish() })
}

/// An account of so many slots of which no two that follow each other were accepted in the same
/// view.
fn account(slots: u64) -> Vec<Run> {
    let run = |slot| Run { first: Slot(LATE + slot), count: 1, view: View(LATE + slot % 2) };
    (0..slots).map(run).collect()
}

/// Values of which all but the last are just less than a chunk.
fn values(config: &Config) -> Vec<Value> {
    let largest = config.largest_batch_bytes();
    let chunk = (config.chunk_bytes - 1).min(largest);
    vec![value(chunk, 1), value(largest, config.batch_requests_max.min(largest))]
}

fn longest(config: &Config) -> Vec<Message> {
    let view = View(LATE + 2);
    let proposals = values(config).into_iter().zip(LATE..);
    let proposals = proposals.map(|(value, slot)| Proposal { view, slot: Slot(slot), value });
    let proposals: Vec<_> = proposals.collect();
    let parts = (0..=u8::MAX).map(|part| (part, Digest::of(b"part"))).collect();
    let group = GroupDigests { group: u32::MAX, parts };
    let groups = 1 + config.chunk_bytes / (256 * size_of::<Digest>());
    vec![
        Message::Propose(proposals[1].clone()),
        Message::Supply(Supply { proposals }),
        Message::CatchUp(CatchUp::Decided { from: Slot(LATE), values: values(config) }),
        Message::CatchUp(CatchUp::Pieces {
            slot: Slot(LATE),
            pieces: vec![Piece {
                part: u32::MAX,
                total: LATE,
                offset: LATE,
                bytes: ByteBuf::from(vec![7; config.chunk_bytes]),
            }],
        }),
        Message::CatchUp(CatchUp::Groups { slot: Slot(LATE), groups: vec![group.clone(); groups] }),
        Message::CatchUp(CatchUp::Offer(Offer {
            slot: Slot(LATE),
            digest: Digest::of(b"all"),
            parts: 1 << 20,
            groups: (0..1 << 12).map(|group| (group, Digest::of(b"group"))).collect(),
        })),
        Message::Record(Record { view, decided: Slot(LATE), accepted: account(config.window) }),
        Message::Renew(Renewal { view, slots: account(config.window) }),
    ]
}

fn all_fit(config: &Config, case: &str) {
    config.check().unwrap();
    for message in longest(config) {
        let bytes = postcard::to_stdvec(&Carried::Message(&message)).unwrap().len();
        let (sum, most) = (BEFORE + bytes, frame_bytes_max(config));
        let what = format!("{message:?}").chars().take(30).collect::<String>();
        assert!(sum <= most, "{case}: {what}: {sum} bytes, and a frame has {most}");
    }
}

#[test]
fn whatever_a_replica_says_fits_a_frame() {
    let usual = Config::new(ReplicaId(0), 3);
    all_fit(&usual, "usual settings");
    let few_bytes =
        Config { batch_bytes_max: 1 << 10, command_bytes_max: 1 << 10, ..usual.clone() };
    // At most a quarter of this may ever be: no window is longer than 1,048,576 slots.
    for window in around(1 << 18) {
        let window = window as u64;
        all_fit(&Config { window, ..few_bytes.clone() }, &format!("a window of {window}"));
    }
    for chunk_bytes in around(usual.chunk_bytes) {
        all_fit(&Config { chunk_bytes, ..usual.clone() }, &format!("chunks of {chunk_bytes}"));
    }
    for command_bytes_max in around(usual.command_bytes_max) {
        let config = Config {
            command_bytes_max,
            window_bytes: 4 * (usual.checkpoint_bytes + command_bytes_max),
            ..usual.clone()
        };
        all_fit(&config, &format!("commands of {command_bytes_max}"));
    }
}
