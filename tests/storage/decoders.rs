//! Decoders of bytes from outside, which never panic: files of a replica, frames of a link,
//! settings.

use proptest::prelude::*;
use serde::de::DeserializeOwned;

use taraflow::dataflows::{multipaxos, paxos, tara};
use taraflow::deploy::settings::ClusterSettings;
use taraflow::disk::{Disk, Durable, Identity, MemoryDisk, ProtocolName, Store};
use taraflow::engine::ordering::messages::Promise;
use taraflow::engine::protocol::Protocol;
use taraflow::kv::service::KeyValue;
use taraflow::links::client_messages::{ClientRequest, ServerReply};
use taraflow::links::frame::{Inbox, Outbox};
use taraflow::links::hello::{Hello, HelloReply};
use taraflow::model::app::{At, StateMachine};
use taraflow::model::checkpoint::Cut;
use taraflow::model::config::Config;
use taraflow::model::types::{ReplicaId, Slot, View};

const OWNER: Identity =
    Identity { cluster: 7, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };

/// Sound bytes with some replaced, cut or repeated.
fn damage(bytes: &[u8], at: &[(usize, u8)], cut: usize) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for (place, byte) in at {
        let place = place % damaged.len().max(1);
        if let Some(old) = damaged.get_mut(place) {
            *old = *byte;
        }
    }
    damaged.truncate(bytes.len().saturating_sub(cut % 64));
    damaged
}

/// A replica's files: two segments and a checkpoint.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut disk = MemoryDisk::default();
    Store::create(&mut disk, OWNER).unwrap();
    let (mut store, _) = Store::open::<Promise>(Box::new(disk.clone()), OWNER).unwrap();
    let mut service = KeyValue::default();
    service.apply(
        At { slot: Slot(0), time_ms: 1 },
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
        &mut Vec::new(),
    );
    store.write([Durable::Newest(Promise::Entered(View(2)))]).unwrap();
    store.sync().unwrap();
    let checkpoint = Cut::new(Slot(5), service.snapshot());
    store.write([Durable::<Promise>::Checkpoint(checkpoint)]).unwrap();
    store.sync().unwrap();
    disk.list().unwrap().into_iter().map(|name| (name.clone(), disk.read(&name).unwrap())).collect()
}

/// Frames of each kind that an endpoint reads, well-formed or not.
fn read_frames(bytes: &[u8]) {
    let mut inbox = Inbox::new(1 << 16);
    inbox.room().extend_from_slice(bytes);
    let config = Config::new(ReplicaId(0), 3);
    while let Ok(Some(payload)) = inbox.next_frame() {
        let _ = postcard::from_bytes::<Hello>(payload);
        let _ = postcard::from_bytes::<HelloReply>(payload);
        if let Ok(ClientRequest::Requests(requests)) = postcard::from_bytes(payload) {
            assert_eq!(requests.iter().count(), requests.len());
        }
        if let Ok(ServerReply::Replies(replies)) = postcard::from_bytes(payload) {
            assert_eq!(replies.iter().count(), replies.len());
        }
        read_messages(tara::PROTOCOL, payload, &config);
        read_messages(paxos::PROTOCOL, payload, &config);
        read_messages(multipaxos::PROTOCOL, payload, &config);
    }
}

/// The messages of a protocol that bytes hold, if they hold any.
fn read_messages<M, R>(protocol: Protocol<M, R>, mut bytes: &[u8], config: &Config)
where
    M: Clone + DeserializeOwned,
    R: Clone,
{
    while let Ok((message, rest)) = postcard::take_from_bytes::<M>(bytes) {
        if (protocol.plausible)(&message, config) {
            let _ = ((protocol.weight)(&message), (protocol.step)(&message));
        }
        bytes = rest;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_damaged_file_is_read_as_a_part_of_what_it_was_or_refused(
        file in 0..8_usize,
        at in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cut in any::<usize>(),
    ) {
        let sound = files();
        let file = file % sound.len();
        let mut disk = MemoryDisk::default();
        for (index, (name, bytes)) in sound.iter().enumerate() {
            let damaged = if index == file { damage(bytes, &at, cut) } else { bytes.clone() };
            disk.append(name, &damaged).unwrap();
        }

        if let Ok((_, recovered)) = Store::open::<Promise>(Box::new(disk), OWNER) {
            if let Some(checkpoint) = recovered.checkpoint {
                prop_assert_eq!(checkpoint.slot, Slot(5));
                let mut bytes = Vec::new();
                checkpoint.parts().unwrap().read(0, &mut bytes).unwrap();
                KeyValue::default().restore(&bytes).unwrap();
            }
            prop_assert!(recovered.newest.is_none_or(|newest| newest == Promise::Entered(View(2))));
        }
    }

    #[test]
    fn a_frame_holds_anything(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut outbox = Outbox::default();
        outbox.begin();
        outbox.add_bytes(&payload);
        outbox.end();
        read_frames(outbox.waiting());
        read_frames(&payload);
    }

    #[test]
    fn settings_are_any_text(
        text in "([a-z_.\\[\\]=\"0-9:#{},\\- \\n]|\\[\\[replica\\]\\]|clients|links|limits|cluster|n = ){0,60}",
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cluster.toml");
        std::fs::write(&path, text).unwrap();
        if let Err(problems) = ClusterSettings::read(&path, taraflow::dataflows::tolerance) {
            prop_assert!(!problems.to_string().is_empty());
        }
    }
}
