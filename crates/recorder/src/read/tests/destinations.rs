use super::super::destination::{DestinationKey, DestinationRow, Held};
use super::super::query::{DestinationColumn, Order};
use super::*;
use flow::filter::TreatmentKind;

fn destinations(made: &Made, by: GroupBy, filter: &str) -> Vec<DestinationRow> {
    let filter = filter::parse(filter).unwrap();
    let query = DestinationQuery { by, ..DestinationQuery::all(filter, NOW) };
    open(made).destinations(&query).unwrap()
}

fn keys(rows: &[DestinationRow]) -> Vec<String> {
    rows.iter().map(|row| row.key.to_string()).collect()
}

pub(super) fn host(made: &Made, name: &str) -> DestinationRow {
    let key = DestinationKey::Host(Some(name.parse().unwrap()));
    let mut rows = destinations(made, GroupBy::Host, "");
    let index = rows.iter().position(|row| row.key == key).unwrap();
    rows.swap_remove(index)
}

#[test]
fn destinations_are_grouped_by_each_axis_and_own_pages_are_none() {
    let made = sample();
    let check = |by, expected: &[&str]| {
        assert_eq!(keys(&destinations(&made, by, "")), expected, "{by:?}");
    };
    check(
        GroupBy::Host,
        &["api.example.com", "cdn.example.net", "114.114.114.114", "169.254.169.254"],
    );
    check(GroupBy::Operator, &["unknown", "Alibaba Cloud"]);
    check(GroupBy::Asn, &["unknown", "AS15169", "AS37963"]);
    check(GroupBy::Country, &["unknown", "CN", "SG", "disagreed"]);
    check(GroupBy::Address, &["8.8.4.4", "8.136.0.1", "114.114.114.114", "169.254.169.254"]);
    assert_eq!(keys(&destinations(&made, GroupBy::Host, "has:flag")), ["cdn.example.net"]);
}

