use super::super::error::ReadError;
use super::super::query::{FlowColumn, FlowQuery, Order};
use super::*;
use flow::filter::Filter;
use flow::id::FlowId;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

const ALL: [&str; 6] = ["c1.1", "c2", "c3", "c4", "c5", "c1.2"];

#[test]
fn every_term_finds_what_it_says() {
    let made = sample();
    let session = open(&made);
    let check = |text: &str, expected: &[&str]| assert_eq!(ids(&session, text), expected, "{text}");
    check("", &ALL);
    check("host:api.example.com", &["c1.1", "c1.2"]);
    check("host:API.Example.*", &["c1.1", "c1.2"]);
    check("host:example.com", &[]);
    check("host:*.example.*", &["c1.1", "c2", "c1.2"]);
    check("path:/v1/*", &["c1.1"]);
    check("path:USERS", &["c1.1"]);
    check("path:users*", &[]);
    check("type:json", &["c1.1"]);
    check("type:text/*", &["c1.2"]);
    check("device:10.0.0.5 connection:c2,c3", &["c2", "c3"]);
    check("device:test* id:c1.2", &["c1.2"]);
    check("app:Weather", &["c1.1", "c1.2"]);
    check("not(app:*)", &["c2", "c3", "c4", "c5"]);
    check("method:post,PUT", &["c1.2"]);
    check("protocol:http/1.1", &["c1.1", "c1.2"]);
    check("protocol:tcp", &["c3"]);
    check("why:metadata", &["c4"]);
    check("flag:mainland-china", &["c2"]);
    check("operator:alibaba", &["c2"]);
    check("operator-country:CN confidence:A", &["c2"]);
    check("confidence:B,C", &[]);
    check("country:SG", &["c1.1", "c1.2"]);
    check("country:CN", &["c3"]);
    check("registered:SG as-registered:CN", &["c2"]);
    check("location:CN", &["c2", "c3"]);
    check("location:disagreed", &["c2"]);
    check("location:agreed", &["c1.1", "c3", "c1.2"]);
    check("location:unknown", &["c4", "c5"]);
    check("asn:AS37963,1", &["c2"]);
    check("address:8.136.0.1", &["c2"]);
    check("address:8.0.0.0/8", &["c1.1", "c2", "c1.2"]);
    check("address:0.0.0.0/0", &["c1.1", "c2", "c3", "c4", "c1.2"]);
    check("address:::/0", &[]);
    check("port:443", &ALL);
    check("port:<443,444-65535", &[]);
    check("treatment:passthrough,blocked", &["c2", "c4"]);
    check("distrust:pinned,probable", &[]);
    check("status:4xx", &["c1.2"]);
    check("status:200,404", &["c1.1", "c1.2"]);
    check("size:>1kB", &["c2", "c1.2"]);
    check("up:2000", &["c1.2"]);
    check("down:5", &["c1.1"]);
    check("time:-6m", &["c1.2"]);
    check("time:..2026-11-20T00:00:15Z", &["c1.1", "c2"]);
    check("time:2026-11-20", &ALL);
    check("has:flag", &["c2"]);
    check("has:lookup", &["c1.1", "c2", "c1.2"]);
    check("has:operator", &["c2"]);
    check("has:anycast", &["c1.1", "c1.2"]);
    check("has:exchange has:body", &["c1.1", "c1.2"]);
    check("has:country", &["c1.1", "c3", "c1.2"]);
    check("id:c1", &["c1.1", "c1.2"]);
    check("connection:c18446744073709551615 or id:c18446744073709551615", &[]);
    check("simulated:yes", &ALL);
    check("simulated:no", &[]);
    check("users", &["c1.1"]);
    check("alibaba or 114.114", &["c2", "c3"]);
}

