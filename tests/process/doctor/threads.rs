//! Failures in replicas that are threads of this process: those of the application.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use taraflow::dataflows::tara;
use taraflow::hosts::embedded::{Client, Cluster, EmbeddedSettings};
use taraflow::model::app::StateMachine;
use taraflow::model::config::Config;
use taraflow::model::types::ReplicaId;
use taraflow::web::admin::{Admin, AdminConfig};

use super::diagnosis::Doctor;
use super::machines::{Counter, Gate, Opened, Raised};
use crate::support::http::get;
use crate::support::{PATIENCE, wait_until};

/// Three replicas, of which number `i` runs the `i`-th application that is made.
fn start(
    settings: EmbeddedSettings,
    application: impl Fn(usize) -> Box<dyn StateMachine> + Send + Sync + 'static,
) -> Cluster {
    let made = AtomicUsize::new(0);
    let application = move |_: &Config| application(made.fetch_add(1, Ordering::Relaxed));
    Cluster::start_any(settings, tara::PROTOCOL, Arc::new(application)).unwrap()
}

/// A port on which the cluster is shown, as replica `me` sees it.
fn show(cluster: &Cluster, settings: &EmbeddedSettings, me: u16) -> SocketAddr {
    let admin = Admin::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = admin.address();
    let replicas = (0..cluster.replicas() as u16).map(ReplicaId);
    let config = AdminConfig {
        config: Config { me: ReplicaId(me), ..settings.config.clone() },
        boards: replicas.map(|replica| cluster.shown(replica).clone()).collect(),
        cluster: cluster.id(),
        protocol: cluster.protocol().to_owned(),
        token: None,
        data: None,
        settings: Vec::new(),
        graph_of: taraflow::dataflows::graph,
        orders: None,
    };
    admin.start(config).unwrap();
    address
}

fn call(client: &mut Client) {
    client.call(b"count").unwrap();
}

#[test]
fn an_operator_that_does_not_come_back_is_named_with_its_replica() {
    let settings = EmbeddedSettings { deadline: PATIENCE, ..EmbeddedSettings::new(3) };
    let gates = [Gate::default(), Gate::default(), Gate::default()];
    let own = gates.clone();
    let cluster = start(settings.clone(), move |index| Box::new(Counter::behind(&own[index])) as _);
    let (address, stuck_one) = (show(&cluster, &settings, 0), show(&cluster, &settings, 1));
    let doctor = Doctor::at(address);
    let _opened = Opened(&gates);
    let mut client = cluster.client();
    call(&mut client);
    doctor.until_well();

    gates[1].close(true);
    call(&mut client);
    let said =
        doctor.until(5, &["replica 1 is stuck: its operator `executor` has been running for "]);
    assert!(said.contains("it runs the application, whose code blocks or loops"), "{said}");
    assert!(!said.contains("does not take part"), "{said}");
    let finding = &doctor.findings()[0];
    assert_eq!((&finding["code"], &finding["replica"]), (&"stuck".into(), &1.into()));
    let ready = get(stuck_one, "/readyz");
    assert!(ready.contains("503") && ready.contains("its operator `executor` has been"), "{ready}");
    let status = get(stuck_one, "/v1/status");
    let status: Value = serde_json::from_str(status.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(status["stuck"]["operator"], "executor");

    // A command on which all of them hang is the likelier case.
    gates[0].close(true);
    gates[2].close(true);
    client.submit(b"count").unwrap();
    client.receive(Duration::from_millis(1), |_, _| panic!("it is not executed"));
    let said = doctor
        .until(4, &["nothing is executed: replicas 0, 1 and 2 are stuck", "replica 2 is stuck"]);
    assert!(said.contains("replica 1: its operator `executor` has been running for "), "{said}");

    gates.iter().for_each(|gate| gate.close(false));
    doctor.until_well();
    wait_until("the command is answered", || {
        let mut answered = false;
        client.receive(Duration::from_secs(1), |_, _| answered = true);
        answered
    });
}

#[test]
fn a_state_machine_that_is_not_deterministic_is_named_with_its_replica() {
    let mut settings = EmbeddedSettings { deadline: PATIENCE, ..EmbeddedSettings::new(3) };
    settings.config.checkpoint_every = 16;
    let own_way = |index: usize| {
        let step = if index == 2 { 3 } else { 1 };
        Box::new(Counter { step, ..Counter::behind(&Gate::default()) }) as _
    };
    let cluster = start(settings.clone(), own_way);
    let doctor = Doctor::at(show(&cluster, &settings, 0));
    let mut client = cluster.client();
    doctor.until_well();

    (0..20).for_each(|_| call(&mut client));

    let said = doctor.until(7, &["FATAL: replica 2 holds another state before slot 16 than most"]);
    assert!(said.contains("the application is not deterministic"), "{said}");
    let finding = &doctor.findings()[0];
    assert_eq!((&finding["code"], &finding["replica"]), (&"diverged".into(), &2.into()));
}

#[test]
fn a_replica_whose_application_is_slow_is_behind_because_of_that_operator() {
    let mut settings = EmbeddedSettings { deadline: PATIENCE, ..EmbeddedSettings::new(3) };
    settings.config.checkpoint_every = 16;
    let slow = |index: usize| {
        let takes = Duration::from_millis(30 * u64::from(index == 2));
        Box::new(Counter { takes, ..Counter::behind(&Gate::default()) }) as _
    };
    let cluster = start(settings.clone(), slow);
    let doctor = Doctor::at(show(&cluster, &settings, 0));
    // The first client is replica 0's.
    let mut client = cluster.client();
    let over = AtomicBool::new(false);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                call(&mut client);
            }
        });
        let _over = Raised(&over);
        let words = ["replica 2 is ", " slots behind, at ", "its operator `executor` is busy "];
        doctor.until(5, &words);
    });
}
