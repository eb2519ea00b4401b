//! The screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::keys::HELP;
use super::view::{Mode, Tab, View};
use crate::cli::inspect::once::{blame, findings, memory, silences};
use crate::cli::output::listing::{Mark, wrap};
use crate::cli::output::words;
use crate::observe::findings::Severity;
use crate::observe::scene::Scene;

/// Lines above the table: title, pages, what is wrong, and the names of the columns.
const ABOVE: usize = 4;
/// A smaller screen shows nothing of use.
const SMALLEST: (u16, u16) = (40, 8);

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        frame.render_widget(Paragraph::new("the terminal is too small: 80 by 24 is enough"), area);
        return;
    }
    let mut lines = vec![title(view, width), pages(view), wrong(view)];
    if view.mode == Mode::Help {
        lines.push(Line::default());
        lines.extend(HELP.iter().map(|(keys, what)| Line::from(format!(" {keys:<21} {what}"))));
    } else {
        let mut below = below(view, width);
        below.truncate((height - ABOVE - 1) / 2);
        lines.extend(table(view, width, height - ABOVE - 1 - below.len()));
        lines.resize(height - 1 - below.len(), Line::default());
        lines.extend(below);
    }
    lines.resize(height - 1, Line::default());
    lines.push(bottom(view));
    for (row, line) in (area.y..).zip(lines) {
        frame.render_widget(line, Rect { y: row, height: 1, ..area });
    }
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn title(view: &View, width: usize) -> Line<'static> {
    let scene = view.shown().scene.as_ref();
    let status = scene.and_then(|scene| {
        scene.replicas.iter().find_map(|seen| Some(&seen.frame.as_ref()?.status))
    });
    let what = match (&view.run, status) {
        (Some(run), _) => run.clone(),
        (None, Some(status)) => format!("cluster {} | {}", status.cluster, status.protocol),
        (None, None) => String::new(),
    };
    let time = scene.map_or(String::new(), |scene| words::time_of_day(scene.at_us));
    let left = format!(" taraflow inspect | {what}");
    let right = if view.paused { format!("PAUSED | {time} UTC ") } else { format!("{time} UTC ") };
    let gap = width.saturating_sub(left.chars().count() + right.chars().count());
    Line::styled(format!("{left}{:gap$}{right}", ""), bold())
}

fn pages(view: &View) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for ((number, tab), name) in (1..).zip(Tab::ALL).zip(Tab::NAMES) {
        let style = if tab == view.tab {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        spans.push(Span::styled(format!(" {number} {name} "), style));
    }
    if view.tab.is_of_one() {
        spans
            .push(Span::styled(format!("   of replica {}{}", view.replica, silence(view)), bold()));
    }
    Line::from(spans)
}

/// What must be said of a replica whose page is shown, if it is silent.
fn silence(view: &View) -> String {
    let scene = view.shown().scene.as_ref();
    let seen = scene.and_then(|scene| {
        scene.replicas.iter().find(|seen| seen.replica == view.replica && seen.silence.is_some())
    });
    seen.map_or(String::new(), |seen| format!(", {} ago", words::span(seen.age_us)))
}

fn wrong(view: &View) -> Line<'static> {
    let Some(scene) = &view.shown().scene else {
        return Line::from(" nobody has answered yet");
    };
    Line::styled(format!(" {}", scene.headline()), mood(scene))
}

fn mood(scene: &Scene) -> Style {
    let worst = scene.findings.iter().map(|finding| finding.severity).min();
    let silent = scene.replicas.iter().any(|seen| seen.silence.is_some());
    match worst {
        Some(Severity::Fatal | Severity::Down) => bold().fg(Color::Red),
        Some(Severity::Degraded) => Style::new().fg(Color::Yellow),
        None if silent => Style::new().fg(Color::Yellow),
        None => Style::new().fg(Color::Green),
    }
}

/// The names of the columns and the lines that fit into `room`.
fn table(view: &mut View, width: usize, room: usize) -> Vec<Line<'static>> {
    let Some(mut listing) = view.listing() else {
        let what = format!(" replica {} has not been seen", view.replica);
        return vec![Line::from(what)];
    };
    if let Some(sort) = view.sort() {
        listing.sort(sort.column, sort.descending);
    }
    listing.filter(&view.filter);
    view.scroll = view.scroll.min(listing.rows.len().saturating_sub(room));
    let fitting = listing.fit(width - 2);
    let header = format!(" {}", listing.line(None, &fitting, 1));
    let mut lines = vec![Line::styled(header, bold().add_modifier(Modifier::UNDERLINED))];
    for row in listing.rows.iter().skip(view.scroll).take(room) {
        let style = match row.mark {
            Mark::None => Style::new(),
            Mark::Old => Style::new().add_modifier(Modifier::DIM),
            Mark::Look => Style::new().fg(Color::Red),
        };
        lines.push(Line::styled(format!(" {}", listing.line(Some(row), &fitting, 1)), style));
    }
    lines
}

/// What stands below the table, in words.
fn below(view: &View, width: usize) -> Vec<Line<'static>> {
    let shown = view.shown();
    let Some(scene) = &shown.scene else { return Vec::new() };
    let text = match view.tab {
        Tab::Replicas => findings(&scene.findings) + &silences(scene) + &memory(scene),
        Tab::Operators => shown.frame(view.replica).map_or(String::new(), blame),
        Tab::Channels | Tab::Slots | Tab::Events => String::new(),
    };
    text.lines().flat_map(|line| wrap(line, 1, width - 2)).map(Line::from).collect()
}

fn bottom(view: &View) -> Line<'static> {
    let text = match view.mode {
        Mode::Filter => format!(" only lines with: {}_", view.filter),
        Mode::Go => " replica: press its digit".to_owned(),
        Mode::Help => " any key goes back".to_owned(),
        Mode::Normal => {
            let mut text = " ? help  q quit  s sort  r reverse  / filter  space pause".to_owned();
            if let (Some(sort), Some(listing)) = (view.sort(), view.listing()) {
                let down = if sort.descending { ", falling" } else { "" };
                let name = listing.columns.get(sort.column).map_or("", |column| &*column.name);
                text += &format!(" | by {name}{down}");
            }
            if !view.filter.is_empty() {
                text += &format!(" | with: {}", view.filter);
            }
            text
        }
    };
    Line::styled(text, Style::new().add_modifier(Modifier::REVERSED))
}