#[test]
fn every_row_of_a_simulated_session_is_simulated_and_not_only_what_was_dialled() {
    let check = |made: &Made, simulated: bool| {
        let session = open(made);
        let rows = session.flows(&FlowQuery::all(Filter::All, NOW)).unwrap();
        assert!(rows.iter().all(|row| row.simulated == simulated));
        for id in ["c1", "c1.1", "c4"] {
            let row = session.flow(id.parse().unwrap()).unwrap().row;
            assert_eq!(row.simulated, simulated, "{id}");
        }
        let query = DestinationQuery::all(Filter::All, NOW);
        let destinations = session.destinations(&query).unwrap();
        assert!(destinations.iter().all(|row| row.simulated == simulated));
    };
    let made = sample();
    check(&made, true);
    let log = made.session.log_file();
    let text = std::fs::read_to_string(&log).unwrap();
    let real = text.replacen("\"simulated\":true", "\"simulated\":false", 1);
    assert_ne!(text, real);
    std::fs::write(&log, real).unwrap();
    std::fs::remove_file(made.session.index_file()).unwrap();
    check(&made, false);
}

#[test]
fn what_has_no_value_matches_only_the_negation() {
    let made = sample();
    let session = open(&made);
    assert_eq!(ids(&session, "not(status:404)"), ["c1.1", "c2", "c3", "c4", "c5"]);
    assert_eq!(ids(&session, "not(operator:alibaba) not(method:GET)"), ["c3", "c4", "c5", "c1.2"]);
    assert_eq!(ids(&session, "not(not(status:404))"), ["c1.2"]);
}

#[test]
fn a_condition_on_what_nobody_looks_for_is_refused_and_not_simply_unmet() {
    let made = sample();
    let filter = filter::parse("host:x or not(has:identifier)").unwrap();
    let result = open(&made).flows(&FlowQuery::all(filter, NOW));
    assert!(matches!(result, Err(ReadError::NotLookedFor("identifiers"))), "{result:?}");
}

#[test]
fn values_are_never_sql_and_never_wildcards() {
    let mut made = Made::new();
    let paths =
        ["/a%b", "/a_b", "/axb", "/a\\b", "/a'b", "/a\"b", "/a*b", "/[a]b", "/a\u{0}b", "/é"];
    made.open(1, 1, Ingress::Connect);
    for (number, path) in (1_u32..).zip(paths) {
        made.request(exchange(1, number), u64::from(number), "GET", path);
    }
    let session = open(&made);
    let check = |text: &str, expected: &[&str]| assert_eq!(ids(&session, text), expected, "{text}");
    check("path:/a%b", &["c1.1"]);
    check("path:/a_b", &["c1.2"]);
    check("path:\"/a\\\\b\"", &["c1.4"]);
    check("path:/a'b", &["c1.5"]);
    check("path:\"/a\\\"b\"", &["c1.6"]);
    check("path:\"/a*b\"", &["c1.7"]);
    check("path:/[a]b", &["c1.8"]);
    check("path:\"/a\u{0}b\"", &["c1.9"]);
    check("path:/é", &["c1.10"]);
    check("path:/a*b*", &["c1.1", "c1.2", "c1.3", "c1.4", "c1.5", "c1.6", "c1.7", "c1.9"]);
    for attack in [
        "path:\"' OR 1=1 --\"",
        "host:\"x'); DROP TABLE flows; --\"",
        "flag:\"') OR ('1'='1\"",
        "\"\u{0}' UNION SELECT 1\"",
        "device:\"?1\"",
    ] {
        check(attack, &[]);
    }
    assert_eq!(ids(&session, "").len(), paths.len());
}

#[test]
fn rows_are_sorted_with_unknown_values_last_and_paged() {
    let made = sample();
    let session = open(&made);
    let sorted = |column, order, limit, offset| -> Vec<String> {
        let sort = vec![(column, order)];
        let query = FlowQuery { sort, limit, offset, ..FlowQuery::all(Filter::All, NOW) };
        session.flows(&query).unwrap().iter().map(|row| row.id.to_string()).collect()
    };
    let (up, down) = (Order::Ascending, Order::Descending);
    assert_eq!(sorted(FlowColumn::Status, down, None, 0), ["c1.2", "c1.1", "c2", "c3", "c4", "c5"]);
    assert_eq!(sorted(FlowColumn::Status, up, None, 0), ["c1.1", "c1.2", "c2", "c3", "c4", "c5"]);
    assert_eq!(sorted(FlowColumn::RequestBytes, down, Some(2), 0), ["c2", "c1.2"]);
    assert_eq!(sorted(FlowColumn::Id, up, Some(2), 1), ["c1.2", "c2"]);
    assert_eq!(sorted(FlowColumn::Flags, down, Some(1), 0), ["c2"]);
    // Numerically, not by their text.
    assert_eq!(sorted(FlowColumn::Address, up, Some(3), 0), ["c1.1", "c1.2", "c2"]);
    for column in FlowColumn::ALL {
        assert_eq!(sorted(column, down, None, 0).len(), ALL.len(), "{}", column.word());
    }
}

