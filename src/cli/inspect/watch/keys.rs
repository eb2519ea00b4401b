//! Keys of the live view.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::view::{Mode, Sort, Tab, View};
use crate::model::types::ReplicaId;

/// The keys, for those who ask.
pub(super) const HELP: [(&str, &str); 13] = [
    ("1 to 5, Tab", "replicas, operators, channels, slots, events"),
    ("left, right", "previous, next replica; in a recorded run, frame"),
    ("[ ]", "previous, next replica, in a recorded run, too"),
    ("g and a digit", "the replica with this number"),
    ("up, down, PgUp, PgDn", "scroll; Home and End go to the ends"),
    ("s", "sort by the next column; after the last, as listed"),
    ("r", "reverse the order"),
    ("/", "show only lines with a text; Enter keeps it, Esc drops it"),
    ("a", "show or hide timely's own operators"),
    ("space", "pause or continue; a run that has ended starts again"),
    ("?", "this help"),
    ("q, Ctrl-C", "quit"),
    ("", "Red: look here. Dim: old, the replica is silent."),
];

/// What a key asks of whoever owns the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyAction {
    Nothing,
    Quit,
    /// Pause or go on.
    Pause,
    /// Go to the next frame of a run, or to the one before.
    Step {
        forwards: bool,
    },
}

impl View {
    /// Does what a key is for.
    pub fn on_key(&mut self, key: KeyEvent) -> KeyAction {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            let quit = key.code == KeyCode::Char('c');
            return if quit { KeyAction::Quit } else { KeyAction::Nothing };
        }
        match self.mode {
            Mode::Normal => return self.on_normal_key(key.code),
            Mode::Filter => self.on_filter_key(key.code),
            Mode::Go => {
                if let KeyCode::Char(digit) = key.code
                    && let Some(number) = digit.to_digit(10)
                {
                    self.select(ReplicaId(number as u16));
                }
                self.mode = Mode::Normal;
            }
            Mode::Help => self.mode = Mode::Normal,
        }
        KeyAction::Nothing
    }

    fn on_normal_key(&mut self, key: KeyCode) -> KeyAction {
        const PAGE: usize = 10;
        match key {
            KeyCode::Char('q') => return KeyAction::Quit,
            KeyCode::Char(' ') => return KeyAction::Pause,
            KeyCode::Left if self.run.is_some() => return KeyAction::Step { forwards: false },
            KeyCode::Right if self.run.is_some() => return KeyAction::Step { forwards: true },
            KeyCode::Left | KeyCode::Char('[') => self.neighbour(false),
            KeyCode::Right | KeyCode::Char(']') => self.neighbour(true),
            KeyCode::Char(digit @ '1'..='5') => self.open(digit as usize - '1' as usize),
            KeyCode::Tab => self.open((self.place() + 1) % Tab::ALL.len()),
            KeyCode::BackTab => self.open((self.place() + Tab::ALL.len() - 1) % Tab::ALL.len()),
            KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Down => self.scroll += 1,
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::PageDown => self.scroll += PAGE,
            KeyCode::Home => self.scroll = 0,
            // As far as there are lines: who draws knows how many.
            KeyCode::End => self.scroll = usize::MAX - PAGE,
            KeyCode::Char('s') => self.sort_by_next(),
            KeyCode::Char('r') => self.reverse(),
            KeyCode::Char('a') => self.all = !self.all,
            KeyCode::Char('g') => self.mode = Mode::Go,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('/') => {
                self.filter.clear();
                self.mode = Mode::Filter;
            }
            KeyCode::Esc => self.filter.clear(),
            _ => {}
        }
        KeyAction::Nothing
    }

    fn on_filter_key(&mut self, key: KeyCode) {
        const FILTER_MAX: usize = 64;
        match key {
            KeyCode::Char(letter) if self.filter.len() < FILTER_MAX => self.filter.push(letter),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Enter => self.mode = Mode::Normal,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Normal;
            }
            _ => {}
        }
        self.scroll = 0;
    }

    fn open(&mut self, place: usize) {
        self.tab = Tab::ALL[place];
        self.scroll = 0;
    }

    fn neighbour(&mut self, after: bool) {
        let own = self.replica;
        let replicas = self.replicas();
        let found = if after {
            replicas.into_iter().find(|other| *other > own)
        } else {
            replicas.into_iter().rev().find(|other| *other < own)
        };
        self.select(found.unwrap_or(own));
    }

    fn select(&mut self, replica: ReplicaId) {
        if self.replicas().contains(&replica) {
            self.replica = replica;
            self.scroll = 0;
        }
    }

    fn sort_by_next(&mut self) {
        let columns = self.listing().map_or(0, |listing| listing.columns.len());
        let next = self.sort().map_or(0, |sort| sort.column + 1);
        let sort = Sort { column: next, descending: false };
        self.sorts[self.place()] = (next < columns).then_some(sort);
    }

    fn reverse(&mut self) {
        let place = self.place();
        // A page that is not sorted by hand is sorted by its first column from now on.
        let sort = self.sorts[place].unwrap_or(Sort { column: 0, descending: false });
        self.sorts[place] = Some(Sort { descending: !sort.descending, ..sort });
    }
}
