//! Mutants: the protocols and the common parts with one rule switched off at a time. The simulator
//! must notice each within its budget of seeds, and must find nothing on the same seeds when all
//! rules are on. Those of the common parts break them in Tara.
//!
//! The rate of a mutant is how many of a hundred seeds notice it. A budget is five times the mean
//! number of seeds that takes (1 / rate), and ten at least: a change of the protocol draws every
//! run anew, and then misses a mutant by chance once in a hundred and fifty times. Those that few
//! seeds of the swarm notice have a world of their own in which their rule is needed more often.
//!
//! Not here, because no stream leads past them, and noticed all the same when the line that holds
//! the rule is changed:
//! - A batch is applied before an earlier one of its source, or a life not from its first: G4, in
//!   `scenarios` (`a_hole_is_filled...`, `a_life_is_applied...`), and in three seeds of a hundred.
//! - The session used last is closed instead of the one silent longest: G3, in one seed of ten.
//! - A checkpoint that was fetched is released one slot too high, or its digest is not compared:
//!   `scenarios/checkpoints.rs`.
//! - Requests of a replica that has fallen silent raise suspicion: `scenarios/patience.rs`.
//!
//! Not here, because another rule stands behind them, and nothing that a client could see depends
//! on them (in Tara, where nothing else is said):
//! - A committer that restarts could pass over the views of what it has accepted: it has entered
//!   each of them before, on its disk.
//! - It could accept below what it has executed: whatever is proposed there in a later view is what
//!   was decided (T2). It would cost room in its journal.
//! - A leader could go on when it has heard of a higher view: who has left its view refuses it, and
//!   who has not may still decide with it.
//! - It could take for proposed what it has proposed in an earlier view it led: its own committer
//!   has accepted that, and accounts for it when it leads again. Only what a noop has displaced
//!   waits for the leader after it.
//! - Accounts, wishes for a view, reports and what is fetched could leave before the disk has what
//!   the turn has left: an account waits for its view to be on the disk, and what it is of was
//!   written before that; a wish promises nothing, a report is of a checkpoint that has been saved,
//!   and what is fetched is decided. Whether what may leave early leaves before what may not is all
//!   the same: links reorder.
//! - The observer could announce a view again, or a lower one: the committer refuses it, and G9
//!   watches the committer.
//! - Reports that differ could count for each other: without a broken machine none do, and with one
//!   it is said (`Event::Diverged`). Unit tests of the checkpointer hold the rule.
//! - A report, a proposal, a vote or an account could be said once, however often it is lost, and a
//!   source could wait for its patience when the view changes. The report of the next checkpoint
//!   stands in for the one before, a slot or a view that does not come on has the leader replaced,
//!   and the patience of a source is short. They are said again for the sake of speed; `scenarios`
//!   has the case where nobody hears a report for two seconds.
//!
//! In Multi-Paxos a commit index of a lower ballot could count for what was accepted in a higher one:
//! what was chosen is what every later ballot proposes (T2). And a leader could go on in a ballot that
//! is over, for nobody accepts what it proposes; that it does not is in `scenarios/elections.rs`.
//!
//! `cargo test --release --test protocol mutants -- --nocapture` prints which seed notices which
//! mutant by what; `-- --ignored --nocapture measured_rates` measures the rates. Both look at those
//! mutants only whose names, or whose protocols', hold a word of the variable `MUTANTS`, if there is
//! one.

mod disks;
mod history;
mod keeping;
mod multipaxos;
mod parts;
mod paxos;
mod reads;
mod rewriting;
mod service;
mod view_changes;
mod voting;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use taraflow::dataflows;
use taraflow::hosts::simulation::{Act, Sizes, World, WorldSettings};
use taraflow::model::quorum::Tolerance;

use crate::spoken::{Spoken, Subject, whole};

/// A protocol with all its rules or with one less, whatever its messages are.
trait Simulated {
    /// By what the world of a seed notices that a rule is broken.
    fn broken_in(&self, seed: u64, settings: WorldSettings) -> Option<String>;
}

impl<M: Spoken> Simulated for Subject<M> {
    fn broken_in(&self, seed: u64, settings: WorldSettings) -> Option<String> {
        World::run(self, seed, settings, false).violation
    }
}

