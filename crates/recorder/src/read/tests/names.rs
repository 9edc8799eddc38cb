use super::super::names::NameCounts;
use super::*;

#[test]
fn names_that_led_nowhere_and_addresses_without_a_name_are_counted_and_found() {
    let mut made = Made::new();
    for (connection, host) in [(1, "up.example"), (2, "gone.example"), (3, "down.example")] {
        made.open(connection, connection, Ingress::Connect);
        made.target(connection, host, None);
    }
    made.look_up_at(1, 1, &["up.example"], &["192.0.2.1"]);
    let number = made.assess(&["up.example"], &annotation("192.0.2.1", &[("dbip", "SG")]));
    made.dial(1, "192.0.2.1", number, true);
    made.look_up_at(2, 2, &["gone.example"], &[]);
    made.look_up_at(3, 3, &["down.example"], &["192.0.2.3"]);
    let number = made.assess(&["down.example"], &annotation("192.0.2.3", &[("dbip", "SG")]));
    made.dial(3, "192.0.2.3", number, false);
    // Later it answered: it is neither unresolved nor unreached.
    made.open(4, 4, Ingress::Connect);
    made.target(4, "up.example", None);
    made.look_up_at(4, 4, &["up.example"], &[]);
    made.open(5, 5, Ingress::Connect);
    let number = made.assess(&[], &annotation("192.0.2.5", &[("dbip", "CN")]));
    made.target(5, "192.0.2.5", Some(number));
    made.dial(5, "192.0.2.5", number, true);
    // An upstream proxy's own name is looked up for no connection.
    made.look_up_at(6, 99, &["proxy.example"], &["192.0.2.9"]);

    let session = open(&made);
    let expected = NameCounts { looked_up: 3, unresolved: 1, not_reached: 1, without_lookup: 1 };
    assert_eq!(session.name_counts().unwrap(), expected);
    assert_eq!(ids(&session, "has:asked not(has:upstream)"), ["c2", "c3", "c4"]);
    assert_eq!(ids(&session, "has:upstream not(has:asked)"), ["c5"]);
    assert_eq!(ids(&session, "has:upstream not(has:lookup)"), ["c5"]);
}
