//! `taraflow trace`: the life of one request, on all replicas.

mod asking;
mod life;
mod picture;
mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::ask::{TargetArgs, seconds};
use super::output::listing::page_width;
use super::output::{OutputForm, print, print_json};
use crate::cli::outcome::Failure;
use crate::model::types::{ReplicaId, Slot};
use crate::observe::frame::SlotLife;

use asking::{Answers, ReplicaSlots};
use life::{SlotStep, steps};
use request::RequestQuery;

/// Arguments of `taraflow trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
REQUEST is one of
  slot:N      whatever is in slot N
  ID:NUMBER   request NUMBER of session ID; cID:NUMBER of the connection whose CLIENT ID is ID
  last        the latest request that was executed
A batch of requests shares a slot, and its life. A replica remembers its last 8,192 slots, and for the last \
4 MiB of them which requests they held; nothing from before it started. Of a replica that cannot be asked from \
here, only the few slots that it has shown the others are known; notes say what is missing. A narrow terminal \
shows shorter bars, then no column `took`, then no bars. Each time is by the clock of its replica. Exit codes: 0 found; 1 no replica remembers it; 2 usage; 3 nobody answers.")]
#[command(group(ArgGroup::new("targets").args(["dir", "addr"])))]
#[command(group(ArgGroup::new("what").required(true).args(["request", "slowest"])))]
pub(super) struct TraceArgs {
    /// Which request
    #[arg(value_name = "REQUEST")]
    request: Option<RequestQuery>,
    /// The slowest among the last 1,000 slots
    #[arg(long)]
    slowest: bool,
    #[command(flatten)]
    nodes: TargetArgs,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    timeout: Duration,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
}

/// What all replicas that answer saw of one slot.
#[derive(Debug, Serialize)]
struct Traced {
    /// The version of this format.
    version: u32,
    slot: Slot,
    /// How many replicas there are.
    n: usize,
    /// What happened, in the order in which it must.
    steps: Vec<SlotStep>,
    /// What each replica saw.
    lives: BTreeMap<ReplicaId, SlotLife>,
    /// What is not known, and why.
    notes: Vec<String>,
}

/// Asks the replicas, joins their answers and shows them.
///
/// # Errors
/// [`Failure::Forgotten`] if no replica remembers the request; [`Failure::Silent`] if nobody answers.
pub(super) fn run(args: &TraceArgs) -> Result<(), Failure> {
    let request = args.request.unwrap_or(RequestQuery::Slowest);
    let targets = args.nodes.targets()?;
    let found = Answers::of(&targets, request, args.timeout)?;
    let Some((slot, others)) = request.choose(&found) else {
        let what = request.to_string();
        let memory = match (request, found.executed()) {
            (RequestQuery::Slot(slot), executed) if slot >= executed => {
                match executed.0.checked_sub(1) {
                    Some(last) => {
                        format!(
                            "the last slot that the replicas which answer have executed is {last}"
                        )
                    }
                    None => "the replicas that answer have executed none yet".to_owned(),
                }
            }
            _ => found.memory(),
        };
        return Err(Failure::Forgotten { what, memory });
    };
    let mut answers = Answers::of(&targets, RequestQuery::Slot(slot), args.timeout)?;
    answers.remember(found);
    answers.keep(slot);
    let mut traced = Traced::new(slot, answers);
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(|slot| format!("slot:{slot}")).collect();
        traced.notes.push(format!("{request} is also in {}", others.join(", ")));
    }
    match args.output {
        OutputForm::Json => print_json(&traced),
        OutputForm::Text => print(&picture::text(&traced, page_width())),
    }
}

impl Traced {
    const VERSION: u32 = 1;

    fn new(slot: Slot, answers: Answers) -> Self {
        let missing: Vec<_> = answers.missing().collect();
        let Answers { n, replicas, silences } = answers;
        // Whoever was asked and is silent says why.
        let was_asked = |replica| silences.iter().any(|(silent, _)| *silent == Some(replica));
        let unasked = missing.into_iter().filter(|replica| !was_asked(*replica));
        let mut notes: Vec<String> = unasked
            .map(|replica| {
                format!("replica {replica} was not asked, and the replicas that were have no recent frame of it")
            })
            .collect();
        notes.extend(silences.into_iter().map(|(_, why)| why));
        let mut lives = BTreeMap::new();
        for ReplicaSlots { replica, oldest, slots, shown, .. } in replicas {
            match (slots.into_iter().next(), oldest) {
                (Some(life), _) => {
                    if shown {
                        notes.push(format!("replica {replica} could not be asked, so its times are those that it has shown others"));
                    }
                    if life.executed_at.is_none() {
                        notes.push(format!("replica {replica} has not executed it"));
                    }
                    lives.insert(replica, life);
                }
                (None, _) if shown => notes.push(format!(
                    "replica {replica} is missing: it could not be asked, and this slot is not among the few that \
                     it has shown others"
                )),
                (None, Some(oldest)) => notes.push(format!(
                    "replica {replica} does not remember it: its memory begins at slot {oldest}"
                )),
                (None, None) => notes.push(format!("replica {replica} remembers no slots")),
            }
        }
        let steps = steps(&lives);
        notes.extend(life::skew(&steps));
        Self { version: Self::VERSION, slot, n, steps, lives, notes }
    }
}
