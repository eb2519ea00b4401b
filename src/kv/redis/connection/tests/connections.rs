//! CLIENT LIST, INFO and KILL.

use std::sync::Arc;

use super::{Client, ServerInfo, client};
use crate::kv::redis::ListedConnection;

/// Lets a line that wants to know all connections have them: its own and another.
fn tell_who_is_there(client: &mut Client) -> ServerInfo {
    assert!(client.line.wants_listing() && !client.line.is_ready());
    let own = client.line.connection(12_345);
    let other = ListedConnection {
        id: 9,
        address: "10.0.0.1:9".into(),
        line: "id=9 \n".into(),
        ..own.clone()
    };
    client.line.now_knows();
    ServerInfo { connections: Arc::new(vec![own, other]), ..ServerInfo::default() }
}

fn ask_about_connections(line: &str) -> (String, Vec<u64>, bool) {
    let mut client = client();
    client.line.introduce("10.0.0.1:7".into(), "10.0.0.2:6379".into(), 1_000);
    client.send("CLIENT SETNAME me\r\n");
    client.heard();
    client.send(&format!("{line}\r\n"));
    let server = tell_who_is_there(&mut client);
    client.line.on_bytes(b"", &server, &mut |_, _, _| {});
    (client.heard(), client.line.take_kills(), client.line.is_closing())
}

#[test]
fn connections_are_listed_with_what_tools_look_for() {
    let (said, ..) = ask_about_connections("CLIENT INFO");
    let fields = [
        "id=7 addr=10.0.0.1:7 laddr=10.0.0.2:6379 name=me age=11 idle=12 flags=N db=0 ",
        " multi=-1 ",
        " cmd=client|info user=default ",
    ];
    assert!(fields.iter().all(|field| said.contains(field)), "{said}");
    assert!(!said.contains("id=9"));

    for (line, shown) in [
        ("CLIENT LIST", [true, true]),
        ("CLIENT LIST ID 9", [false, true]),
        ("CLIENT LIST ID 7 9", [true, true]),
        ("CLIENT LIST TYPE normal", [true, true]),
        ("CLIENT LIST TYPE pubsub", [false, false]),
    ] {
        let (said, ..) = ask_about_connections(line);
        assert_eq!(["id=7", "id=9"].map(|id| said.contains(id)), shown, "{line}: {said}");
    }
    assert_eq!(ask_about_connections("CLIENT LIST TYPE foo").0, "-ERR Unknown client type 'foo'");
    assert_eq!(
        ask_about_connections("CLIENT LIST ID x").0,
        "-ERR client-id should be greater than 0"
    );
}

#[test]
fn connections_are_ended_by_address_or_filter() {
    for (line, said, kills, own) in [
        ("CLIENT KILL 10.0.0.1:9", "+OK", vec![9], false),
        ("CLIENT KILL 10.0.0.1:8", "-ERR No such client", vec![], false),
        ("CLIENT KILL ID 9", ":1", vec![9], false),
        ("CLIENT KILL ID 7", ":0", vec![], false),
        ("CLIENT KILL TYPE normal", ":1", vec![9], false),
        ("CLIENT KILL TYPE normal SKIPME no", ":2", vec![9], true),
        ("CLIENT KILL ADDR 10.0.0.1:9 LADDR 1.1.1.1:1", ":0", vec![], false),
        ("CLIENT KILL ID 9 NONE x", "-ERR syntax error", vec![], false),
    ] {
        let heard = ask_about_connections(line);
        assert_eq!(heard, (said.to_owned(), kills, own), "{line}");
    }
}
