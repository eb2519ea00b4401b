//! Tables: sorted, filtered, made to fit, and printed or drawn in a terminal.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::IsTerminal;

use crate::cli::output::words::{amount, span};
use crate::observe::frame::Spread;
use crate::observe::memory::size;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Column {
    pub name: Cow<'static, str>,
    side: Align,
    /// Where there is no room for all columns, those with the highest rank go first; never those with 0.
    pub rank: u8,
}

/// Where the text of a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// A figure or a few words.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Cell {
    pub text: String,
    /// What it is ordered by, if not by its text; the cell of a figure that is not known has neither.
    figure: Option<f64>,
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct ListingRow {
    pub cells: Vec<Cell>,
    pub mark: Mark,
}

/// Whether a line stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Mark {
    #[default]
    None,
    /// Its figures are old.
    Old,
    /// It needs attention.
    Look,
}

/// Columns, and the lines below them.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Listing {
    pub columns: Vec<Column>,
    pub rows: Vec<ListingRow>,
}

impl Column {
    /// Words, at the left.
    pub fn words(name: impl Into<Cow<'static, str>>, rank: u8) -> Self {
        Self { name: name.into(), side: Align::Left, rank }
    }

    /// Figures, at the right.
    pub fn figures(name: impl Into<Cow<'static, str>>, rank: u8) -> Self {
        Self { name: name.into(), side: Align::Right, rank }
    }

    /// Text in so many characters; what is too long is cut, and visibly so.
    fn place(&self, text: &str, width: usize) -> String {
        if text.chars().count() > width {
            let kept: String = text.chars().take(width.saturating_sub(1)).collect();
            return format!("{kept}~");
        }
        match self.side {
            Align::Left => format!("{text:<width$}"),
            Align::Right => format!("{text:>width$}"),
        }
    }
}

impl Cell {
    pub fn words(text: impl Into<String>) -> Self {
        Self { text: text.into(), figure: None }
    }

    /// A number in full.
    pub fn number(number: u64) -> Self {
        Self { text: number.to_string(), figure: Some(number as f64) }
    }

    /// A number in full, if it is known.
    pub fn maybe(number: Option<u64>) -> Self {
        number.map_or_else(|| Self::words("-"), Self::number)
    }

    /// A rate.
    pub fn rate(rate: f64) -> Self {
        Self { text: amount(rate), figure: Some(rate) }
    }

    /// Bytes; of none nothing is told.
    pub fn size(bytes: u64) -> Self {
        let text = if bytes == 0 { "-".to_owned() } else { size(bytes) };
        Self { text, figure: Some(bytes as f64) }
    }

    /// A duration.
    pub fn span(us: u64) -> Self {
        Self { text: span(us), figure: Some(us as f64) }
    }

    /// The median and the 99th percentile of a spread; nothing of an empty one.
    pub fn usual_and_most(spread: Spread) -> [Self; 2] {
        let shown = |us| if spread.count > 0 { Self::span(us) } else { Self::words("-") };
        [spread.p50_us, spread.p99_us].map(shown)
    }

    /// A share of the whole.
    pub fn percent(share: f64) -> Self {
        Self { text: format!("{:.1}", share * 100.0), figure: Some(share) }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self.figure, other.figure) {
            (Some(own), Some(other)) => own.total_cmp(&other),
            (None, None) => self.text.cmp(&other.text),
            // What is not known is below all that is.
            (own, other) => own.is_some().cmp(&other.is_some()),
        }
    }
}

impl ListingRow {
    pub fn new(cells: Vec<Cell>) -> Self {
        Self { cells, mark: Mark::None }
    }

    fn has(&self, text: &str) -> bool {
        self.cells.iter().any(|cell| cell.text.to_lowercase().contains(text))
    }
}

impl Listing {
    /// Sorts by a column; lines that are equal there keep their order.
    pub fn sort(&mut self, column: usize, descending: bool) {
        self.rows.sort_by(|one, other| {
            let order = match (one.cells.get(column), other.cells.get(column)) {
                (Some(one), Some(other)) => one.order(other),
                _ => Ordering::Equal,
            };
            if descending { order.reverse() } else { order }
        });
    }

    /// Keeps the lines in which `text` stands somewhere, in whichever case.
    pub fn filter(&mut self, text: &str) {
        let text = text.to_lowercase();
        self.rows.retain(|row| row.has(&text));
    }

    /// The columns that fit into `room` with a space between two, by their places, and how wide each is.
    /// The last one takes the space that is left over or missing.
    pub fn fit(&self, room: usize) -> Vec<(usize, usize)> {
        let mut kept = self.keep(room, 1);
        let all = room_of(&kept, 1);
        if let Some((_, width)) = kept.last_mut() {
            *width = (*width + room).saturating_sub(all);
        }
        kept
    }

    /// The columns that are left, with their widths, once they fit into `room` with a gap between two, or
    /// no other may go.
    fn keep(&self, room: usize, gap: usize) -> Vec<(usize, usize)> {
        let mut kept: Vec<_> = (0..self.columns.len()).map(|at| (at, self.width(at))).collect();
        while room_of(&kept, gap) > room {
            let rank = |place: &usize| self.columns[kept[*place].0].rank;
            match (0..kept.len()).max_by_key(rank) {
                Some(place) if rank(&place) > 0 => drop(kept.remove(place)),
                _ => break,
            }
        }
        kept
    }