#[test]
fn a_walk_over_flows_can_be_ended_early() {
    let made = sample();
    let mut seen = Vec::new();
    open(&made)
        .for_each_flow(&FlowQuery::all(Filter::All, NOW), |row| {
            seen.push(row.id.to_string());
            if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, ["c1.1", "c2"]);
}

#[test]
fn rows_hold_what_was_recorded_and_nothing_that_was_not() {
    let made = sample();
    let session = open(&made);
    let row = |id: &str| {
        let filter = filter::parse(&format!("id:{id}")).unwrap();
        session.flows(&FlowQuery::all(filter, NOW)).unwrap().pop().unwrap()
    };
    let get = row("c1.1");
    assert_eq!(get.time, at(2).wall);
    assert_eq!(get.method.as_deref(), Some("GET"));
    assert_eq!(get.path.as_deref(), Some("/v1/users?id=1"));
    assert_eq!((get.status, get.request_bytes, get.response_bytes), (Some(200), Some(0), Some(5)));
    assert_eq!(get.media_type.as_deref(), Some("application/json"));
    assert_eq!(get.duration, Some(std::time::Duration::from_secs(2)));
    assert_eq!(get.outcome.as_deref(), Some("complete"));
    assert_eq!(get.address, "8.8.4.4".parse().ok());
    assert_eq!(get.annotation.as_deref(), Some(&google()));
    assert!(get.looked_up);
    let passed = row("c2");
    assert_eq!(passed.why.as_deref(), Some("the passthrough rule *.example.net matches"));
    assert_eq!((passed.request_bytes, passed.response_bytes), (Some(600_000), Some(1000)));
    assert_eq!((passed.method, passed.status, passed.protocol), (None, None, None));
    assert_eq!(passed.annotation.as_deref(), Some(&alibaba()));
    let blocked = row("c4");
    assert_eq!(blocked.annotation, None);
    assert!(!row("c3").looked_up);
    assert_eq!((row("c5").address, row("c5").looked_up), (None, false));
    assert_eq!(row("c3").id, "c3".parse::<FlowId>().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_filter_and_its_negation_share_all_rows(
        parts in proptest::collection::vec(
            "(not )?(host:|path:|operator:|flag:|why:|type:)[a-z0-9*./%_'-]{1,6}\
             |(not )?(country|location|registered|as-registered):(CN|SG)\
             |(not )?(status|port|size|up|down):[<>]?[0-9]{1,4}\
             |(not )?has:(flag|lookup|operator|country|anycast|exchange|response|body)\
             |or|[a-z]{1,4}|time:-[0-9]{1,3}s|address:[0-9]{1,3}.0.0.0/[0-9]",
            1..6,
        )
    ) {
        let text = parts.join(" ");
        let Ok(filter) = filter::parse(&text) else { return Ok(()) };
        thread_local! {
            static MADE: (Made, Session) = {
                let made = sample();
                let session = open(&made);
                (made, session)
            };
        }
        MADE.with(|(_, session)| {
            let found = |filter: Filter| -> BTreeSet<String> {
                let rows = session.flows(&FlowQuery::all(filter, NOW)).unwrap();
                rows.iter().map(|row| row.id.to_string()).collect()
            };
            let with = found(filter.clone());
            let without = found(Filter::Not(Box::new(filter)));
            prop_assert!(with.is_disjoint(&without), "{}", text);
            prop_assert_eq!(with.len() + without.len(), ALL.len(), "{}", text);
            Ok(())
        })?;
    }
}