/// A rule switched off.
struct Mutant {
    name: &'static str,
    subject: fn() -> Box<dyn Simulated>,
    world: Scene,
    /// Seeds of a hundred that notice.
    rate: u64,
}

/// A protocol, and the mutants of it.
struct Mutated {
    protocol: &'static str,
    whole: fn() -> Box<dyn Simulated>,
    mutants: &'static [Mutant],
}

impl Mutant {
    fn budget(&self) -> u64 {
        (500 / self.rate.max(1)).max(10)
    }

    /// By what `seed` notices it.
    fn noticed_by(&self, seed: u64) -> Option<String> {
        (self.subject)().broken_in(seed, self.world.settings(seed))
    }
}

/// What kind of world a mutant is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// The world of the seed as it is.
    Swarm,
    /// There is room for the numbers of a client as each replica sees them.
    WideWindow,
    /// Partitions, crashes and impatience: one view change follows the other.
    Restless,
    /// Replicas are cut off one after the other, with work half done, and come back as they were.
    Deposing,
    /// Two messages of five are lost, and the window is as small as it may be.
    Lossy,
    /// As lossy, and few batches weigh as much as may be ahead of the stable checkpoint.
    Heavy,
    /// Replicas die in the middle of what they ask of their disks.
    FailingDisks,
    /// Every message takes longer than the patience a first leader is given.
    Slow,
    /// Replicas crash again and again, as early as when they start, and their disks are slow.
    Storm,
    /// Much is read beside the log, of few keys, while links are cut.
    Reading,
    /// All replicas crash at a time, and files of some are harmed before they come back.
    Harmed,
}

impl Scene {
    const ALL: [Self; 11] = [
        Self::Swarm,
        Self::WideWindow,
        Self::Restless,
        Self::Deposing,
        Self::Lossy,
        Self::Heavy,
        Self::FailingDisks,
        Self::Slow,
        Self::Storm,
        Self::Reading,
        Self::Harmed,
    ];
}

impl Scene {
    fn settings(self, seed: u64) -> WorldSettings {
        let mut settings = WorldSettings::swarm(seed, Tolerance::Crash);
        let config = &mut settings.config;
        if matches!(self, Self::Lossy | Self::FailingDisks) {
            (config.checkpoint_every, config.window) = (4, 8);
        }
        match self {
            Self::Swarm => {}
            Self::WideWindow => config.client_window = 256,
            Self::Restless => {
                config.suspect_after_ms = 120;
                settings.nemesis_every_us = 100_000;
                let acts = [Act::Isolate, Act::Mute, Act::Deafen, Act::CutSome, Act::Crash];
                settings.acts = acts.map(|act| (act, 1)).to_vec();
            }
            Self::Deposing => {
                config.suspect_after_ms = 120;
                (config.batches_in_flight, config.batch_requests_max) = (6, 1);
                (settings.operations, settings.pipeline) = (1_000, 8);
                settings.calm_us *= 3;
                (settings.trip, settings.stillborn) = (0, 0);
                settings.nemesis_every_us = 400_000;
                settings.acts = vec![(Act::Isolate, 1)];
            }
            Self::Lossy => settings.network.loss = 400_000,
            Self::Heavy => {
                settings.sizes = Sizes::default();
                settings.network.loss = 400_000;
                (config.checkpoint_every, config.window) = (100, 400);
                (config.checkpoint_bytes, config.batch_bytes_max) = (300, 300);
                config.command_bytes_max = 300;
                config.window_bytes = 1_200;
            }
            Self::FailingDisks => {
                settings.nemesis_every_us = 100_000;
                settings.acts = vec![(Act::DieInside, 4), (Act::CrashAll, 1)];
            }
            Self::Slow => {
                config.suspect_after_ms = 40;
                (settings.network.delay_us, settings.network.jitter_us) = (25_000, 10_000);
            }
            Self::Storm => {
                settings.stillborn = 500_000;
                settings.disks.sync_us = 40_000;
                settings.nemesis_every_us = 150_000;
                settings.acts = vec![(Act::CrashAll, 1), (Act::Crash, 2)];
            }
            Self::Reading => {
                (settings.reads, settings.keys) = (600, 2);
                settings.nemesis_every_us = 200_000;
                let acts = [Act::Isolate, Act::Mute, Act::Deafen, Act::CutSome, Act::Pause];
                settings.acts = acts.map(|act| (act, 1)).to_vec();
            }
            Self::Harmed => {
                settings.nemesis_every_us = 200_000;
                settings.acts = vec![(Act::Harm, 4), (Act::CrashAll, 1), (Act::Crash, 1)];
            }
        }
        settings
    }
}

