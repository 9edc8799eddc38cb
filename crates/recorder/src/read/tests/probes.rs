//! What imported probes add to the facts about a destination, and what they do not.

use super::super::Questions;
use super::super::destination::DestinationKey;
use super::*;
use crate::Error;
use crate::fixture::{Ticking, tool};
use crate::probe::{ProbeFile, ProbeShape, tests::probe};
use crate::record::probe::{ReviewProbe, Standing};
use crate::record::review::ReviewBody;
use crate::record::sealed::Sealed;
use crate::record::value::Spelled;
use crate::review::{ReviewWriter, Reviews};
use crate::signer::Signer;
use flow::assessment::{MeasuredFrom, NoStatement, ProbedWhen, RoundTrips};
use flow::uplink::{DefaultRoute, Interface, InterfaceKind, Uplink};
use std::sync::Arc;

const ADDRESS: &str = "192.0.2.7";

/// A host at the address and port that the fixture's probe measured.
fn seen() -> Made {
    let mut made = Made::new();
    made.open(1, 1, Ingress::Connect);
    made.target(1, "a.example", None);
    made.look_up(1, &["a.example"], &[ADDRESS]);
    let number = made.assess(&["a.example"], &annotation(ADDRESS, &[("dbip", "SG")]));
    made.dial(1, ADDRESS, number, true);
    made.treat(1, &Treatment::Intercepted);
    made.close(1, 2, 10, 10);
    made
}

fn connected(kind: InterfaceKind) -> Uplink {
    Uplink {
        interfaces: vec![Interface { name: "x0".to_owned(), kind }],
        default_routes: vec![DefaultRoute { interface: "x0".to_owned(), gateway: None }],
        leaves_by: Vec::new(),
    }
}

fn sound() -> ProbeShape {
    let mut probe = probe();
    probe.network.uplink = Some((&connected(InterfaceKind::Ethernet)).into());
    probe
}

fn signer() -> Signer {
    Signer::load_or_create(tempfile::tempdir().unwrap().path()).unwrap()
}

/// Appends the record, whatever it says.
fn append(made: &Made, record: ReviewProbe) -> Result<Reviews, Error> {
    let (directory, clock) = (open(made).directory().clone(), Arc::new(Ticking::default()));
    let session = open(made).id().unwrap();
    let mut log = ReviewWriter::open(&directory, session, signer(), clock, tool()).unwrap();
    log.append(ReviewBody::Probe(record)).unwrap();
    Reviews::read(&directory, session)
}

fn record(file: &ProbeFile) -> ReviewProbe {
    ReviewProbe {
        file: file.text().to_owned(),
        key: file.key().0.into(),
        reviewer: Sealed::Open("m".to_owned()),
        sha256: file.sha256(),
        standing: Standing::Unknown,
    }
}

/// What a probe adds to the facts about the host.
fn added(change: impl Fn(&mut ProbeShape)) -> Vec<RoundTrips> {
    let made = seen();
    let mut shape = sound();
    change(&mut shape);
    let reviews = append(&made, record(&ProbeFile::sign(shape, &signer()).unwrap())).unwrap();
    let session = open(&made);
    let query = DestinationQuery::all(filter::parse("").unwrap(), NOW);
    let row = session.destinations(&query).unwrap().remove(0);
    let DestinationKey::Host(Some(host)) = &row.key else { panic!("{row:?}") };
    let mut facts = session.facts(&row, &Questions::default()).unwrap().unwrap();
    reviews.add_probes(&mut facts, &row, &session.ports(host).unwrap());
    facts.addresses.remove(0).round_trips
}

fn silence(change: impl Fn(&mut ProbeShape)) -> Option<NoStatement> {
    let round_trips = added(change);
    let MeasuredFrom::Probe(probe) = &round_trips[0].from else { panic!() };
    probe.silence.clone()
}

#[test]
fn a_probe_counts_for_the_same_host_address_and_port() {
    let round_trips = added(|_probe| {});
    let signature = round_trips[0].signature.unwrap();
    assert_eq!((signature.least.as_millis(), signature.count), (4, 3));
    let mapped: std::net::IpAddr = "::ffff:192.0.2.7".parse().unwrap();
    let same = added(|probe| probe.hosts[0].addresses[0].address = Spelled(mapped));
    assert_eq!(same.len(), 1, "another spelling of the address");
    let none = |change: fn(&mut ProbeShape)| assert_eq!(added(change).len(), 0);
    none(|probe| probe.hosts[0].host = Spelled("b.example".parse().unwrap()));
    none(|probe| probe.hosts[0].port = 8443);
    none(|probe| probe.hosts[0].addresses[0].address = Spelled("192.0.2.8".parse().unwrap()));
}

#[test]
fn only_public_chains_and_networks_without_detours_speak() {
    let round_trips = added(|probe| {
        let samples = &mut probe.hosts[0].addresses[0].samples;
        samples[0].chain = Spelled(flow::round_trip::ChainRoots::Own);
        samples[1].chain = Spelled(flow::round_trip::ChainRoots::Unverified);
    });
    assert_eq!(round_trips[0].signature.unwrap().count, 1);
    assert_eq!(round_trips[0].connect.unwrap().count, 3);
    assert_eq!(silence(|_probe| {}), None);
    let tunnel = Some(NoStatement::Tunnel("x0".to_owned()));
    let by_tunnel = |probe: &mut ProbeShape| {
        probe.network.uplink = Some((&connected(InterfaceKind::WireGuard)).into());
    };
    assert_eq!(silence(by_tunnel), tunnel);
    assert_eq!(silence(|probe| probe.network.uplink = None), Some(NoStatement::NetworkUnknown));
    let by_proxy = silence(|probe| probe.network.upstream_proxy = true);
    assert_eq!(by_proxy, Some(NoStatement::UpstreamProxy));
}

#[test]
fn how_far_a_probe_is_from_the_session_in_time_is_told() {
    let when = |from: u64, to: u64| {
        let round_trips = added(|probe| {
            probe.began = crate::record::value::Wall(at(from).wall);
            probe.ended = crate::record::value::Wall(at(to).wall);
        });
        let MeasuredFrom::Probe(probe) = &round_trips[0].from else { panic!() };
        probe.when
    };
    assert_eq!(when(0, 9_000_000), ProbedWhen::Meanwhile);
    assert!(matches!(when(8_000_000, 9_000_000), ProbedWhen::After(_)));
}

#[test]
fn a_record_whose_probe_is_not_sound_is_a_changed_log() {
    let file = ProbeFile::sign(sound(), &signer()).unwrap();
    let refused = |change: fn(&mut ReviewProbe)| {
        let mut record = record(&file);
        change(&mut record);
        let error = append(&seen(), record).unwrap_err();
        let fault = crate::ReviewFault::Probe(1);
        assert!(
            matches!(error, Error::BadReview { fault: found, .. } if found == fault),
            "{error}"
        );
    };
    refused(|record| record.file = record.file.replacen("4000000", "4000001", 1));
    refused(|record| record.sha256 = "00".repeat(32));
    refused(|record| record.key = [7; 32].into());
}
