//! Description of the API: its paths, and the shape of each answer, from the types that it is made of.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::State;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::ErrorBody;
use super::frames::{Blamed, Channels, Frontiers, Operators, Part, Replicas, Slots};
use super::history::Minutes;
use super::node::{Health, SettingsInForce};
use super::page::Drawing;
use super::state::AdminState;
use super::stream::{Happenings, SilenceEvent};
use crate::observe::findings::Finding;
use crate::observe::frame::Frame;
use crate::observe::scene::Scene;
use crate::observe::status::{ReplicaStatus, VERSION};

/// Each path, and what is answered there.
const INDEX: [(&str, &str); 19] = [
    ("/", "a page to watch the cluster on"),
    ("/v1", "this list"),
    ("/v1/schema", "the shape of the answers, as JSON Schema"),
    ("/v1/status", "the state of the replica: role, view, progress, links, clients, disk"),
    ("/v1/settings", "the settings of this node that are in force"),
    ("/v1/scene", "all replicas, each by its latest frame, and what is wrong"),
    ("/v1/frame", "one replica at one moment: all of what follows; ?replica=N, as for the others"),
    ("/v1/replicas", "the state of each replica"),
    ("/v1/graph", "the operators of a replica and the streams between them, with a place for each"),
    ("/v1/operators", "the operators: records, rates, share of the time, how long they run"),
    ("/v1/channels", "the streams between them: records, rates, what waits"),
    ("/v1/frontiers", "how far each operator has come, and what each role still holds"),
    ("/v1/blame", "who holds back the application, and why"),
    ("/v1/slots", "the lives of slots: ?slot=N, ?client=C&number=N or ?last=N"),
    ("/v1/history", "requests a second and latencies of all replicas in the last five minutes"),
    ("/v1/events", "what happened lately; as text/event-stream, frames as they are taken"),
    ("/metrics", "figures of this replica for Prometheus"),
    ("/livez", "200 while the worker moves; 503: only a restart helps"),
    (
        "/readyz",
        "200 while the replica and its cluster serve in full; 503 with the reasons why not",
    ),
];

/// The paths that are there where replicas take orders; all are asked with POST.
const ORDERS: [(&str, &str); 3] = [
    ("/v1/replicas/{replica}/kill", "end a replica, as a crash does"),
    ("/v1/replicas/{replica}/pause", "let a replica do nothing for a while"),
    ("/v1/replicas/{replica}/restart", "start a replica again from its disk"),
];

/// The paths of the admin API, with the schemas of their answers.
#[derive(Serialize, JsonSchema)]
pub(super) struct Index {
    /// The version of this list.
    version: u32,
    paths: Vec<Entry>,
}

/// A path.
#[derive(Serialize, JsonSchema)]
struct Entry {
    path: &'static str,
    /// What is answered there, in words.
    what: &'static str,
    /// Where that is described, if it is JSON.
    schema: Option<&'static str>,
}

type Kind = fn(&mut SchemaGenerator) -> Schema;

/// What is answered on each path that answers in JSON.
const ANSWERS: [(&str, Kind); 16] = [
    ("/v1", kind::<Index>),
    ("/v1/status", kind::<ReplicaStatus>),
    ("/v1/settings", kind::<SettingsInForce>),
    ("/v1/scene", kind::<Scene>),
    ("/v1/frame", kind::<Frame>),
    ("/v1/replicas", kind::<Replicas>),
    ("/v1/graph", kind::<Drawing<'_>>),
    ("/v1/operators", kind::<Part<Operators>>),
    ("/v1/channels", kind::<Part<Channels>>),
    ("/v1/frontiers", kind::<Part<Frontiers>>),
    ("/v1/blame", kind::<Part<Blamed>>),
    ("/v1/slots", kind::<Slots>),
    ("/v1/history", kind::<Minutes>),
    ("/v1/events", kind::<Happenings>),
    ("/livez", kind::<Health>),
    ("/readyz", kind::<Health>),
];

/// What comes in other ways: any refusal, and the events of a stream that are not frames.
const OTHERS: [Kind; 3] = [kind::<ErrorBody>, kind::<SilenceEvent<'_>>, kind::<Finding>];

fn kind<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

struct Schemas {
    whole: Value,
    /// Where in the whole each path's answer is described.
    places: BTreeMap<&'static str, String>,
}

fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let place = |(path, kind): &(&'static str, Kind)| {
            let schema = kind(&mut generator);
            let place = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
            (*path, format!("/v1/schema{place}"))
        };
        let places = ANSWERS.iter().map(place).collect();
        for kind in OTHERS {
            kind(&mut generator);
        }
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "What a node of taraflow answers",
            "description": "GET /v1 tells for each path which definition its answer follows. \
                Fields may be added within a version; so readers pass over those they do not know.",
            "$defs": generator.take_definitions(true),
        });
        Schemas { whole, places }
    })
}

/// The paths of the admin API, with the schemas of their answers.
pub(super) async fn index(State(state): State<Arc<AdminState>>) -> Json<Index> {
    let orders = if state.takes_orders { &ORDERS[..] } else { &[] };
    let paths = INDEX.iter().chain(orders);
    let schema = |path| schemas().places.get(path).map(String::as_str);
    let paths = paths.map(|&(path, what)| Entry { path, what, schema: schema(path) });
    Json(Index { version: VERSION, paths: paths.collect() })
}

/// All of it.
pub(super) async fn schema() -> Json<&'static Value> {
    Json(&schemas().whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_described_and_every_field_has_its_meaning() {
        let Schemas { whole, places } = schemas();
        assert_eq!(places.len(), ANSWERS.len());
        for place in places.values() {
            let (_, pointer) = place.split_once('#').expect("a place in the whole");
            assert!(whole.pointer(pointer).is_some(), "{place}");
        }
        let frame = &whole["$defs"]["Frame"]["properties"];
        let fields = frame.as_object().expect("it has fields");
        for (name, field) in fields {
            assert!(field.get("description").is_some(), "{name}: {field}");
        }
    }
}
