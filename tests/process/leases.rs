//! Named leases of clusters of every protocol.

use taraflow::dataflows;
use taraflow::kv::resp::RespReply;

use crate::support::redis::RedisConnection;
use crate::support::{Cluster, taraflow, wait_until};

const NOBODY: Option<RespReply> = Some(RespReply::Bulk(None));

fn token(reply: Option<RespReply>) -> i64 {
    match reply {
        Some(RespReply::Integer(token)) => token,
        other => panic!("no token: {other:?}"),
    }
}

#[test]
fn a_lease_outlives_a_kill_of_all_and_ends_though_nobody_writes() {
    for protocol in dataflows::names() {
        let mut cluster = Cluster::start(3, &["--protocol", protocol]);
        let mut line = RedisConnection::to(cluster.clients(0)).patient();
        let long = token(line.ask(&["LEASE", "ACQUIRE", "long", "a", "600000"]));
        cluster.kill_all();
        cluster.start_again();
        wait_until("it serves again", || cluster.serves(1));

        let mut line = RedisConnection::to(cluster.clients(1)).patient();
        assert_eq!(line.ask(&["LEASE", "ACQUIRE", "long", "b", "1"]), NOBODY, "{protocol}");
        let short = token(line.ask(&["LEASE", "ACQUIRE", "short", "a", "300"]));
        assert!(short > long, "{protocol}");
        wait_until("the lease ends", || line.ask(&["LEASE", "GET", "short"]) == NOBODY);

        let later = token(line.ask(&["LEASE", "ACQUIRE", "short", "b", "600000"]));
        assert!(later > short, "{protocol}");
        line.ask(&["MULTI"]);
        line.ask(&["LEASE", "CHECK", "short", &short.to_string()]);
        line.ask(&["SET", "k", "old"]);
        let refused = line.ask(&["EXEC"]);
        assert!(matches!(refused, Some(RespReply::Error(_))), "{protocol}: {refused:?}");
        assert_eq!(line.ask(&["GET", "k"]), NOBODY, "{protocol}");
    }
}

#[test]
fn the_command_line_acquires_and_releases() {
    let cluster = Cluster::start(3, &[]);
    let ask = |words: &[&str]| {
        let output =
            taraflow().arg("kv").arg("--dir").arg(cluster.directory()).args(words).output();
        String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
    };
    let token = ask(&["lease", "acquire", "job", "me", "60000"]);
    assert!(token.parse::<u64>().is_ok(), "{token}");
    let nobody = ask(&["get", "none"]);
    assert_eq!(ask(&["lease", "acquire", "job", "you", "60000"]), nobody);
    assert_eq!(ask(&["lease", "release", "job", &token]), "1");
    assert_eq!(ask(&["lease", "get", "job"]), nobody);
}
