//! Mutants of sessions, application, checkpoints and catching up.

use taraflow::app::kv::KeyValue;
use taraflow::app::{At, Damaged, StateMachine};
use taraflow::batch::{Packer, Replies, Reply, Request, Requests};
use taraflow::config::Config;
use taraflow::dataflows::tara::invariants::subject;
use taraflow::dataflows::tara::{Message, dataflow};
use taraflow::types::{Millis, Slot};

use super::rewriting::{Subject, counting_twice, redrawn, rewrite, saying};

/// Packs the requests again, each changed.
fn repacked(requests: &Requests, mut change: impl FnMut(&mut Request<'_>)) -> Requests {
    let mut packer = Packer::default();
    for mut request in requests.iter() {
        change(&mut request);
        packer.push(request);
    }
    packer.finish()
}

/// G3: a request is known again only at the replica it was first sent to. Needs a client window `n` times
/// as wide.
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
