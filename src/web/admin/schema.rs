//! What the answers look like, told by the types they are made of.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::Json;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::history::Minutes;
use super::page::Drawing;
use super::questions::{Health, Index, Refusal, Settings};
use super::stream::Silence;
use super::watching::{Blamed, Channels, Frontiers, Operators, Part, Replicas, Slots, Story};
use crate::observe::findings::Finding;
use crate::observe::frame::Frame;
use crate::observe::scene::Scene;
use crate::observe::status::ReplicaStatus;

type Kind = fn(&mut SchemaGenerator) -> Schema;

/// What is answered on each path that answers in JSON.
const ANSWERS: [(&str, Kind); 16] = [
    ("/v1", kind::<Index>),
    ("/v1/status", kind::<ReplicaStatus>),
    ("/v1/settings", kind::<Settings>),
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
    ("/v1/events", kind::<Story>),
    ("/livez", kind::<Health>),
    ("/readyz", kind::<Health>),
];

/// What comes in other ways: any refusal, and the events of a stream that are not frames.
const OTHERS: [Kind; 3] = [kind::<Refusal>, kind::<Silence<'_>>, kind::<Finding>];

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

/// Where the answer of a path is described, if it is JSON.
pub(super) fn place(path: &str) -> Option<&'static str> {
    schemas().places.get(path).map(String::as_str)
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
