//! Which round trips count for a destination, and why others do not.

use super::super::Questions;
use super::super::destination::DestinationKey;
use super::*;
use crate::record::Body;
use flow::assessment::{NoStatement, RoundTrips, Samples};
use flow::id::{ConnectionId, RecordSeq};
use flow::round_trip::{ChainRoots, RoundTripSample};
use flow::uplink::{DefaultRoute, Epoch, Interface, InterfaceKind, Uplink};
use std::time::Duration;

const ADDRESS: &str = "8.136.0.1";

/// Two hosts at one address, which are the connections 1 and 2.
fn two_hosts() -> Made {
    let mut made = Made::new();
    for (connection, host) in [(1, "a.example"), (2, "b.example")] {
        made.open(connection, 1, Ingress::Connect);
        made.target(connection, host, None);
        made.look_up(connection, &[host], &[ADDRESS]);
        let number = made.assess(&[host], &annotation(ADDRESS, &[("dbip", "SG")]));
        made.dial(connection, ADDRESS, number, true);
        made.treat(connection, &Treatment::Intercepted);
        made.close(connection, 2, 10, 10);
    }
    made
}

/// From here on, the way out leads by this interface; `None`: nobody tells.
fn network(made: &mut Made, number: u64, way: Option<InterfaceKind>) {
    let uplink = way.map(|kind| Uplink {
        interfaces: vec![Interface { name: "x0".to_owned(), kind }],
        default_routes: vec![DefaultRoute { interface: "x0".to_owned(), gateway: None }],
        leaves_by: Vec::new(),
    });
    let epoch = Epoch { number, at: at(1), uplink, upstream_proxy: false };
    made.add(at(1), Body::Network((&epoch).into()));
}

fn sample(connection: u64, epoch: u64, milliseconds: u64) -> RoundTripSample {
    RoundTripSample {
        connection: ConnectionId(connection),
        at: at(1),
        address: ADDRESS.parse().unwrap(),
        server_name: "a.example".to_owned(),
        epoch,
        signature: Duration::from_millis(milliseconds),
        chain: ChainRoots::Public,
        retried: false,
        connect: None,
        kernel: None,
        simulated: false,
    }
}

fn measure(made: &mut Made, sample: &RoundTripSample) {
    made.add(at(1), Body::Rtt(sample.into()));
}

/// The round trips of a host, and why there is no statement.
fn facts(made: &Made, host: &str) -> (Vec<RoundTrips>, Option<NoStatement>) {
    let session = open(made);
    let query = DestinationQuery::all(filter::parse("").unwrap(), NOW);
    let key = DestinationKey::Host(Some(host.parse().unwrap()));
    let rows = session.destinations(&query).unwrap();
    let row = rows.iter().find(|row| row.key == key).unwrap();
    let facts = session.facts(row, &Questions::default()).unwrap().unwrap();
    let round_trips = facts.addresses.into_iter().flat_map(|address| address.round_trips);
    (round_trips.collect(), facts.no_statement)
}

fn signatures(round_trips: &[RoundTrips]) -> Vec<Option<(u64, u64)>> {
    let least = |samples: Samples| (samples.least.as_millis() as u64, samples.count);
    round_trips.iter().map(|one| one.signature.map(least)).collect()
}

#[test]
fn samples_of_different_epochs_hosts_and_names_are_never_added_up() {
    let mut made = two_hosts();
    network(&mut made, 1, Some(InterfaceKind::Ethernet));
    let first = made.seq;
    measure(&mut made, &sample(1, 1, 7));
    measure(&mut made, &sample(1, 1, 5));
    measure(&mut made, &sample(2, 1, 1));
    let other = RoundTripSample { server_name: "c.example".to_owned(), ..sample(1, 1, 2) };
    measure(&mut made, &other);
    network(&mut made, 2, Some(InterfaceKind::Wireless));
    measure(&mut made, &sample(1, 2, 9));
    let own = RoundTripSample { chain: ChainRoots::Own, ..sample(1, 2, 1) };
    measure(&mut made, &own);
    let (round_trips, silence) = facts(&made, "a.example");
    assert_eq!(silence, None);
    let expected = [Some((5, 2)), Some((2, 1)), Some((9, 1))];
    assert_eq!(signatures(&round_trips), expected);
    let cited = [RecordSeq(first - 1), RecordSeq(first), RecordSeq(first + 1)];
    assert_eq!(round_trips[0].records, cited);
    assert_eq!(signatures(&facts(&made, "b.example").0), [Some((1, 1))]);
}

#[test]
fn samples_of_a_tunnel_or_an_unknown_network_do_not_count() {
    for (way, why) in [
        (Some(InterfaceKind::Tun), NoStatement::Tunnel("x0".to_owned())),
        (None, NoStatement::NetworkUnknown),
    ] {
        let mut made = two_hosts();
        network(&mut made, 1, way);
        assert_eq!(facts(&made, "a.example"), (Vec::new(), Some(why.clone())), "nothing measured");
        measure(&mut made, &sample(1, 1, 4));
        assert_eq!(facts(&made, "a.example"), (Vec::new(), Some(why)));
        network(&mut made, 2, Some(InterfaceKind::Ethernet));
        measure(&mut made, &sample(1, 2, 6));
        let (round_trips, silence) = facts(&made, "a.example");
        assert_eq!((signatures(&round_trips), silence), (vec![Some((6, 1))], None));
    }
}

#[test]
fn a_simulated_sample_counts_as_three() {
    let mut made = two_hosts();
    network(&mut made, 1, Some(InterfaceKind::Ethernet));
    measure(&mut made, &RoundTripSample { simulated: true, ..sample(1, 1, 4) });
    assert_eq!(signatures(&facts(&made, "a.example").0), [Some((4, 3))]);
}

#[test]
fn behind_an_upstream_proxy_nothing_is_said() {
    let mut made = two_hosts();
    let uplink = Some(Uplink::default());
    let epoch = Epoch { number: 1, at: at(1), uplink, upstream_proxy: true };
    made.add(at(1), Body::Network((&epoch).into()));
    let silence = Some(NoStatement::UpstreamProxy);
    assert_eq!(facts(&made, "a.example"), (Vec::new(), silence));
}
