//! A file of settings, and the flags and variables that override it.
//!
//! A setting is known because it is asked for, so a name need be written once. What was never asked
//! for is unknown, and refused with the name that was probably meant.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::model::error::{Problem, Problems};

/// Overrides of a file: flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Settings from the command line: name, value, and the flag as it was written.
    pub flags: Vec<(String, String, String)>,
    /// The environment; a setting `a.b` is the variable `TARAFLOW_A_B`.
    pub environment: BTreeMap<String, String>,
}

impl Layers {
    /// How far away a setting is that is set nowhere.
    pub(super) const NOBODY: u8 = 3;
}

/// The place that a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(String),
    /// A variable of the environment.
    Environment(String),
    /// A file, at a line and a column.
    File(PathBuf, usize, usize),
    /// It is set nowhere.
    Default,
}

impl Origin {
    /// The line and the column of a byte in the text of a file.
    fn in_file(path: &Path, text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self::File(path.to_owned(), line, column)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(variable) => f.write_str(variable),
            Self::File(path, line, column) => write!(f, "{}:{line}:{column}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name, the tables it stands in first.
    pub name: String,
    /// Its value, as text.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// A file of settings that is being read.
pub(super) struct SettingsFile<'a> {
    path: &'a Path,
    text: String,
    values: BTreeMap<String, (Value, Range<usize>)>,
    layers: &'a Layers,
    asked: Vec<String>,
    pub found: Vec<Found>,
    problems: Vec<Problem>,
}

impl<'a> SettingsFile<'a> {
    /// Reads the file. What is no TOML at all is the only problem then.
    pub fn open(path: &'a Path, layers: &'a Layers) -> Result<Self, Problem> {
        let text = fs::read_to_string(path).map_err(|error| {
            Problem::new(path.display(), format!("cannot read this file of settings: {error}"))
        })?;
        let (mut values, asked, found, problems) = Default::default();
        let unreadable = |error: toml::de::Error| {
            let origin = Origin::in_file(path, &text, error.span().unwrap_or_default().start);
            Problem::new(origin, format!("not TOML: {}", error.message()))
        };
        flatten("", DeTable::parse(&text).map_err(unreadable)?.get_ref(), &mut values);
        Ok(Self { path, text, values, layers, asked, found, problems })
    }

    fn origin(&self, offset: usize) -> Origin {
        Origin::in_file(self.path, &self.text, offset)
    }

    /// The place that the value of a setting came from, once that has been read.
    fn origin_of(&self, name: &str) -> Option<&Origin> {
        self.found.iter().find(|found| found.name == name).map(|found| &found.origin)
    }

    /// How many tables an array of tables has.
    pub fn tables(&self, name: &str) -> usize {
        let has = |index: &usize| {
            let prefix = format!("{name}[{index}].");
            let next = self.values.range(prefix.clone()..).next();
            next.is_some_and(|(at, _)| at.starts_with(&prefix))
        };
        (0..).take_while(has).count()
    }

    /// Where a setting stands; the file as a whole if it does not.
    pub fn place(&self, name: &str) -> String {
        match self.origin_of(name) {
            Some(Origin::Default) | None => self.path.display().to_string(),
            Some(origin) => origin.to_string(),
        }
    }

    /// Notes what is wrong with a setting.
    pub fn problem(&mut self, name: &str, what: impl Into<String>) {
        let problem = Problem::new(self.place(name), what);
        self.problems.push(problem);
    }

    /// The value of a setting, from the nearest layer that has it.
    pub fn optional<T: SettingValue>(&mut self, name: &str) -> Option<T> {
        self.asked.push(name.to_owned());
        let (value, origin): (Option<T>, Origin) = self.nearest_layer(name)?;
        match &value {
            Some(value) => self.note(name, value, origin),
            None => {
                let what = format!("`{name}` must be {}", T::WANTED);
                self.problems.push(Problem::new(origin, what));
            }
        }
        value
    }

    fn nearest_layer<T: SettingValue>(&self, name: &str) -> Option<(Option<T>, Origin)> {
        let mut flags = self.layers.flags.iter().rev();
        if let Some((_, value, flag)) = flags.find(|(flagged, _, _)| flagged == name) {
            return Some((from_text(value), Origin::Flag(flag.clone())));
        }
        let variable = variable(name);
        if let Some(value) = self.layers.environment.get(&variable) {
            return Some((from_text(value), Origin::Environment(variable)));
        }
        let (value, place) = self.values.get(name)?;
        Some((T::deserialize(value.clone()).ok(), self.origin(place.start)))
    }

    fn note(&mut self, name: &str, value: &impl ToString, origin: Origin) {
        self.found.push(Found { name: name.to_owned(), value: value.to_string(), origin });
    }

    /// The value of a setting that may be left out.
    pub fn or<T: SettingValue>(&mut self, name: &str, default: T) -> T {
        let problems = self.problems.len();
        self.optional(name).unwrap_or_else(|| {
            if self.problems.len() == problems {
                self.note(name, &default, Origin::Default);
            }
            default
        })
    }

    /// The value of a number that may be left out; noted as wrong out of its range.
    pub fn within<T: SettingValue + Copy + PartialOrd>(
        &mut self,
        name: &str,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        let value = self.or(name, default);
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            self.problem(name, format!("`{name}` must be from {low} to {high}"));
            return default;
        }
        value
    }

    /// The value of a setting that must be there.
    pub fn required<T: SettingValue>(&mut self, name: &str) -> Option<T> {
        let problems = self.problems.len();
        let value = self.optional(name);
        if value.is_none() && self.problems.len() == problems {
            self.problem(name, format!("`{name}` is missing: write {}", T::WANTED));
        }
        value
    }

    /// A path, which is relative to the file it stands in, or to where the command was given.
    pub fn path(&mut self, name: &str) -> Option<PathBuf> {
        let written = self.optional::<String>(name)?;
        if written.is_empty() {
            self.problem(name, format!("`{name}` must be a path, and is empty"));
            return None;
        }
        Some(self.resolve(name, written.into()))
    }

    /// `written`, seen from the place where the setting stands.
    pub fn resolve(&self, name: &str, written: PathBuf) -> PathBuf {
        match self.origin_of(name) {
            Some(Origin::Flag(_) | Origin::Environment(_)) => written,
            _ => self.path.parent().unwrap_or(Path::new("")).join(written),
        }
    }

    /// Whether any layer has a setting, with a valid value or not.
    pub fn is_said(&self, name: &str) -> bool {
        self.layers.flags.iter().any(|(flagged, _, _)| flagged == name)
            || self.layers.environment.contains_key(&variable(name))
            || self.values.contains_key(name)
    }

    /// How far away the layer is that a setting came from: the nearest is 0, none is the last.
    pub fn layer(&self, name: &str) -> u8 {
        match self.origin_of(name) {
            Some(Origin::Flag(_)) => 0,
            Some(Origin::Environment(_)) => 1,
            Some(Origin::File(..)) => 2,
            Some(Origin::Default) | None => Layers::NOBODY,
        }
    }

    /// What was found, and all that is wrong, unknown names included; `elsewhere` are the names that
    /// belong in the file called `other`.
    pub fn finish(mut self, elsewhere: &[&str], other: &str) -> (Vec<Found>, Problems) {
        let belongs = |name: &str| format!("`{name}` belongs in {other}: write it there");
        let of_file = self.values.iter().map(|(name, (_, at))| (name, self.origin(at.start)));
        let of_flags = self.layers.flags.iter();
        let of_flags = of_flags.map(|(name, _, flag)| (name, Origin::Flag(flag.clone())));
        let strange = of_file.chain(of_flags).filter(|(name, _)| !self.asked.contains(name));
        let strange = strange.map(|(name, origin)| {
            let known_there = elsewhere.contains(&name.as_str());
            let what = if known_there { belongs(name) } else { unknown(name, &self.asked) };
            Problem::new(origin, what)
        });
        // Variables of the environment that look like settings, and are none.
        let known: Vec<String> = self.asked.iter().map(|name| variable(name)).collect();
        let ours = self.layers.environment.keys().filter(|name| name.starts_with(PREFIX));
        let ours = ours.filter(|name| !known.contains(name) && *name != DIRECTORY);
        let variables = ours.map(|name| {
            let there = elsewhere.iter().find(|setting| variable(setting) == *name);
            let what = match (there, nearest(name, &known)) {
                (Some(setting), _) => belongs(setting),
                (None, Some(meant)) => format!("not a setting; did you mean {meant}?"),
                (None, None) => "not a setting; remove it from the environment".to_owned(),
            };
            Problem::new(name, what)
        });
        let problems: Vec<_> = strange.chain(variables).collect();
        self.problems.extend(problems);
        (self.found, Problems(self.problems))
    }
}

/// A type that a setting can have. `config print` shows what it prints as.
pub(super) trait SettingValue: DeserializeOwned + Display {
    /// The text to write instead of one that is no such value.
    const WANTED: &'static str;
}

impl SettingValue for u64 {
    const WANTED: &'static str = "a whole number";
}

impl SettingValue for usize {
    const WANTED: &'static str = "a whole number";
}

impl SettingValue for u16 {
    const WANTED: &'static str = "a whole number below 65536";
}

impl SettingValue for bool {
    const WANTED: &'static str = "true or false";
}

impl SettingValue for String {
    const WANTED: &'static str = "a text in quotes";
}

impl SettingValue for SocketAddr {
    const WANTED: &'static str = "an IP address and a port in quotes, like \"127.0.0.1:7000\"";
}

/// The beginning of the names of all our variables.
pub const PREFIX: &str = "TARAFLOW_";
/// The one that is no setting of a node: the directory of the cluster that commands are about.
pub const DIRECTORY: &str = "TARAFLOW_DIR";

/// The variable of the environment that is the setting `name`.
fn variable(name: &str) -> String {
    PREFIX.to_owned() + &name.replace('.', "_").to_uppercase()
}

fn unknown(name: &str, known: &[String]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("unknown setting `{name}`; did you mean `{meant}`?"),
        None => format!("unknown setting `{name}`; remove it"),
    }
}

