//! What claims add up to. Pure: the same claims give the same annotation.
//!
//! Levels are not raised by counting: sources that agree are *agreed*, sources that do not are
//! *disagreed* with every answer kept, and the analyst's override stands above both without
//! removing either.

use crate::source_name;
use flow::annotation::{Annotation, Location};
use flow::claim::{Asn, Claim, Confidence, Country, Operator, Statement};
use std::net::IpAddr;

/// The annotation of `address`, whose `claims` are in the order in which the sources were asked.
/// `asked` is the number of location databases among them, answered or not. Without flags, which
/// are up to the policies.
pub(crate) fn annotation(address: IpAddr, claims: Vec<Claim>, asked: usize) -> Annotation {
    let origin = claims.iter().find_map(origin_as);
    Annotation {
        address,
        location: location(&claims, asked),
        asn: origin.map(|(asn, _name)| asn),
        as_name: origin.and_then(|(_asn, name)| name.map(str::to_owned)),
        operator: operator(&claims).cloned(),
        address_registered: claims.iter().find_map(|claim| match claim.statement {
            Statement::AddressRegistered(country) => Some(country),
            _ => None,
        }),
        as_registered: claims.iter().find_map(|claim| match claim.statement {
            Statement::AsRegistered(country) => Some(country),
            _ => None,
        }),
        anycast: claims.iter().any(|claim| claim.statement == Statement::Anycast),
        special_range: claims.iter().find_map(|claim| match &claim.statement {
            Statement::SpecialRange(name) => Some(name.clone()),
            _ => None,
        }),
        flags: Vec::new(),
        claims,
    }
}

fn location(claims: &[Claim], asked: usize) -> Location {
    let located = |claim: &Claim| match claim.statement {
        Statement::Located(country) => Some(country),
        _ => None,
    };
    if let Some(country) = claims.iter().filter(|claim| is_override(claim)).find_map(located) {
        return Location::Overridden { country };
    }
    let answers: Vec<(String, Country)> = claims
        .iter()
        .filter_map(|claim| Some((claim.source.name.clone(), located(claim)?)))
        .collect();
    match answers.first().map(|(_source, country)| *country) {
        None => Location::Unknown,
        Some(country) if answers.iter().all(|(_source, other)| *other == country) => {
            Location::Agreed { country, answered: answers.len(), asked }
        }
        Some(_) => Location::Disagreed { answers, asked },
    }
}

/// The one operator that is named first. An override stands first, then the operator's own DNS
/// zone, which says more than the holder of the network does. The order of asking decides the
/// rest. What rests on public reporting alone is a possibility and names nobody.
fn operator(claims: &[Claim]) -> Option<&Operator> {
    let operators = claims.iter().filter_map(|claim| match &claim.statement {
        Statement::Operator(operator) if operator.confidence != Confidence::C => {
            Some((claim, operator))
        }
        _ => None,
    });
    let best = operators.min_by_key(|(claim, operator)| {
        let kind = match claim.source.name.as_str() {
            source_name::OVERRIDE => 0,
            source_name::CNAME_SUFFIXES => 1,
            _ => 2,
        };
        (kind, operator.confidence)
    });
    best.map(|(_claim, operator)| operator)
}

fn origin_as(claim: &Claim) -> Option<(Asn, Option<&str>)> {
    match &claim.statement {
        Statement::OriginAs { asn, name } => Some((*asn, name.as_deref())),
        _ => None,
    }
}

