use super::*;
use crate::kv::service::tests::check_replies;

#[test]
fn lists_grow_and_shrink_at_both_ends() {
    check_replies(&[
        ("RPUSH l c d", ":2"),
        ("LPUSH l b a", ":4"),
        ("LRANGE l 0 -1", "[$a $b $c $d]"),
        ("LLEN l", ":4"),
        ("LPOP l", "$a"),
        ("RPOP l", "$d"),
        ("RPOP l 0", "[]"),
        ("RPOP l 5", "[$c $b]"),
        ("EXISTS l", ":0"),
        ("LPUSHX l a", ":0"),
        ("RPUSHX l a", ":0"),
        ("LPOP l", "$-"),
        ("LPOP l 1", "[-]"),
        ("LPOP l -1", "-ERR value is out of range, must be positive"),
        ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
    ]);
}

#[test]
fn elements_are_read_and_set_by_place() {
    check_replies(&[
        ("RPUSH l a b c", ":3"),
        ("LINDEX l 0", "$a"),
        ("LINDEX l -1", "$c"),
        ("LINDEX l 3", "$-"),
        ("LINDEX l -4", "$-"),
        ("LSET l -1 z", "+OK"),
        ("LSET l 3 z", "-ERR index out of range"),
        ("LSET none 0 z", "-ERR no such key"),
        ("LRANGE l 1 100", "[$b $z]"),
        ("LRANGE l 2 1", "[]"),
        ("LTRIM l 1 1", "+OK"),
        ("LRANGE l 0 -1", "[$b]"),
        ("LTRIM l 5 9", "+OK"),
        ("EXISTS l", ":0"),
    ]);
}

#[test]
fn equal_elements_are_removed_from_the_side_asked_for() {
    for (count, removed, left) in [
        ("2", ":2", "[$b $b $a]"),
        ("-2", ":2", "[$a $b $b]"),
        ("0", ":3", "[$b $b]"),
        ("-9223372036854775808", ":3", "[$b $b]"),
    ] {
        check_replies(&[
            ("RPUSH l a b a b a", ":5"),
            (&format!("LREM l {count} a"), removed),
            ("LRANGE l 0 -1", left),
        ]);
    }
}

#[test]
fn ranges_stay_within_the_list_whatever_the_numbers() {
    for start in [i64::MIN, -4, -1, 0, 1, 4, i64::MAX] {
        for stop in [i64::MIN, -4, -1, 0, 1, 4, i64::MAX] {
            let range = range(start, stop, 3);
            assert!(range.start <= range.end && range.end <= 3, "{start} {stop}");
        }
    }
}

#[test]
fn elements_are_put_in_between_and_found() {
    check_replies(&[
        ("RPUSH l a b c b", ":4"),
        ("LINSERT l BEFORE b x", ":5"),
        ("LINSERT l after c y", ":6"),
        ("LRANGE l 0 -1", "[$a $x $b $c $y $b]"),
        ("LINSERT l AFTER none z", ":-1"),
        ("LINSERT none AFTER a z", ":0"),
        ("LINSERT l BESIDE a z", "-ERR syntax error"),
        ("LPOS l b", ":2"),
        ("LPOS l b RANK -1", ":5"),
        ("LPOS l b RANK 2 MAXLEN 5", "$-"),
        ("LPOS l b COUNT 0", "[:2 :5]"),
        ("LPOS l none COUNT 1", "[]"),
        ("LPOS l b COUNT -1", "-ERR COUNT can't be negative"),
        ("LPOS none b", "$-"),
    ]);
}

#[test]
fn elements_move_from_list_to_list() {
    check_replies(&[
        ("RPUSH l a b c", ":3"),
        ("LMOVE l m LEFT RIGHT", "$a"),
        ("RPOPLPUSH l m", "$c"),
        ("LRANGE m 0 -1", "[$c $a]"),
        ("RPOPLPUSH m m", "$a"),
        ("LRANGE m 0 -1", "[$a $c]"),
        ("RPOPLPUSH l l", "$b"),
        ("LMOVE l m LEFT LEFT", "$b"),
        ("EXISTS l", ":0"),
        ("LMOVE l m LEFT LEFT", "$-"),
        ("LMOVE l m UP LEFT", "-ERR syntax error"),
        ("SET t x", "+OK"),
        (
            "LMOVE m t LEFT LEFT",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("LLEN m", ":3"),
    ]);
}
