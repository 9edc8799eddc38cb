//! The evidence levels: facts in, level out. A level is never higher than what a hostile reader must
//! concede.

use super::facts::{AddressFacts, Cited, ConnectionFacts, Facts};
use flow::address::DnsName;
use flow::annotation::{Annotation, Location};
use flow::assessment::{Contact, ContentLevel, LocationLevel, OperatorLevel, Supported};
use flow::claim::Confidence;
use flow::filter::TreatmentKind;
use flow::id::RecordSeq;

/// The contact level of one connection; of a destination, it is the highest of them.
///
/// Of a passed-through TLS connection those bytes alone count that can be nothing else: from outside, the
/// end of a handshake, an alert and data often look alike (`docs/decisions/0014-…`).
pub fn contact_level(facts: ConnectionFacts) -> Contact {
    let relayed_plain = match facts.treatment {
        Some(TreatmentKind::Intercepted | TreatmentKind::Plaintext) => facts.bytes_up > 0,
        _ => false,
    };
    if facts.exchanges {
        Contact::PlaintextSeen
    } else if relayed_plain || facts.tls_data_sent {
        Contact::BytesSent
    } else if facts.client_tls {
        Contact::TlsCompleted
    } else {
        Contact::ConnectionAsked
    }
}

/// The content level of one connection; of a destination, it is the highest of them.
pub fn content_level(facts: ConnectionFacts) -> ContentLevel {
    if facts.exchanges {
        ContentLevel::Decoded
    } else if facts.bytes_up > 0 || facts.bytes_down > 0 {
        ContentLevel::SizesAndTimes
    } else {
        ContentLevel::Opaque
    }
}

/// The operator level of one address, dialled for a name (`named`) whose CNAME chain (without the
/// asked name) holds `aliases`.
///
/// Confidence C links by public reporting only: it never adds a level. O3 takes confidence A and
/// an alias within the operator's zone; the asked name itself is chosen by the customer.
pub fn operator_level(
    annotation: Option<&Annotation>,
    named: bool,
    aliases: &[DnsName],
) -> Option<OperatorLevel> {
    let base = named.then_some(OperatorLevel::NameHint);
    let Some(annotation) = annotation else { return base };
    let by_as = annotation.asn.map(|_| OperatorLevel::OriginAs);
    let curated = annotation.operator.as_ref().and_then(|operator| match operator.confidence {
        Confidence::A if aliases.iter().any(|alias| alias.is_within(&operator.matched)) => {
            Some(OperatorLevel::OwnZone)
        }
        Confidence::A | Confidence::B => Some(OperatorLevel::Curated),
        Confidence::C => None,
    });
    base.max(by_as).max(curated)
}

/// The location level of one address. A destination with several has the lowest of them.
///
/// An analyst's own correction is a hint: it is a statement without a database.
pub fn location_level(annotation: Option<&Annotation>) -> Option<LocationLevel> {
    let annotation = annotation?;
    match &annotation.location {
        Location::Agreed { answered, asked, .. } if answered == asked && *asked > 1 => {
            Some(LocationLevel::AllDatabases)
        }
        Location::Agreed { .. } | Location::Disagreed { .. } => Some(LocationLevel::OneDatabase),
        Location::Overridden { .. } => Some(LocationLevel::Hint),
        Location::Unknown => annotation
            .address_registered
            .or(annotation.as_registered)
            .map(|_registered| LocationLevel::Hint),
    }
}

/// The lowest operator level of the addresses, so that it holds for all of them, with the records that
/// support it: those of the addresses, and of the aliases in the operator's zone where it rests on them.
pub(super) fn operator(facts: &Facts) -> Option<Supported<OperatorLevel>> {
    let named = facts.host.name().is_some();
    let base = operator_level(None, named, &[]);
    let aliases: Vec<DnsName> = facts.aliases.iter().map(|alias| alias.value.clone()).collect();
    let of = |address: &AddressFacts| operator_level(Some(&address.annotation), named, &aliases);
    let lowest = match facts.not_asked {
        0 => facts.addresses.iter().map(of).min().flatten(),
        _ => None,
    };
    let level = lowest.or(base)?;
    let mut records: Vec<RecordSeq> = match lowest {
        Some(_) => facts.addresses.iter().flat_map(|a| a.records.iter().copied()).collect(),
        None => Vec::new(),
    };
    if level == OperatorLevel::OwnZone {
        let zones = facts.addresses.iter().filter_map(|a| a.annotation.operator.as_ref());
        let within = zones.flat_map(|operator| aliases_within(facts, &operator.matched));
        records.extend(within.flat_map(|alias| alias.records.iter().copied()));
    }
    Some(Supported { level, records: sorted(records) })
}

/// The aliases that lie within a zone.
fn aliases_within<'a>(facts: &'a Facts, zone: &'a str) -> impl Iterator<Item = &'a Cited<DnsName>> {
    facts.aliases.iter().filter(move |alias| alias.value.is_within(zone))
}

