//! From the type of a channel's container, as the compiler writes it, to a word for its records.

/// What stands around a record without naming it.
const WRAPPERS: [&str; 5] = ["Vec", "Option", "Rc", "Arc", "Box"];
/// What says from whom or for whom a record is.
const ADDRESSES: [&str; 2] = ["ReplicaId", "To"];

/// The name of the records in a container of type `typ`.
///
/// Paths, wrappers, addresses and numbers are left out: `Vec<(taraflow::model::types::ReplicaId,
/// a::b::Commit)>` is `Commit`. Nothing may be left, as of `Vec<u64>`.
pub(super) fn record_name(typ: &str) -> Option<String> {
    let mut names = Vec::new();
    collect(typ.trim(), &mut names);
    (!names.is_empty()).then(|| names.join(", "))
}

fn collect<'a>(typ: &'a str, names: &mut Vec<&'a str>) {
    if let Some(parts) = typ.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return split(parts).for_each(|part| collect(part, names));
    }
    let (path, arguments) = match typ.split_once('<') {
        Some((path, rest)) => (path, rest.strip_suffix('>').unwrap_or(rest)),
        None => (typ, ""),
    };
    let name = path.rsplit("::").next().unwrap_or(path);
    if WRAPPERS.contains(&name) {
        split(arguments).for_each(|argument| collect(argument, names));
    } else if name.starts_with(char::is_uppercase) && !ADDRESSES.contains(&name) {
        names.push(name);
    }
}

/// The parts of a list of types, at its commas outside all brackets.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let parts = list.split(move |c| {
        match c {
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name_of<T>() -> Option<String> {
        record_name(std::any::type_name::<Vec<T>>())
    }

    #[test]
    fn record_is_named_by_its_own_type() {
        use crate::model::types::{ReplicaId, Slot, To};
        use std::sync::Arc;

        assert_eq!(name_of::<Slot>().unwrap(), "Slot");
        assert_eq!(name_of::<(ReplicaId, Slot)>().unwrap(), "Slot");
        assert_eq!(name_of::<(To, crate::disk::Durable<Slot>)>().unwrap(), "Durable");
        assert_eq!(name_of::<(Slot, Option<Arc<(u64, String)>>)>().unwrap(), "Slot, String");
        assert_eq!(name_of::<((Slot, u8), String)>().unwrap(), "Slot, String");
    }

    #[test]
    fn number_has_no_name() {
        assert_eq!(name_of::<u64>(), None);
        assert_eq!(name_of::<()>(), None);
    }
}