/// `file::rule => rate`, in the world of the seed or in the scene after `in`.
macro_rules! mutants {
    ($($file:ident::$rule:ident => $rate:literal $(in $world:ident)?,)*) => {
        &[$(Mutant {
            name: stringify!($rule),
            subject: || Box::new($file::$rule()),
            world: mutants!(@world $($world)?),
            rate: $rate,
        }),*]
    };
    (@world) => { Scene::Swarm };
    (@world $world:ident) => { Scene::$world };
}

static TARA: &[Mutant] = mutants![
    voting::half_a_quorum_decides => 100,
    voting::a_repeated_vote_counts_again => 98,
    voting::votes_of_different_views_add_up => 40,
    voting::a_vote_to_oneself_does_not_wait_for_the_disk => 100,
    voting::a_committer_accepts_proposals_of_old_views => 10 in Deposing,
    voting::a_committer_votes_in_a_view_it_has_not_entered => 60,
    view_changes::one_controller_is_enough_for_a_view => 100,
    view_changes::a_leader_is_never_suspected => 86,
    view_changes::a_record_of_an_older_view_is_counted => 32 in Restless,
    view_changes::half_the_records_are_enough => 96 in Restless,
    view_changes::a_record_leaves_out_the_last_slot => 94,
    view_changes::a_leader_overlooks_the_last_slot_of_a_record => 62,
    view_changes::the_lowest_view_wins => 12 in Restless,
    view_changes::what_is_executed_is_proposed_again => 92,
    view_changes::nothing_accepted_is_proposed_again => 80,
    view_changes::a_wish_for_a_view_is_said_once => 14 in Lossy,
    view_changes::patience_never_doubles => 34 in Slow,
    disks::a_start_is_not_durable => 90 in Storm,
    disks::names_of_files_are_not_durable => 96 in Storm,
    disks::nothing_says_how_far_a_journal_reached => 34 in Harmed,
    history::a_mark_is_one_slot_too_high => 50,
    history::what_was_fetched_is_not_written => 50,
    history::a_renewal_is_not_written => 50,
    history::a_start_executes_what_was_only_accepted => 50,
    history::a_renewal_names_an_earlier_view => 50,
    history::a_renewal_is_met_with_the_value_of_another_view => 4 in Restless,
    history::a_renewal_is_voted_for_without_its_value => 50,
    history::what_is_lacked_is_never_asked_for => 50,
    history::what_is_needed_is_never_given => 50,
    history::a_damaged_disk_is_begun_anew => 50 in Harmed,
    keeping::a_replica_speaks_before_it_writes => 74,
    keeping::a_vote_does_not_wait_for_the_disk => 58,
    keeping::a_view_is_not_written => 60,
    keeping::an_acceptance_is_not_written => 94,
    keeping::a_checkpoint_is_not_written => 74,
    keeping::the_journal_forgets_one_slot_too_many => 72,
    keeping::the_journal_forgets_before_the_checkpoint_is_stable => 96 in FailingDisks,
    keeping::a_committer_without_memory_votes_again => 90,
    keeping::a_committer_forgets_its_view => 100 in Restless,
    keeping::a_committer_forgets_its_last_vote => 84,
    keeping::a_restarted_replica_takes_itself_for_new => 86,
    parts::a_change_of_a_part_is_not_noted => 62,
    parts::a_part_is_saved_too_late => 88,
    parts::a_part_stays_as_it_was => 72,
    parts::a_part_that_is_gone_stays => 32,
    parts::a_cut_leaves_out_a_part => 64,
    parts::what_a_cut_that_was_passed_over_has_changed_is_not_saved => 38,
    parts::the_root_is_that_of_other_parts => 70,
    parts::a_part_that_was_fetched_is_not_kept => 74,
    parts::what_is_not_fetched_is_taken_from_nowhere => 44,
    parts::only_the_first_group_that_differs_is_told => 20,
    parts::a_pack_is_removed_while_it_is_named => 26,
    parts::a_manifest_is_named_before_its_parts_are_durable => 66,
    reads::half_the_indices_are_enough => 18 in Reading,
    reads::what_a_quorum_has_accepted_is_not_waited_for => 78 in Reading,
    reads::what_is_accepted_and_not_executed_is_left_out => 18 in Reading,
    reads::answers_to_an_earlier_question_count => 64 in Reading,
    service::a_request_sent_to_two_replicas_takes_effect_twice => 100 in WideWindow,
    service::a_batch_is_missing_among_those_of_its_source => 72,
    service::a_batch_overtakes_the_one_before_it => 72,
    service::the_requests_of_a_batch_are_packed_in_reverse => 36,
    service::a_batch_is_submitted_twice => 72,
    service::a_session_has_the_name_of_another => 40,
    service::a_session_in_use_is_closed => 94,
    service::only_the_highest_number_of_a_client_is_kept => 60,
    service::a_snapshot_leaves_out_a_key => 58,
    service::a_command_does_what_it_did_not_do_elsewhere => 98,
    service::a_state_is_said_to_be_larger_than_its_copies => 50,
    service::the_window_is_twice_as_wide => 92 in Lossy,
    service::the_window_takes_twice_the_bytes => 86 in Heavy,
    service::half_the_reports_make_a_checkpoint_stable => 100 in Lossy,
    service::a_replica_behind_is_not_helped => 70,
];