/// A value as a shell gives it: text needs no quotes.
fn from_text<T: SettingValue>(text: &str) -> Option<T> {
    let parsed = ValueDeserializer::parse(text).ok().and_then(|value| T::deserialize(value).ok());
    parsed.or_else(|| T::deserialize(Value::String(text.to_owned())).ok())
}

/// Puts each value of a table under its full name.
fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    values: &mut BTreeMap<String, (Value, Range<usize>)>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(table) => flatten(&format!("{name}."), table, values),
            DeValue::Array(tables)
                if !tables.is_empty() && tables.iter().all(|each| each.get_ref().is_table()) =>
            {
                for (index, each) in tables.iter().enumerate() {
                    if let DeValue::Table(table) = each.get_ref() {
                        flatten(&format!("{name}[{index}]."), table, values);
                    }
                }
            }
            _ => {
                let deserializer = ValueDeserializer::from(value.clone());
                if let Ok(read) = Value::deserialize(deserializer) {
                    values.insert(name, (read, key.span()));
                }
            }
        }
    }
}

/// The name among `known` that is so near to `name` that it may have been meant.
pub(crate) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let distances = known.iter().map(|known| (strsim::levenshtein(name, known), known));
    let (distance, known) = distances.min()?;
    (distance <= 2.max(name.len() / 4)).then_some(known.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        let known = ["clients.password_file".to_owned(), "data".to_owned()];

        assert_eq!(nearest("clients.pasword_fil", &known), Some("clients.password_file"));
        assert_eq!(nearest("dtaa", &known), Some("data"));
        assert_eq!(nearest("replication", &known), None);
    }
}