    fn width(&self, column: usize) -> usize {
        let texts =
            self.rows.iter().filter_map(|row| Some(row.cells.get(column)?.text.chars().count()));
        texts.max().unwrap_or(0).max(self.columns[column].name.chars().count())
    }

    /// As text on a page as wide as the terminal; what has no room there is left out.
    pub fn text(&self) -> String {
        self.text_within(page_width())
    }

    /// How many columns have no room in lines of so many characters.
    pub fn left_out(&self, width: usize) -> usize {
        self.columns.len() - self.keep(width.saturating_sub(BORDERS), GAP).len()
    }

    /// As text in lines of at most so many characters, without the columns that have no room, unless even
    /// those that never go need more.
    pub fn text_within(&self, width: usize) -> String {
        self.page(&self.keep(width.saturating_sub(BORDERS), GAP), GAP)
    }

    /// All columns as text, as narrow as they can be read.
    pub fn narrow_text(&self) -> String {
        self.page(&self.keep(usize::MAX, 2), 2)
    }

    fn page(&self, kept: &[(usize, usize)], gap: usize) -> String {
        let border = |line: String| format!("│ {line} │\n");
        let header = border(self.line(None, kept, gap));
        let row = |row| border(self.line(Some(row), kept, gap));
        let rows: String = self.rows.iter().map(row).collect();
        let [thin, thick] = ["─", "═"].map(|rule| rule.repeat(room_of(kept, gap) + BORDERS - 2));
        format!("┌{thin}┐\n{header}╞{thick}╡\n{rows}└{thin}┘\n")
    }

    /// The cells of a row in these columns, or the columns' names, each in its width.
    pub fn line(&self, row: Option<&ListingRow>, kept: &[(usize, usize)], gap: usize) -> String {
        let text = |at: usize| match row {
            Some(row) => row.cells.get(at).map_or("", |cell| &*cell.text),
            None => &*self.columns[at].name,
        };
        let cells = kept.iter().map(|&(at, width)| self.columns[at].place(text(at), width));
        cells.collect::<Vec<_>>().join(&" ".repeat(gap))
    }
}

/// Characters between two columns of a page.
const GAP: usize = 3;
/// Characters of the borders of a page: a line and a space at each end.
const BORDERS: usize = 4;

/// How many characters columns need with a gap between two.
fn room_of(kept: &[(usize, usize)], gap: usize) -> usize {
    kept.iter().map(|(_, width)| width).sum::<usize>() + gap * kept.len().saturating_sub(1)
}

/// A line of text in lines of no more than `width`, all indented as it is, and by a margin.
pub(in crate::cli) fn wrap(text: &str, margin: usize, width: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start().len() + margin;
    let mut lines = vec![format!("{:indent$}", "")];
    for word in text.split_whitespace() {
        let fits = |line: &String| line.chars().count() + word.chars().count() < width;
        match lines.last_mut() {
            Some(line) if line.trim().is_empty() => line.push_str(word),
            Some(line) if fits(line) => *line = format!("{line} {word}"),
            _ => lines.push(format!("{:width$}{word}", "", width = indent + 2)),
        }
    }
    lines
}

/// How wide a page is: as wide as the terminal it is for; elsewhere as `COLUMNS` says, or as terminals
/// are.
pub(in crate::cli) fn page_width() -> usize {
    const USUAL: usize = 80;
    let of_terminal = || {
        let is_one = std::io::stdout().is_terminal();
        is_one.then(ratatui::crossterm::terminal::size)?.ok().map(|(columns, _)| columns.into())
    };
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    of_terminal().or_else(told).filter(|width| *width > 0).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let row = |name: &str, rate: Cell| {
            ListingRow::new(vec![Cell::words(name), rate, Cell::number(7)])
        };
        Listing {
            columns: vec![
                Column::words("name", 0),
                Column::figures("rate", 1),
                Column::figures("seven", 2),
            ],
            rows: vec![
                row("learner", Cell::rate(1_500.0)),
                row("clock", Cell::maybe(None)),
                row("executor", Cell::rate(900.0)),
            ],
        }
    }

    fn names(listing: &Listing) -> Vec<&str> {
        listing.rows.iter().map(|row| &*row.cells[0].text).collect()
    }

    #[test]
    fn figures_are_sorted_by_what_they_mean_and_the_unknown_is_the_least() {
        let mut listing = listing();

        listing.sort(1, true);
        assert_eq!(names(&listing), ["learner", "executor", "clock"]);
        listing.sort(0, false);
        assert_eq!(names(&listing), ["clock", "executor", "learner"]);
    }

    #[test]
    fn a_filter_finds_its_text_in_any_cell_and_case() {
        let mut listing = listing();

        listing.filter("EXEC");

        assert_eq!(names(&listing), ["executor"]);
    }

    #[test]
    fn on_a_narrow_page_the_columns_of_the_highest_ranks_are_left_out() {
        let wide = |width: usize| {
            let text = listing().text_within(width);
            text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
        };

        assert_eq!([80, 27, 26, 19, 18, 12, 5].map(wide), [27, 27, 19, 19, 12, 12, 12]);
    }

    #[test]
    fn columns_go_by_rank_until_the_others_fit_and_the_last_takes_what_is_left() {
        let listing = listing();

        assert_eq!(listing.fit(30), [(0, 8), (1, 4), (2, 16)]);
        assert_eq!(listing.fit(18), [(0, 8), (1, 9)]);
        assert_eq!(listing.fit(9), [(0, 9)]);
        assert_eq!(listing.fit(5), [(0, 5)]);
    }
}
