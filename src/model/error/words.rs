//! Phrases that several errors share.

/// A path as a shell takes it for one word.
pub fn in_shell(path: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:@%".contains(letter);
    match !path.is_empty() && path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// What to do where an address cannot be listened on.
pub(crate) fn why_not(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    match source.kind() {
        AddrInUse => "End what listens there (`ss -ltnp` names it)",
        PermissionDenied => {
            "Ports below 1024 are for root and who has CAP_NET_BIND_SERVICE: take a higher one"
        }
        AddrNotAvailable => "No interface of this machine has that address",
        _ => "See what the system says",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::Error;

    #[test]
    fn a_port_for_which_one_has_no_permission_is_not_said_to_be_taken() {
        let said = |kind: std::io::ErrorKind| {
            let address = "127.0.0.1:80".parse().unwrap();
            Error::Listen { address, source: kind.into() }.to_string()
        };
        let denied = said(std::io::ErrorKind::PermissionDenied);
        assert!(
            denied.contains("CAP_NET_BIND_SERVICE") && !denied.contains("ss -ltnp"),
            "{denied}"
        );
        assert!(said(std::io::ErrorKind::AddrInUse).contains("ss -ltnp"));
    }

    #[test]
    fn paths_in_commands_to_be_typed_are_one_word_of_a_shell() {
        assert_eq!(in_shell("./cluster-1"), "./cluster-1");
        assert_eq!(in_shell("my cluster"), "'my cluster'");
        assert_eq!(in_shell("it's"), r"'it'\''s'");
        assert_eq!(in_shell(""), "''");
    }
}
