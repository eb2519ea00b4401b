//! Mutants of sessions, application, checkpoints and catching up.

use taraflow::dataflows::tara::invariants::subject;
use taraflow::dataflows::tara::{Message, dataflow};
use taraflow::kv::service::KeyValue;
use taraflow::model::app::{At, Damaged, StateMachine};
use taraflow::model::batch::{Answer, Packer, Replies, Reply, Request, Requests};
use taraflow::model::config::Config;
use taraflow::model::types::{ClientId, Millis, Slot};

use super::rewriting::{counting_twice, redrawn, rewrite, saying};
use crate::spoken::Subject;

/// Packs the requests again, each changed.
fn repacked(requests: &Requests, mut change: impl FnMut(&mut Request<'_>)) -> Requests {
    let mut packer = Packer::default();
    for mut request in requests.iter() {
        change(&mut request);
        packer.push(request);
    }
    packer.finish()
}

/// G3: a request is known again only at the replica it was first sent to. Needs a client window `n`
/// times as wide.
pub fn a_request_sent_to_two_replicas_takes_effect_twice() -> Subject {
    redrawn(|mut inputs, config| {
        let (n, me) = (config.n as u64, u64::from(config.me.0));
        inputs.requests = rewrite(inputs.requests, move |(requests, now): (Requests, Millis)| {
            let renumbered = repacked(&requests, |request| {
                if request.number > 0 {
                    request.number = request.number * n + me;
                    request.acknowledged = request.acknowledged * n + n - 1;
                }
            });
            vec![(renumbered, now)]
        });
        let mut outputs = dataflow(inputs, config);
        outputs.replies = rewrite(outputs.replies, move |replies: Replies| {
            let mut renumbered = Replies::default();
            for reply in replies.iter() {
                renumbered.push(Reply { number: reply.number / n, ..reply });
            }
            vec![renumbered]
        });
        outputs
    })
}

/// G3: an older request of a client that has executed a newer one is dropped.
pub fn only_the_highest_number_of_a_client_is_kept() -> Subject {
    redrawn(|mut inputs, config| {
        inputs.requests = rewrite(inputs.requests, |(requests, now): (Requests, Millis)| {
            let acknowledging = repacked(&requests, |request| {
                request.acknowledged = request.number.saturating_sub(1);
            });
            vec![(acknowledging, now)]
        });
        dataflow(inputs, config)
    })
}

/// G4: a batch is lost on its way to the source, and those after it are numbered as if it had not
/// been.
pub fn a_batch_is_missing_among_those_of_its_source() -> Subject {
    asking(|| {
        let mut count = 0_u64;
        move |batch| {
            count += 1;
            if count.is_multiple_of(8) { Vec::new() } else { vec![batch] }
        }
    })
}

/// G4: now and then a batch overtakes the one before it.
pub fn a_batch_overtakes_the_one_before_it() -> Subject {
    asking(|| {
        let (mut count, mut held) = (0_u64, None);
        move |batch| {
            count += 1;
            if count.is_multiple_of(4) && held.is_none() {
                held = Some(batch);
                return Vec::new();
            }
            [Some(batch), held.take()].into_iter().flatten().collect()
        }
    })
}

/// G4: now and then the requests of a batch take effect in the reverse order.
pub fn the_requests_of_a_batch_are_packed_in_reverse() -> Subject {
    asking(|| {
        let mut count = 0_u64;
        move |(requests, now): (Requests, Millis)| {
            count += 1;
            if !count.is_multiple_of(4) {
                return vec![(requests, now)];
            }
            let mut packer = Packer::default();
            let all: Vec<Request<'_>> = requests.iter().collect();
            all.into_iter().rev().for_each(|request| packer.push(request));
            vec![(packer.finish(), now)]
        }
    })
}

/// G4: now and then a batch is submitted twice.
pub fn a_batch_is_submitted_twice() -> Subject {
    asking(|| {
        let mut count = 0_u64;
        move |batch| {
            count += 1;
            if count.is_multiple_of(8) { vec![batch.clone(), batch] } else { vec![batch] }
        }
    })
}

/// Has the clients of each replica ask what the result of `edge` makes of each batch.
fn asking<F>(edge: fn() -> F) -> Subject
where
    F: FnMut((Requests, Millis)) -> Vec<(Requests, Millis)> + 'static,
{
    redrawn(move |mut inputs, config| {
        inputs.requests = rewrite(inputs.requests, edge());
        dataflow(inputs, config)
    })
}

/// Has the clients of each replica answered what the result of `edge` makes of each answer.
fn answering<F>(edge: fn() -> F) -> Subject
where
    F: FnMut(Reply<'_>) -> Option<Answer<'static>> + 'static,
{
    redrawn(move |inputs, config| {
        let mut edge = edge();
        let mut outputs = dataflow(inputs, config);
        outputs.replies = rewrite(outputs.replies, move |replies: Replies| {
            let mut changed = Replies::default();
            for reply in replies.iter() {
                let answer = edge(reply).unwrap_or(reply.answer);
                changed.push(Reply { answer, ..reply });
            }
            vec![changed]
        });
        outputs
    })
}

/// G3: a session has the name of one that was opened before.
pub fn a_session_has_the_name_of_another() -> Subject {
    answering(|| {
        |reply| match reply.answer {
            Answer::Opened(ClientId(name)) if name >= 4 => Some(Answer::Opened(ClientId(name - 4))),
            _ => None,
        }
    })
}

/// G3: a session is closed that has not been silent longest.
pub fn a_session_in_use_is_closed() -> Subject {
    answering(|| {
        let mut count = 0_u64;
        move |reply| match reply.answer {
            Answer::Done(_) if reply.client.line().is_none() => {
                count += 1;
                count.is_multiple_of(32).then_some(Answer::NoSession)
            }
            _ => None,
        }
    })
}

/// G7: a snapshot leaves out a key.
pub fn a_snapshot_leaves_out_a_key() -> Subject {
    struct Forgetful(KeyValue);

    impl StateMachine for Forgetful {
        fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>) {
            self.0.apply(at, command, reply);
        }

        fn snapshot(&self) -> Vec<u8> {
            let mut copy = self.0.clone();
            let at = At { slot: Slot(0), time_ms: 0 };
            copy.apply(at, b"*2\r\n$3\r\nDEL\r\n$5\r\nkey:0\r\n", &mut Vec::new());
            copy.snapshot()
        }

        fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
            self.0.restore(snapshot)
        }
    }
    Subject { application: || Box::new(Forgetful(KeyValue::default())), ..subject() }
}