static PAXOS: &[Mutant] = mutants![
    paxos::a_promise_is_not_written => 92,
    paxos::an_acceptance_is_not_written => 92,
    paxos::what_was_fetched_is_not_written => 52,
    paxos::a_mark_is_one_slot_too_high => 78,
    paxos::an_acceptor_without_memory_goes_on => 88,
    paxos::an_acceptor_forgets_its_last_word => 70,
    paxos::a_ballot_names_no_life => 94,
    paxos::a_promise_does_not_wait_for_the_disk => 52,
    paxos::a_vote_does_not_wait_for_the_disk => 70,
    paxos::a_vote_to_oneself_does_not_wait_for_the_disk => 98,
    paxos::a_replica_speaks_before_it_writes => 82,
    paxos::what_is_outbid_is_accepted => 96,
    paxos::an_acceptance_is_no_promise => 92,
    paxos::a_promise_hides_what_was_accepted => 100,
    paxos::a_proposer_takes_its_own_value => 96,
    paxos::a_proposer_takes_the_value_of_the_lowest_ballot => 4,
    paxos::half_the_promises_are_enough => 100,
    paxos::a_repeated_promise_counts_again => 94,
    paxos::half_a_quorum_decides => 100,
    paxos::a_repeated_vote_counts_again => 74,
    paxos::votes_of_different_ballots_add_up => 74,
    paxos::nobody_is_told_that_it_is_outbid => 48,
];

static MULTIPAXOS: &[Mutant] = mutants![
    multipaxos::half_a_quorum_decides => 100,
    multipaxos::a_repeated_vote_counts_again => 94,
    multipaxos::a_vote_to_oneself_does_not_wait_for_the_disk => 52,
    multipaxos::a_vote_does_not_wait_for_the_disk => 54,
    multipaxos::a_promise_is_for_some_slots_and_not_for_the_log => 24 in Restless,
    multipaxos::an_acceptor_accepts_in_old_ballots => 8 in Deposing,
    multipaxos::an_index_decides_what_was_accepted_in_another_ballot => 72 in Deposing,
    multipaxos::an_index_is_one_slot_too_high => 100,
    multipaxos::an_index_begins_before_its_ballot => 90,
    multipaxos::nobody_is_told_what_is_chosen => 100,
    multipaxos::a_replica_speaks_before_it_writes => 72,
    multipaxos::a_promise_is_not_written => 50,
    multipaxos::an_acceptance_is_not_written => 94,
    multipaxos::a_renewal_is_not_written => 42,
    multipaxos::what_was_fetched_is_not_written => 38,
    multipaxos::a_mark_is_one_slot_too_high => 54,
    multipaxos::an_acceptor_without_memory_goes_on => 80,
    multipaxos::an_acceptor_forgets_its_promise => 32,
    multipaxos::an_acceptor_forgets_its_last_vote => 76,
    multipaxos::a_restarted_replica_takes_itself_for_new => 82,
    multipaxos::half_the_promises_are_enough => 80,
    multipaxos::a_promise_of_an_earlier_ballot_is_counted => 40,
    multipaxos::a_promise_leaves_out_the_last_slot => 88,
    multipaxos::a_leader_overlooks_the_last_slot_of_a_promise => 80,
    multipaxos::the_lowest_ballot_wins => 4 in Deposing,
    multipaxos::what_is_executed_is_proposed_again => 90,
    multipaxos::nothing_accepted_is_proposed_again => 84,
    multipaxos::a_leader_is_never_missed => 76,
    multipaxos::a_candidate_asks_nobody => 96,
];

