//! Live view in a terminal: pages, keys, and a request to every replica twice a second.

mod draw;
mod keys;
mod memory;
mod player;
#[cfg(test)]
mod tests;
mod view;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGTERM};

use super::sources::{ReplicaPast, SceneSource, SourceArgs};
use crate::cli::outcome::Failure;
use crate::model::error::Error;
use crate::model::types::ReplicaId;
use crate::observe::scene::Scene;

use keys::KeyAction;
use memory::LastSeen;
use player::Player;
use view::View;

/// How often replicas are asked, and a run that is played goes on.
const BEAT: Duration = Duration::from_millis(500);
/// How long an answer is waited for: less than a beat. Who has not answered is not asked anew, so questions
/// cannot pile up.
const PATIENCE: Duration = Duration::from_millis(400);

/// What was answered last.
struct News {
    scene: Scene,
    pasts: Vec<ReplicaPast>,
}

/// What is shown comes from.
enum Feed {
    Live(Receiver<News>),
    Run(Player),
}

/// Shows the view of `place` until it is quit.
///
/// # Errors
/// [`Failure::Silent`] if nobody answers at first; what the terminal says.
pub(super) fn run(
    place: &SourceArgs,
    replica: Option<ReplicaId>,
    all: bool,
) -> Result<(), Failure> {
    let mut source = place.source()?;
    let mut view = View::new(replica.unwrap_or_default(), all);
    let feed = match source {
        SceneSource::Recording(recording, moment) => {
            let (first, _) = recording.span_us();
            let start = if place.begins() { first } else { moment };
            let mut player = Player::new(recording, start, place.begins());
            replay(&mut player, &mut view)?;
            Feed::Run(player)
        }
        SceneSource::Cluster(_) | SceneSource::Nodes(_) => {
            let mut memory = LastSeen::default();
            let scene = first(&mut source, place.patience())?;
            view.see(memory.update(Ok(scene), Instant::now()), &source.pasts(PATIENCE));
            Feed::Live(ask(source, memory)?)
        }
    };
    if let Some(number) = replica.filter(|replica| !view.replicas().contains(replica)) {
        let n = view.replicas().len();
        return Err(Failure::Usage(format!("there is no replica {number}: the cluster has {n}")));
    }
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ended)).map_err(Error::System)?;
    }
    // A panic restores the terminal, too.
    let mut terminal = ratatui::try_init()?;
    let outcome = stay(&mut terminal, &mut view, feed, &ended);
    let restored = ratatui::try_restore();
    outcome.and(restored.map_err(Failure::from))
}

/// What there is to begin with. One that does not answer must not keep the others off the screen: all
/// patience is for when nobody does.
fn first(source: &mut SceneSource, patience: Duration) -> Result<Scene, Failure> {
    source.scene(patience.min(PATIENCE)).or_else(|_| source.scene(patience))
}

/// Asks on a thread of its own; one that answers slowly keeps no key waiting.
fn ask(mut source: SceneSource, mut memory: LastSeen) -> Result<Receiver<News>, Failure> {
    let (news, heard) = bounded(1);
    let asking = move || loop {
        let begin = Instant::now();
        let scene = memory.update(source.scene(PATIENCE), Instant::now());
        let pasts = source.pasts(PATIENCE);
        // Until this has been taken nobody is asked again.
        if news.send(News { scene, pasts }).is_err() {
            return;
        }
        std::thread::sleep(BEAT.saturating_sub(begin.elapsed()));
    };
    std::thread::Builder::new().name("asking".to_owned()).spawn(asking).map_err(Error::System)?;
    Ok(heard)
}

fn replay(player: &mut Player, view: &mut View) -> Result<(), Failure> {
    view.show(player.show()?);
    view.run = Some(player.title());
    view.paused = !player.playing;
    Ok(())
}

/// Listens on a thread of its own: where a terminal has gone away, reading from it may never end.
fn listen() -> Result<Receiver<io::Result<Event>>, Failure> {
    let (event, events) = bounded(16);
    let listening = move || {
        loop {
            let heard = event::read();
            let lost = heard.is_err();
            if event.send(heard).is_err() || lost {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("keys".to_owned()).spawn(listening);
    thread.map_err(Error::System)?;
    Ok(events)
}

fn stay(
    terminal: &mut DefaultTerminal,
    view: &mut View,
    mut feed: Feed,
    ended: &AtomicBool,
) -> Result<(), Failure> {
    /// How long a signal may wait to be noticed.
    const GLANCE: Duration = Duration::from_millis(100);
    let keys = listen()?;
    let (mut last, mut drawn) = (Instant::now(), Instant::now());
    let mut changed = true;
    while !ended.load(Ordering::Relaxed) {
        match &mut feed {
            Feed::Live(heard) => {
                for News { scene, pasts } in heard.try_iter() {
                    view.see(scene, &pasts);
                    changed = true;
                }
            }
            Feed::Run(player) if last.elapsed() >= BEAT => {
                if player.pass(last.elapsed()) {
                    replay(player, view)?;
                    changed = true;
                }
                last = Instant::now();
            }
            Feed::Run(_) => {}
        }
        // That a terminal has gone is noticed by drawing on it.
        if changed || drawn.elapsed() > 2 * BEAT {
            terminal.draw(|frame| draw::draw(frame, view))?;
            drawn = Instant::now();
        }
        let heard = keys.recv_timeout(GLANCE).ok().transpose()?;
        changed = heard.is_some();
        if let Some(Event::Key(key)) = heard
            && key.kind != KeyEventKind::Release
        {
            let wish = view.on_key(key);
            if wish == KeyAction::Quit {
                return Ok(());
            }
            fulfil(wish, view, &mut feed)?;
        }
    }
    Ok(())
}

fn fulfil(wish: KeyAction, view: &mut View, feed: &mut Feed) -> Result<(), Failure> {
    match (wish, feed) {
        (KeyAction::Pause, Feed::Live(_)) => view.freeze(!view.paused),
        (KeyAction::Pause, Feed::Run(player)) => {
            player.toggle();
            replay(player, view)?;
        }
        (KeyAction::Step { forwards }, Feed::Run(player)) => {
            player.step(forwards);
            replay(player, view)?;
        }
        (KeyAction::Nothing | KeyAction::Quit | KeyAction::Step { .. }, _) => {}
    }
    Ok(())
}