fn is_override(claim: &Claim) -> bool {
    claim.source.name == source_name::OVERRIDE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;
    use flow::annotation::FlagReason;
    use flow::claim::Source;
    use std::sync::Arc;

    fn claim(source: &str, statement: Statement) -> Claim {
        let source =
            Source { name: source.to_owned(), licence: String::new(), built: None, sha256: None };
        Claim { source: Arc::new(source), statement, matched: String::new() }
    }

    fn located(source: &str, country: &str) -> Claim {
        claim(source, Statement::Located(country.parse().unwrap()))
    }

    fn operated(source: &str, group: &str, country: &str, confidence: Confidence) -> Claim {
        claim(
            source,
            Statement::Operator(Operator {
                group: group.to_owned(),
                headquarters: country.parse().ok(),
                confidence,
                basis: String::new(),
                matched: String::new(),
            }),
        )
    }

    fn assessed(claims: Vec<Claim>) -> Annotation {
        let mut assessed = annotation("192.0.2.1".parse().unwrap(), claims, 2);
        assessed.flags = Policies::default().flags_of_asked(&assessed, &[], None, 2);
        assessed
    }

    #[track_caller]
    fn check_flags(claims: Vec<Claim>, expected: &[&str]) {
        let flags = assessed(claims).flags;
        let reasons: Vec<String> =
            flags.iter().flat_map(|flag| &flag.reasons).map(FlagReason::to_string).collect();
        assert_eq!(reasons, expected);
        assert!(flags.iter().all(|flag| flag.policy == "mainland-china"));
    }

    #[test]
    fn locations_agree_disagree_or_are_overridden() {
        let cn = Country::CN;
        let hk: Country = "HK".parse().unwrap();
        assert_eq!(assessed(vec![]).location, Location::Unknown);
        let one = assessed(vec![located("a", "CN")]).location;
        assert_eq!(one, Location::Agreed { country: cn, answered: 1, asked: 2 });
        let two = assessed(vec![located("a", "CN"), located("b", "CN")]).location;
        assert_eq!(two, Location::Agreed { country: cn, answered: 2, asked: 2 });
        // Two to one is a disagreement, too.
        let claims = vec![located("a", "HK"), located("b", "CN"), located("c", "HK")];
        let answers = vec![("a".to_owned(), hk), ("b".to_owned(), cn), ("c".to_owned(), hk)];
        let location = annotation("192.0.2.1".parse().unwrap(), claims, 3).location;
        assert_eq!(location, Location::Disagreed { answers, asked: 3 });
        let overridden = assessed(vec![located("override", "HK"), located("a", "CN")]);
        assert_eq!(overridden.location, Location::Overridden { country: hk });
        assert_eq!(overridden.claims.len(), 2);
    }

    #[test]
    fn flags_keep_their_reasons_apart() {
        check_flags(vec![], &[]);
        check_flags(
            vec![located("a", "CN"), located("b", "SG")],
            &["located in CN by 1 of 2 databases"],
        );
        check_flags(
            vec![located("override", "SG"), located("a", "CN")],
            &["located in CN by 1 of 2 databases"],
        );
        check_flags(
            vec![located("override", "CN"), located("a", "SG")],
            &["located in CN by the analyst's override"],
        );
        let registered = vec![
            claim("r", Statement::AddressRegistered(Country::CN)),
            claim("o", Statement::OriginAs { asn: Asn(64_500), name: None }),
            claim("i", Statement::AsRegistered(Country::CN)),
        ];
        check_flags(registered, &["address registered in CN", "AS registered in CN"]);
        let operators = vec![
            operated("operators", "Maybe", "CN", Confidence::C),
            operated("cname-suffixes", "Zone", "CN", Confidence::B),
            operated("cname-suffixes", "Zone", "CN", Confidence::B),
            operated("cname-suffixes", "Other", "US", Confidence::A),
        ];
        check_flags(
            operators,
            &[
                "operated by Zone, headquartered in CN (confidence B)",
                "possibly operated by Maybe, headquartered in CN, by public reporting",
            ],
        );
    }

    #[test]
    fn hong_kong_macao_and_taiwan_are_not_mainland_china() {
        for code in ["HK", "MO", "TW"] {
            let country: Country = code.parse().unwrap();
            let claims = vec![
                located("a", code),
                operated("operators", "Group", code, Confidence::A),
                claim("r", Statement::AddressRegistered(country)),
                claim("i", Statement::AsRegistered(country)),
            ];
            check_flags(claims, &[]);
        }
    }

    #[test]
    fn an_as_is_not_said_to_be_registered_where_another_source_s_is() {
        let origin = |source, asn| claim(source, Statement::OriginAs { asn: Asn(asn), name: None });
        let mut claims = vec![
            origin("override", 64_501),
            origin("o", 64_500),
            claim("i", Statement::AsRegistered(Country::CN)),
        ];
        assert_eq!(assessed(claims.clone()).asn, Some(Asn(64_501)));
        check_flags(claims.clone(), &["AS registered in CN"]);
        claims.push(origin("i", 64_502));
        check_flags(claims, &["AS64502 registered in CN"]);
    }

    #[track_caller]
    fn check_operator(claims: Vec<Claim>, expected: Option<&str>) {
        assert_eq!(assessed(claims).operator.map(|o| o.group).as_deref(), expected);
    }

    #[test]
    fn the_operator_named_first() {
        use Confidence::{A, B, C};
        let holder = |confidence| operated("operators", "Holder", "CN", confidence);
        let zone = |group, confidence| operated("cname-suffixes", group, "CN", confidence);
        check_operator(vec![], None);
        check_operator(vec![holder(A), zone("Zone", B)], Some("Zone"));
        check_operator(vec![holder(B), zone("Zone", C)], Some("Holder"));
        let possible = vec![holder(C), zone("Zone", C)];
        let annotation = assessed(possible.clone());
        assert_eq!(annotation.claims, possible, "a possibility stays a claim");
        let reasons = annotation.flags.iter().flat_map(|flag| &flag.reasons);
        assert!(reasons.map(FlagReason::word).all(|word| word == "possibly-operated"));
        check_operator(possible, None);
        check_operator(vec![zone("First", B), zone("Better", A)], Some("Better"));
        check_operator(vec![zone("First", B), zone("Second", B)], Some("First"));
        let corrected = operated("override", "Corrected", "", B);
        check_operator(vec![corrected, zone("Zone", A), holder(A)], Some("Corrected"));
    }
}
