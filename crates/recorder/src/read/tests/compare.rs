use super::super::compare::{Compared, Difference, Respects, compare};
use super::super::destination::DestinationRow;
use super::*;

fn rows(made: &Made, filter: &str) -> Vec<DestinationRow> {
    let query = DestinationQuery::all(filter::parse(filter).unwrap(), NOW);
    open(made).destinations(&query).unwrap()
}

fn told(differences: &[Difference]) -> Vec<String> {
    let side = |compared: &Compared| match compared {
        Compared::Count(count) => count.to_string(),
        Compared::Texts(texts) => texts.join(","),
    };
    let line = |found: &Difference| {
        let Difference { destination, kind, what, a, b } = found;
        format!("{destination} {} {what} {} | {}", kind.word(), side(a), side(b))
    };
    differences.iter().map(line).collect()
}

/// A session with one host at an address, in these countries by two sources.
fn at_address(host: &str, address: &str, countries: [&str; 2], bytes: u64) -> Made {
    let mut made = Made::new();
    made.open(1, 1, Ingress::Connect);
    made.target(1, host, None);
    made.look_up(1, &[host], &[address]);
    let [first, second] = countries;
    let place = annotation(address, &[("dbip", first), ("ipfire", second)]);
    let number = made.assess(&[host], &place);
    made.dial(1, address, number, true);
    made.treat(1, &Treatment::Passthrough(PassthroughWhy::Rule("*".into())));
    made.close(1, 2, bytes, 7);
    made
}

#[test]
fn a_session_is_equal_to_itself() {
    let rows = rows(&sample(), "");
    assert_eq!(compare(&rows, &rows, Respects::ClaimsAndTraffic), []);
    assert_eq!(compare(&[], &[], Respects::ClaimsAndTraffic), []);
}

#[test]
fn what_one_session_has_alone_and_what_both_tell_differently() {
    let a = at_address("moved.example", "192.0.2.1", ["SG", "SG"], 10);
    let b = at_address("moved.example", "192.0.2.2", ["SG", "CN"], 30);
    let claims = [
        "moved.example claims addresses 192.0.2.1 | 192.0.2.2",
        "moved.example claims country SG | CN,SG",
        "moved.example claims countries dbip SG,ipfire SG | dbip SG,ipfire CN",
        "moved.example claims location_level G2 | G1",
    ];
    let differences = compare(&rows(&a, ""), &rows(&b, ""), Respects::Claims);
    assert_eq!(told(&differences), claims);
    let differences = compare(&rows(&a, ""), &rows(&b, ""), Respects::ClaimsAndTraffic);
    assert_eq!(told(&differences)[4..], ["moved.example traffic bytes_up 10 | 30"]);

    let other = at_address("other.example", "192.0.2.1", ["SG", "SG"], 10);
    let differences = compare(&rows(&a, ""), &rows(&other, ""), Respects::Claims);
    assert_eq!(
        told(&differences),
        ["moved.example only-in-a connections 1 | 0", "other.example only-in-b connections 0 | 1"]
    );
    let differences = compare(&rows(&a, "host:x"), &rows(&other, "host:x"), Respects::Claims);
    assert_eq!(differences, []);
}
