//! A client that asks or hears more than may wait.

use super::*;

#[test]
fn of_a_pipeline_of_any_length_no_more_is_asked_at_a_time_than_may_be_and_all_is_answered() {
    let settings = RedisSettings { in_flight_max: 8, ..RedisSettings::default() };
    for length in [4, 8, 32] {
        let mut client = Client::new(settings.clone());
        client.send(&"INCR k\r\n".repeat(length));
        assert_eq!(client.ordered.len(), length.min(8));

        client.settle();

        let counted: Vec<_> = (1..=length).map(|count| format!(":{count}")).collect();
        assert_eq!(client.heard(), counted.join(" "));
    }
}

#[test]
fn of_answers_of_any_length_no_more_wait_for_their_reader_than_may_and_he_hears_all() {
    let settings = RedisSettings { output_bytes_max: 1_000, ..RedisSettings::default() };
    let said = "x".repeat(100);
    for bytes in [500, 1_000, 4_000] {
        let mut client = Client::new(settings.clone());
        client.send(&format!("PING {said}\r\n").repeat(bytes / 100));

        let mut heard = 0;
        while heard < bytes / 100 {
            let waiting = client.line.output().len();
            assert!(waiting > 0 && waiting < 1_000 + 200, "{waiting} of {bytes}");
            heard += client.heard().matches(&said).count();
            client.settle();
        }
        assert_eq!(heard, bytes / 100);
    }
}