#[test]
fn disagreement_is_no_ignorance() {
    let rows = destinations(&sample(), GroupBy::Country, "");
    let hosts = |key: &str| {
        let row = rows.iter().find(|row| row.key.to_string() == key).unwrap();
        row.hosts.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(hosts("disagreed"), ["cdn.example.net"]);
    assert_eq!(hosts("unknown"), ["169.254.169.254"]);
}

#[test]
fn an_intercepted_destination_in_agreement() {
    let row = host(&sample(), "api.example.com");
    assert_eq!(row.country, Held::One("SG".parse().unwrap()));
    assert_eq!(row.asn.one(), Some(&Asn(15169)));
    assert_eq!((row.flows, row.connections, row.bytes_up, row.bytes_down), (2, 1, 2500, 700));
    assert_eq!((row.first_seen, row.last_seen), (at(2).wall, at(300).wall));
    assert_eq!(row.treatments, [(TreatmentKind::Intercepted, 1)]);
    let levels = (row.contact.code(), row.content_level.code());
    assert_eq!(levels, ("C5", "P3"));
    assert_eq!(row.operator_level.unwrap().code(), "O1");
    assert_eq!(row.location_level.unwrap().code(), "G2");
    assert!(row.anycast && row.flags.is_empty() && !row.dialled_without_lookup());
}

#[test]
fn a_disputed_destination_has_no_country_and_keeps_every_reason() {
    let row = host(&sample(), "cdn.example.net");
    assert_eq!(row.country.one(), None);
    let sg: Country = "SG".parse().unwrap();
    assert_eq!(row.country.all(), [Country::CN, sg]);
    let countries = [("dbip".to_owned(), vec![Country::CN]), ("ipfire".to_owned(), vec![sg])];
    assert_eq!(row.countries, countries);
    assert_eq!(row.cnames, ["x.alicdn.com".parse::<DnsName>().unwrap()]);
    assert_eq!(row.operator.one().unwrap().group, "Alibaba Cloud");
    assert_eq!(row.registered_country.one(), Some(&sg));
    assert_eq!(row.as_registered_country.one(), Some(&Country::CN));
    assert_eq!(row.flags.len(), 1);
    assert_eq!(row.flags[0].reasons.len(), 2);
    assert_eq!(row.operator_level.unwrap().code(), "O3");
    assert_eq!(row.location_level.unwrap().code(), "G1");
    assert_eq!((row.contact.code(), row.content_level.code()), ("C2", "P1"));
}

#[test]
fn a_hard_coded_address_shows() {
    let made = sample();
    let row = host(&made, "114.114.114.114");
    assert!(row.dialled_without_lookup());
    assert_eq!(row.hosts, ["114.114.114.114".parse::<Host>().unwrap()]);
    assert_eq!((row.contact.code(), row.location_level.unwrap().code()), ("C4", "G1"));
    let blocked = host(&made, "169.254.169.254");
    assert_eq!((blocked.contact.code(), blocked.content_level.code()), ("C2", "P0"));
    assert_eq!((blocked.operator_level, blocked.location_level), (None, None));
    assert_eq!(blocked.country, Held::Unknown);
}

#[test]
fn a_host_whose_location_changes_shows_every_address_in_time() {
    let mut made = Made::new();
    for (connection, address, country) in
        [(1, "192.0.2.1", "SG"), (2, "198.51.100.1", "CN"), (3, "192.0.2.1", "SG")]
    {
        made.open(connection, connection * 10, Ingress::Connect);
        made.target(connection, "moving.example", None);
        made.look_up(connection, &["moving.example"], &[address]);
        let place = annotation(address, &[("dbip", country), ("ipfire", country)]);
        let number = made.assess(&["moving.example"], &place);
        made.dial(connection, address, number, true);
    }
    let row = host(&made, "moving.example");
    let seen: Vec<(String, u64, u64, u64)> = row
        .addresses
        .iter()
        .map(|seen| {
            let second = |at: WallNanos| (at.0 - START) / 1_000_000_000;
            (
                seen.address.to_string(),
                second(seen.first_seen),
                second(seen.last_seen),
                seen.connections,
            )
        })
        .collect();
    let expected = [("192.0.2.1".to_owned(), 10, 30, 2), ("198.51.100.1".to_owned(), 20, 20, 1)];
    assert_eq!(seen, expected);
    let sg: Country = "SG".parse().unwrap();
    assert_eq!(row.country, Held::Several(vec![sg, Country::CN]));
    assert_eq!(row.countries[0].1, [sg, Country::CN]);
    assert_eq!(row.location_level.unwrap().code(), "G2");
}

#[test]
fn the_agreement_about_one_address_does_not_hide_the_dispute_about_another() {
    let mut made = Made::new();
    for (connection, address, second) in [(1, "192.0.2.1", "SG"), (2, "192.0.2.2", "CN")] {
        made.open(connection, 1, Ingress::Connect);
        made.target(connection, "a.example", None);
        let place = annotation(address, &[("dbip", "SG"), ("ipfire", second)]);
        let number = made.assess(&["a.example"], &place);
        made.dial(connection, address, number, true);
    }
    let row = host(&made, "a.example");
    assert_eq!(row.country.one(), None);
    assert_eq!(row.location_level.unwrap().code(), "G1");
}

#[test]
fn a_dispute_is_one_even_if_only_one_answer_is_left_of_it() {
    let mut made = Made::new();
    made.open(1, 1, Ingress::Connect);
    made.target(1, "a.example", None);
    let answers = vec![("dbip".to_owned(), Country::CN)];
    let disputed = Annotation {
        location: flow::annotation::Location::Disagreed { answers, asked: 2 },
        ..annotation("192.0.2.1", &[])
    };
    let number = made.assess(&["a.example"], &disputed);
    made.dial(1, "192.0.2.1", number, true);
    assert_eq!(host(&made, "a.example").country, Held::Several(vec![Country::CN]));
}

#[test]
fn the_address_that_was_reached_counts_whatever_was_tried_before_or_after() {
    let mut made = Made::new();
    made.open(1, 1, Ingress::Connect);
    made.target(1, "a.example", None);
    for (address, reached) in [("192.0.2.1", false), ("192.0.2.2", true), ("192.0.2.3", false)] {
        let number = made.assess(&["a.example"], &annotation(address, &[("dbip", "SG")]));
        made.dial(1, address, number, reached);
    }
    let row = host(&made, "a.example");
    let addresses: Vec<String> =
        row.addresses.iter().map(|seen| seen.address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.2"]);
    let annotated = row.addresses[0].annotation.as_ref().map(|annotation| annotation.address);
    assert_eq!(annotated, "192.0.2.2".parse().ok());
}

#[test]
fn destinations_are_sorted_with_unknown_values_last_and_paged() {
    let made = sample();
    let sorted = |column, order, limit, offset| {
        let query = DestinationQuery {
            sort: vec![(column, order)],
            limit,
            offset,
            ..DestinationQuery::all(filter::Filter::All, NOW)
        };
        keys(&open(&made).destinations(&query).unwrap())
    };
    assert_eq!(
        sorted(DestinationColumn::BytesUp, Order::Descending, Some(2), 0),
        ["cdn.example.net", "api.example.com"]
    );
    assert_eq!(
        sorted(DestinationColumn::Country, Order::Descending, Some(2), 0),
        ["api.example.com", "114.114.114.114"]
    );
    assert_eq!(
        sorted(DestinationColumn::Country, Order::Ascending, Some(2), 1),
        ["api.example.com", "cdn.example.net"]
    );
    for column in DestinationColumn::ALL {
        assert_eq!(sorted(column, Order::Ascending, None, 0).len(), 4, "{}", column.word());
    }
}