/// G7: what a command does depends on how many the machine has run since it was started.
pub fn a_command_does_what_it_did_not_do_elsewhere() -> Subject {
    #[derive(Default)]
    struct Moody {
        service: KeyValue,
        applied: u64,
    }

    impl StateMachine for Moody {
        fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>) {
            self.applied += 1;
            self.service.apply(at, command, reply);
            if self.applied.is_multiple_of(16) {
                self.service.apply(at, command, &mut Vec::new());
            }
        }

        fn snapshot(&self) -> Vec<u8> {
            self.service.snapshot()
        }

        fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
            self.service.restore(snapshot)
        }
    }
    Subject { application: || Box::new(Moody::default()), ..subject() }
}

/// G7: how large the state is said to be depends on how many commands the machine has run since it
/// was started, and so does where the next checkpoint is cut.
pub fn a_state_is_said_to_be_larger_than_its_copies() -> Subject {
    #[derive(Default)]
    struct Swollen {
        service: KeyValue,
        applied: u64,
    }

    impl StateMachine for Swollen {
        fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>) {
            self.applied += 1;
            self.service.apply(at, command, reply);
        }

        fn snapshot(&self) -> Vec<u8> {
            self.service.snapshot()
        }

        fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
            self.service.restore(snapshot)
        }

        fn bytes(&self) -> u64 {
            1_000 * self.applied
        }
    }
    Subject { application: || Box::new(Swollen::default()), ..subject() }
}

/// T5: the leader may be two windows ahead of the stable checkpoint.
pub fn the_window_is_twice_as_wide() -> Subject {
    redrawn(|inputs, config| {
        let wider = Config { window: config.window * 2, ..config.clone() };
        dataflow(inputs, &wider)
    })
}

/// T5: what the leader has proposed above the stable checkpoint may weigh twice as much.
pub fn the_window_takes_twice_the_bytes() -> Subject {
    redrawn(|inputs, config| {
        let wider = Config { window_bytes: config.window_bytes * 2, ..config.clone() };
        dataflow(inputs, &wider)
    })
}

/// TA-11: a checkpoint is stable at half the reports.
pub fn half_the_reports_make_a_checkpoint_stable() -> Subject {
    counting_twice(|message| matches!(message, Message::Report(_)))
}

/// TA-11: nobody helps a replica that has fallen behind.
pub fn a_replica_behind_is_not_helped() -> Subject {
    saying(|_config| {
        |message| match message {
            Message::CatchUp(_) => Vec::new(),
            _ => vec![message],
        }
    })
}