/// The lowest location level of the addresses, with the records of all of them: one that nothing is
/// known of leaves nothing to say of the whole.
pub(super) fn location(facts: &Facts) -> Option<Supported<LocationLevel>> {
    if facts.not_asked > 0 {
        return None;
    }
    let levels = facts.addresses.iter().map(|a| location_level(Some(&a.annotation)));
    let level = levels.min().flatten()?;
    let records = facts.addresses.iter().flat_map(|a| a.records.iter().copied()).collect();
    Some(Supported { level, records: sorted(records) })
}

/// In ascending order, each once.
pub(super) fn sorted(mut records: Vec<RecordSeq>) -> Vec<RecordSeq> {
    records.sort_unstable();
    records.dedup();
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::claim::{Asn, Country, Operator};

    fn annotation(location: Location) -> Annotation {
        Annotation { location, ..Annotation::unknown("8.136.0.1".parse().unwrap()) }
    }

    fn facts(treatment: TreatmentKind, bytes_up: u64) -> ConnectionFacts {
        ConnectionFacts {
            treatment: Some(treatment),
            client_tls: false,
            tls_data_sent: false,
            bytes_up,
            bytes_down: 0,
            exchanges: false,
        }
    }

    #[test]
    fn contact_is_judged_on_the_devices_leg() {
        let check = |facts, code| assert_eq!(contact_level(facts).code(), code, "{facts:?}");
        check(facts(TreatmentKind::Blocked, 0), "C2");
        check(facts(TreatmentKind::Failed, 0), "C2");
        // Half a megabyte through a tunnel that we did not open proves no handshake.
        check(facts(TreatmentKind::Passthrough, 500_000), "C2");
        let passed = facts(TreatmentKind::Passthrough, 500_000);
        check(ConnectionFacts { client_tls: true, ..passed }, "C3");
        check(ConnectionFacts { client_tls: true, tls_data_sent: true, ..passed }, "C4");
        check(ConnectionFacts { client_tls: true, ..facts(TreatmentKind::Intercepted, 0) }, "C3");
        check(ConnectionFacts { client_tls: true, ..facts(TreatmentKind::Intercepted, 9) }, "C4");
        check(facts(TreatmentKind::Plaintext, 9), "C4");
        check(ConnectionFacts { exchanges: true, ..facts(TreatmentKind::Plaintext, 9) }, "C5");
    }

    #[test]
    fn content_goes_no_further_than_what_was_seen() {
        let check = |facts, code| assert_eq!(content_level(facts).code(), code, "{facts:?}");
        check(facts(TreatmentKind::Failed, 0), "P0");
        check(facts(TreatmentKind::Passthrough, 1), "P1");
        check(ConnectionFacts { exchanges: true, ..facts(TreatmentKind::Intercepted, 9) }, "P3");
    }

    #[test]
    fn an_operator_needs_the_right_confidence_for_each_level() {
        let alias = ["x.alicdn.com".parse().unwrap()];
        let check = |confidence, matched: &str, aliases: &[_], code| {
            let operator = Operator {
                group: "Alibaba Cloud".into(),
                headquarters: Some(Country::CN),
                confidence,
                basis: String::new(),
                matched: matched.into(),
            };
            let annotation = Annotation {
                asn: Some(Asn(45102)),
                operator: Some(operator),
                ..annotation(Location::Unknown)
            };
            let level = operator_level(Some(&annotation), true, aliases);
            assert_eq!(level.map(OperatorLevel::code), Some(code), "{confidence:?} {matched}");
        };
        check(Confidence::A, "alicdn.com", &alias, "O3");
        check(Confidence::A, "alicdn.com", &[], "O2");
        check(Confidence::A, "AS45102", &alias, "O2");
        check(Confidence::B, "alicdn.com", &alias, "O2");
        check(Confidence::C, "alicdn.com", &alias, "O1");
        assert_eq!(operator_level(None, true, &alias), Some(OperatorLevel::NameHint));
        assert_eq!(operator_level(None, false, &[]), None);
    }

    #[test]
    fn a_location_needs_every_database_for_the_highest_level() {
        let sg: Country = "SG".parse().unwrap();
        let check = |location, code: Option<&str>| {
            let level = location_level(Some(&annotation(location)));
            assert_eq!(level.map(LocationLevel::code), code);
        };
        check(Location::Agreed { country: sg, answered: 2, asked: 2 }, Some("G2"));
        check(Location::Agreed { country: sg, answered: 2, asked: 3 }, Some("G1"));
        check(Location::Agreed { country: sg, answered: 1, asked: 1 }, Some("G1"));
        let answers = vec![("a".to_owned(), sg), ("b".to_owned(), Country::CN)];
        check(Location::Disagreed { answers, asked: 2 }, Some("G1"));
        check(Location::Overridden { country: sg }, Some("G0"));
        check(Location::Unknown, None);
        let registered =
            Annotation { address_registered: Some(sg), ..annotation(Location::Unknown) };
        assert_eq!(location_level(Some(&registered)), Some(LocationLevel::Hint));
        assert_eq!(location_level(None), None);
    }
}
