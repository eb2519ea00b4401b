//! The table that a measurement prints.

use comfy_table::Table;

/// What is wanted of a figure.
#[derive(Clone, Copy)]
pub enum Wanted {
    Nothing,
    AtMost(f64),
    AtLeast(f64),
}

/// Rows of ours beside redis-server's.
pub struct Report(Table);

impl Report {
    pub fn new(what: &str) -> Self {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header([what, "ours", "redis", "ratio", "wanted", ""]);
        Self(table)
    }

    /// Figures of both, whose ratio is wanted.
    pub fn ratio(&mut self, what: &str, ours: f64, redis: Option<f64>, wanted: Wanted) {
        let ratio = redis.map(|redis| ours / redis);
        self.row(what, &number(ours), redis, ratio, wanted, ratio);
    }

    /// A figure that is wanted itself, and its ratio to redis-server's.
    pub fn figure(&mut self, what: &str, ours: f64, redis: Option<f64>, wanted: Wanted) {
        let ratio = redis.map(|redis| ours / redis);
        self.row(what, &number(ours), redis, ratio, wanted, Some(ours));
    }

    /// A figure of ours, and its ratio to something else of ours.
    pub fn share(&mut self, what: &str, ours: f64, ratio: Option<f64>, wanted: Wanted) {
        self.row(what, &number(ours), None, ratio, wanted, ratio);
    }

    /// Words.
    pub fn text(&mut self, what: &str, ours: &str, redis: &str) {
        self.0.add_row([what, ours, redis, "", "", ""]);
    }

    fn row(
        &mut self,
        what: &str,
        ours: &str,
        redis: Option<f64>,
        ratio: Option<f64>,
        wanted: Wanted,
        judged: Option<f64>,
    ) {
        let show = |it: Option<f64>| it.map_or(String::new(), number);
        let (text, holds) = match wanted {
            Wanted::Nothing => (String::new(), None),
            Wanted::AtMost(most) => (format!("<= {most}"), judged.map(|it| it <= most)),
            Wanted::AtLeast(least) => (format!(">= {least}"), judged.map(|it| it >= least)),
        };
        let verdict = holds.map_or("", |holds| if holds { "met" } else { "MISSED" });
        let ratio = ratio.map_or(String::new(), |it| format!("{it:.2}"));
        self.0.add_row([what, ours, &show(redis), &ratio, &text, verdict]);
    }

    pub fn print(&self) {
        println!("{}\n", self.0);
    }
}

/// Three digits, or all before the point; counts as they are.
pub fn number(it: f64) -> String {
    match it.abs() {
        size if size.fract() == 0.0 || size >= 100.0 => format!("{it:.0}"),
        size if size >= 10.0 => format!("{it:.1}"),
        size if size >= 1.0 => format!("{it:.2}"),
        _ => format!("{it:.3}"),
    }
}

/// Bytes as mebibytes.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