static ALL: [Mutated; 3] = [
    Mutated {
        protocol: dataflows::tara::PROTOCOL.name,
        whole: || Box::new(whole::<dataflows::tara::Message>()),
        mutants: TARA,
    },
    Mutated {
        protocol: dataflows::paxos::PROTOCOL.name,
        whole: || Box::new(whole::<dataflows::paxos::Message>()),
        mutants: PAXOS,
    },
    Mutated {
        protocol: dataflows::multipaxos::PROTOCOL.name,
        whole: || Box::new(whole::<dataflows::multipaxos::Message>()),
        mutants: MULTIPAXOS,
    },
];

/// The mutants that are asked for: all, unless the environment names some.
#[allow(clippy::disallowed_methods, reason = "the person who runs the test chooses")]
fn chosen() -> Vec<&'static Mutant> {
    let words = std::env::var("MUTANTS").unwrap_or_default();
    let holds = |name: &str| words.split_whitespace().any(|word| name.contains(word));
    let of = |own: &'static Mutated| own.mutants.iter().map(|mutant| (own.protocol, mutant));
    let all = ALL.iter().flat_map(of);
    let is_named = |(protocol, mutant): &(&str, &Mutant)| {
        words.is_empty() || holds(mutant.name) || holds(protocol)
    };
    all.filter(is_named).map(|(_, mutant)| mutant).collect()
}

/// Does something with every chosen mutant, on as many threads as the machine has.
fn with_all<T: Send>(work: impl Fn(&Mutant) -> T + Sync) -> Vec<T> {
    let chosen = chosen();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(mutant) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(mutant);
                    done.lock().expect("no worker panics").push(result);
                }
            });
        }
    });
    done.into_inner().expect("no worker panics")
}

#[test]
fn every_mutant_is_noticed_within_its_budget() {
    let survivors = with_all(|mutant| {
        let noticed = (0..mutant.budget()).find_map(|seed| Some((seed, mutant.noticed_by(seed)?)));
        let Some((seed, by)) = noticed else { return Some(mutant.name) };
        let by: String = by.chars().take(60).collect();
        println!("{:<56} {seed:>3} of {:>3}  {by}", mutant.name, mutant.budget());
        None
    });

    let survivors: Vec<&str> = survivors.into_iter().flatten().collect();
    assert!(survivors.is_empty(), "not noticed within their budgets: {survivors:?}");
}

#[test]
fn every_protocol_has_mutants() {
    let broken: Vec<_> = ALL.iter().map(|own| own.protocol).collect();
    assert_eq!(broken, dataflows::names());
}

#[test]
fn nothing_is_noticed_on_the_same_seeds_when_no_rule_is_off() {
    for Mutated { protocol, whole, mutants } in &ALL {
        for world in Scene::ALL {
            let budgets = mutants.iter().filter(|mutant| mutant.world == world);
            for seed in 0..budgets.map(Mutant::budget).max().unwrap_or_default() {
                let broken = whole().broken_in(seed, world.settings(seed));
                assert_eq!(broken, None, "{protocol}, {world:?}, seed {seed}");
            }
        }
    }
}

#[test]
#[ignore = "measures; run it after a change of the protocol or of the simulator"]
fn measured_rates() {
    const SEEDS: u64 = 50;
    with_all(|mutant| {
        let mut by: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        for noticed in (1_000..1_000 + SEEDS).filter_map(|seed| mutant.noticed_by(seed)) {
            let rule = noticed.split(':').next().unwrap_or_default();
            let rule: String =
                rule.chars().filter(|c| !c.is_ascii_digit() || rule.len() < 3).take(24).collect();
            *by.entry(rule).or_default() += 1;
        }
        let rate = by.values().sum::<u64>() * 100 / SEEDS;
        println!("{:<56} {rate:>3} %  {by:?}", mutant.name);
    });
}
