//! Mutants of a state in parts: what is saved of it, what is fetched, and what is made of both.

use std::sync::{Arc, Mutex};

use taraflow::dataflows::tara::invariants::subject;
use taraflow::dataflows::tara::{Message, dataflow};
use taraflow::disk::{Disk, Durable, Fetched};
use taraflow::engine::operators::catch_up::CatchUp;
use taraflow::kv::service::KeyValue;
use taraflow::model::app::{At, Damaged, Frozen, StateMachine};
use taraflow::model::checkpoint::{Checkpoint, Cut};
use taraflow::model::parts::PartSet;

use super::disks::Lazy;
use super::rewriting::{hearing, redrawn, rewrite, writing};
use crate::spoken::Subject;

/// What a service does wrong with its parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slip {
    MissesAChange,
    FreezesLate,
    LeavesAPartAsItWas,
    KeepsWhatIsGone,
}

/// The key-value service with a slip.
struct Slipping {
    service: Arc<Mutex<KeyValue>>,
    slip: Slip,
    restored: usize,
}

impl Slipping {
    fn subject(application: fn() -> Box<dyn StateMachine>) -> Subject {
        Subject { application, ..subject() }
    }

    fn with_slip(slip: Slip) -> Box<dyn StateMachine> {
        Box::new(Self { service: Arc::default(), slip, restored: 0 })
    }

    fn with<T>(&self, work: impl FnOnce(&mut KeyValue) -> T) -> T {
        work(&mut self.service.lock().unwrap())
    }
}

impl StateMachine for Slipping {
    fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>) {
        self.with(|service| service.apply(at, command, reply));
    }

    fn snapshot(&self) -> Vec<u8> {
        self.with(|service| service.snapshot())
    }

    fn parts(&self) -> usize {
        self.with(|service| service.parts())
    }

    fn freeze(&self, parts: &PartSet) -> Arc<dyn Frozen> {
        if self.slip == Slip::FreezesLate {
            return Arc::new(Late(Arc::clone(&self.service)));
        }
        self.with(|service| service.freeze(parts))
    }

    fn take_changed(&mut self) -> PartSet {
        let mut changed = self.with(KeyValue::take_changed);
        if self.slip == Slip::MissesAChange
            && let Some(missed) = changed.next(1)
        {
            changed.remove(missed);
        }
        changed
    }

    fn restore_part(&mut self, part: usize, bytes: &[u8]) -> Result<(), Damaged> {
        self.restored += usize::from(!bytes.is_empty());
        match self.slip {
            Slip::LeavesAPartAsItWas if self.restored % 5 == 3 => Ok(()),
            Slip::KeepsWhatIsGone if bytes.is_empty() => Ok(()),
            _ => self.with(|service| service.restore_part(part, bytes)),
        }
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        self.with(|service| service.restore(snapshot))
    }
}

/// The parts as they are when they are written.
struct Late(Arc<Mutex<KeyValue>>);

impl Frozen for Late {
    fn parts(&self) -> usize {
        self.0.lock().unwrap().parts()
    }

    fn write(&self, part: usize, out: &mut Vec<u8>) {
        let service = self.0.lock().unwrap();
        let mut one = PartSet::none(service.parts());
        one.insert(part);
        service.freeze(&one).write(part, out);
    }
}

/// G7: a part that has changed is not saved.
pub fn a_change_of_a_part_is_not_noted() -> Subject {
    Slipping::subject(|| Slipping::with_slip(Slip::MissesAChange))
}

/// G7: a part is saved as it has become since.
pub fn a_part_is_saved_too_late() -> Subject {
    Slipping::subject(|| Slipping::with_slip(Slip::FreezesLate))
}

/// G7: a part is not restored.
pub fn a_part_stays_as_it_was() -> Subject {
    Slipping::subject(|| Slipping::with_slip(Slip::LeavesAPartAsItWas))
}

/// G7: what a checkpoint that is taken over does not have stays.
pub fn a_part_that_is_gone_stays() -> Subject {
    Slipping::subject(|| Slipping::with_slip(Slip::KeepsWhatIsGone))
}

/// G7: of what has changed a part is left out.
pub fn a_cut_leaves_out_a_part() -> Subject {
    writing(|entry| match entry {
        Durable::Checkpoint(mut cut) if cut.changed.len() < cut.state.parts() => {
            let last = cut.changed.iter().last();
            last.map(|last| cut.changed.remove(last));
            vec![Durable::Checkpoint(cut)]
        }
        _ => vec![entry],
    })
}

/// G7: of two cuts that wait only what the later has changed is saved.
pub fn what_a_cut_that_was_passed_over_has_changed_is_not_saved() -> Subject {
    redrawn(|inputs, config| {
        let mut outputs = dataflow(inputs, config);
        let mut cuts = 0_u64;
        outputs.durable = rewrite(outputs.durable, move |entry| match entry {
            Durable::Checkpoint(Cut { ref changed, ref state, .. })
                if changed.len() < state.parts() =>
            {
                cuts += 1;
                if cuts.is_multiple_of(3) { Vec::new() } else { vec![entry] }
            }
            _ => vec![entry],
        });
        outputs
    })
}

/// G7: a checkpoint is reported with the root of the parts before it.
pub fn the_root_is_that_of_other_parts() -> Subject {
    redrawn(|mut inputs, config| {
        let mut before = None;
        inputs.host.saved = rewrite(inputs.host.saved, move |saved: Checkpoint| {
            let digest = before.replace(saved.digest).unwrap_or(saved.digest);
            vec![Checkpoint { digest, ..saved }]
        });
        dataflow(inputs, config)
    })
}

/// of a checkpoint that is fetched a part is not kept.
pub fn a_part_that_was_fetched_is_not_kept() -> Subject {
    writing(|entry| match entry {
        Durable::Fetched(Fetched::Part { part, .. }) if part > 0 => Vec::new(),
        _ => vec![entry],
    })
}

/// a checkpoint that is fetched goes on from one that it does not share its parts with.
pub fn what_is_not_fetched_is_taken_from_nowhere() -> Subject {
    writing(|entry| match entry {
        Durable::Fetched(Fetched::Begin { slot, parts, base: Some(_) }) => {
            vec![Durable::Fetched(Fetched::Begin { slot, parts, base: None })]
        }
        _ => vec![entry],
    })
}

/// only one group of parts is ever told of.
pub fn only_the_first_group_that_differs_is_told() -> Subject {
    hearing(|_config| {
        |from, message| match message {
            Message::CatchUp(CatchUp::Groups { slot, mut groups }) => {
                groups.retain(|group| group.group == 0);
                vec![(from, Message::CatchUp(CatchUp::Groups { slot, groups }))]
            }
            _ => vec![(from, message)],
        }
    })
}

/// 0.4: a pack is removed while a manifest names it.
pub fn a_pack_is_removed_while_it_is_named() -> Subject {
    let disk = |inner, _| -> Box<dyn Disk> {
        Box::new(Lazy { keeps_packs: false, ..Lazy::not_at_all(inner) })
    };
    Subject { disk, ..subject() }
}

/// 0.4: a manifest has its name before the parts that it names are on the disk.
pub fn a_manifest_is_named_before_its_parts_are_durable() -> Subject {
    let disk =
        |inner, _| -> Box<dyn Disk> { Box::new(Lazy { packs: false, ..Lazy::not_at_all(inner) }) };
    Subject { disk, ..subject() }
}
