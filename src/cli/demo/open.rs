//! `taraflow demo --open`: a cluster to look at, that goes on until it is told to end.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::cli::outcome::Failure;
use crate::cli::told_to_end;
use crate::dataflows;
use crate::hosts::embedded::{Client, Cluster, EmbeddedSettings};
use crate::kv::resp::write_command;
use crate::model::error::Error;
use crate::model::types::ReplicaId;
use crate::web::admin::{Admin, AdminConfig, Order, OrderAction};

/// How long a pause is.
const PAUSE: Duration = Duration::from_secs(3);
/// Requests a second, about: enough to see, and little enough to leave the machine to others.
const PACE: u64 = 2_000;
/// Orders that may wait.
const ORDERS_MAX: usize = 16;

/// Has `embed` run a cluster with these settings, and runs a steady load and a page to watch it on, until
/// Ctrl-C.
pub(super) fn run(
    embed: impl FnOnce(EmbeddedSettings) -> Result<Cluster, Failure>,
    settings: EmbeddedSettings,
    port: u16,
) -> Result<(), Failure> {
    let ending = told_to_end()?;
    let admin = Admin::bind(([127, 0, 0, 1], port).into())?;
    let address = admin.address();
    let config = settings.config.clone();
    let mut cluster = embed(settings)?;
    let (sender, orders) = bounded(ORDERS_MAX);
    let replicas = (0..cluster.replicas() as u16).map(ReplicaId);
    admin.start(AdminConfig {
        config,
        boards: replicas.map(|replica| cluster.shown(replica).clone()).collect(),
        cluster: cluster.id(),
        protocol: cluster.protocol().to_owned(),
        token: None,
        data: None,
        settings: Vec::new(),
        graph_of: dataflows::graph,
        orders: Some(sender),
    })?;
    say!("watch it at http://{address}/ ; Ctrl-C ends it");
    if !browse(&format!("http://{address}/")) {
        say!("no browser can be opened from here: open that address in one");
    }
    let (client, stop) = (cluster.client(), Arc::clone(&ending));
    let load = std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || serve(client, &stop))
        .map_err(Error::System)?;
    let outcome = obey(&mut cluster, &orders, &ending);
    ending.store(true, Ordering::Relaxed);
    drop(cluster);
    // A load that has panicked has said so.
    let _ = load.join();
    outcome
}

/// Carries out what the page orders.
fn obey(
    cluster: &mut Cluster,
    orders: &Receiver<Order>,
    ending: &AtomicBool,
) -> Result<(), Failure> {
    while !ending.load(Ordering::Relaxed) {
        let Order { replica, action } = match orders.recv_timeout(Duration::from_millis(100)) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let done = match action {
            OrderAction::Kill => "killed".to_owned(),
            OrderAction::Pause => format!("paused for {} s", PAUSE.as_secs()),
            OrderAction::Restart => "started again".to_owned(),
        };
        match action {
            OrderAction::Kill => cluster.kill(replica),
            OrderAction::Pause => cluster.pause(replica, PAUSE),
            OrderAction::Restart => cluster.restart(replica)?,
        }
        say!("replica {replica}: {done}");
    }
    Ok(())
}

/// Counts, at a steady pace, whatever becomes of it.
fn serve(mut client: Client, ending: &AtomicBool) {
    let (started, mut sent) = (Instant::now(), 0_u64);
    let mut command = Vec::new();
    while !ending.load(Ordering::Relaxed) {
        let due = started.elapsed().as_millis() as u64 * PACE / 1_000;
        // What could not be sent in time is not made up for.
        sent = sent.max(due.saturating_sub(PACE));
        while sent < due && client.room() > 0 {
            command.clear();
            let key = format!("counter:{}", sent % 1_000);
            write_command([&b"INCR"[..], key.as_bytes()].into_iter(), &mut command);
            if client.submit(&command).is_err() {
                break;
            }
            sent += 1;
        }
        client.receive(Duration::from_millis(5), |_, _| {});
    }
}

/// Opens a page in a browser, and returns whether there is one.
fn browse(address: &str) -> bool {
    let display = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|display| !display.is_empty()));
    if !display {
        return false;
    }
    let mut command = Command::new("xdg-open");
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
