//! MULTI, WATCH and EXEC.

use super::{Client, RedisSettings, check, client};

#[test]
fn a_transaction_is_one_command_in_the_order() {
    let mut client = client();
    check(
        &mut client,
        &[
            ("EXEC", "-ERR EXEC without MULTI"),
            ("DISCARD", "-ERR DISCARD without MULTI"),
            ("MULTI", "+OK"),
            ("MULTI", "-ERR MULTI calls can not be nested"),
            ("WATCH k", "-ERR WATCH inside MULTI is not allowed"),
            ("SET k 1", "+QUEUED"),
            ("INCR k", "+QUEUED"),
            ("PING", "+QUEUED"),
        ],
    );
    client.send("EXEC\r\n");
    assert_eq!(client.ordered.len(), 1);
    client.settle();
    assert_eq!(client.heard(), "*3 +OK :2 +PONG");

    check(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("INCR k", "+QUEUED"),
            ("DISCARD", "+OK"),
            ("MULTI", "+OK"),
            ("EXEC", "*0"),
            ("GET k", "$1 2"),
        ],
    );
}

#[test]
fn a_command_that_cannot_be_queued_spoils_the_transaction() {
    for (line, said) in [
        ("NONE", "-ERR unknown command 'NONE', with args beginning with:"),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
    ] {
        let mut client = client();
        check(
            &mut client,
            &[
                ("MULTI", "+OK"),
                ("INCR k", "+QUEUED"),
                (line, said),
                ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
                ("GET k", "$-1"),
            ],
        );
    }
}

#[test]
fn a_transaction_is_refused_before_the_log_would_refuse_it() {
    let mut client = Client::new(RedisSettings::new(None, 2 << 20));
    client.ask("MULTI");
    let value = "x".repeat(60_000);
    let said = (0..40).map(|_| client.ask(&format!("SET k {value}"))).collect::<Vec<_>>();

    assert_eq!(said[0], "+QUEUED");
    assert_eq!(said[39], "-ERR transaction is too large");
    assert!(client.ask("EXEC").starts_with("-EXECABORT"));
}

#[test]
fn a_watched_key_that_changed_stops_the_transaction() {
    let mut client = client();
    for (change, said) in [("GET k", "*1 +OK"), ("SET k other", "*-1"), ("DEL k", "*-1")] {
        client.ask("SET k v");
        client.ask("WATCH k none");
        client.ask(change);
        client.ask("MULTI");
        client.ask("SET done yes");
        assert_eq!(client.ask("EXEC"), said, "{change}");
    }
    client.ask("WATCH k");
    client.ask("SET k again");
    client.ask("UNWATCH");
    client.ask("MULTI");
    client.ask("PING");
    assert_eq!(client.ask("EXEC"), "*1 +PONG");
}

#[test]
fn what_the_line_answers_itself_is_answered_in_the_reply_of_exec() {
    let mut client = client();
    check(
        &mut client,
        &[
            ("MULTI", "+OK"),
            ("SELECT 0", "+QUEUED"),
            ("SET k v", "+QUEUED"),
            ("CLIENT SETNAME me", "+QUEUED"),
            ("UNWATCH", "+QUEUED"),
            ("CLIENT GETNAME", "+QUEUED"),
            ("SELECT 9", "+QUEUED"),
            ("WAIT 1 0", "+QUEUED"),
            ("GET k", "+QUEUED"),
            ("EXEC", "*8 +OK +OK +OK +OK $2 me -ERR DB index is out of range :1 $1 v"),
            ("MULTI", "+OK"),
            ("SELECT 0", "+QUEUED"),
            ("EXEC", "*1 +OK"),
            ("MULTI", "+OK"),
            ("CLIENT SETNAME other", "+QUEUED"),
            ("DISCARD", "+OK"),
            ("CLIENT GETNAME", "$2 me"),
        ],
    );
}

#[test]
fn what_the_line_answers_itself_is_not_done_when_a_watched_key_was_modified() {
    let mut client = client();
    check(
        &mut client,
        &[
            ("WATCH k", "+OK"),
            ("SET k v", "+OK"),
            ("MULTI", "+OK"),
            ("CLIENT SETNAME me", "+QUEUED"),
            ("EXEC", "*-1"),
            ("CLIENT GETNAME", "$-1"),
            ("WATCH k", "+OK"),
            ("MULTI", "+OK"),
            ("CLIENT SETNAME me", "+QUEUED"),
            ("EXEC", "*1 +OK"),
            ("CLIENT GETNAME", "$2 me"),
        ],
    );
}

#[test]
fn commands_behind_exec_wait_for_what_it_changes() {
    let mut client = client();

    client.send(
        "MULTI\r\nGET k\r\nCLIENT SETNAME me\r\nHELLO 3\r\nGET k\r\nEXEC\r\n\
         CLIENT GETNAME\r\nGET k\r\n",
    );
    assert_eq!(client.ordered.len(), 1);
    assert!(client.line.is_full() && !client.line.is_ready());
    client.settle();

    let heard = client.heard();
    assert!(
        heard.contains("*4 $-1 +OK %7 $6 server") && heard.ends_with("*0 _ $2 me _"),
        "{heard}"
    );
}

#[test]
fn a_lost_exec_does_nothing_and_lets_the_line_go_on() {
    let mut client = client();
    client.send("MULTI\r\nGET k\r\nCLIENT SETNAME me\r\nEXEC\r\nCLIENT GETNAME\r\n");

    client.line.expire(1);
    client.ordered.clear();
    client.settle();

    let heard = client.heard();
    assert!(heard.contains("-UNKNOWN") && heard.ends_with("$-1"), "{heard}");
}

#[test]
fn exec_waits_for_what_was_watched_in_the_same_pipeline() {
    let mut client = client();

    client.send("SET k v\r\nWATCH k\r\nMULTI\r\nGET k\r\nEXEC\r\nPING\r\n");
    assert_eq!(client.ordered.len(), 2);
    assert!(client.line.is_full() && !client.line.is_ready());
    client.settle();

    assert_eq!(client.heard(), "+OK +OK +OK +QUEUED *1 $1 v +PONG");
}

#[test]
fn a_lost_watch_lets_no_transaction_through() {
    let mut client = client();
    client.send("WATCH k\r\nMULTI\r\nINCR k\r\nEXEC\r\n");

    client.line.expire(1);
    client.ordered.clear();
    client.settle();

    assert!(
        client.heard().ends_with("-EXECABORT Transaction discarded because of previous errors.")
    );
    assert_eq!(client.line.oldest_open(), None);
}

#[test]
fn a_transaction_in_resp3_has_typed_replies() {
    let mut client = client();
    client.ask("HELLO 3");

    client.send("MULTI\r\nHSET h a 1\r\nHGETALL h\r\nGET none\r\nEXEC\r\n");
    client.settle();

    assert_eq!(client.heard(), "+OK +QUEUED +QUEUED +QUEUED *3 :1 %1 $1 a $1 1 _");
}
