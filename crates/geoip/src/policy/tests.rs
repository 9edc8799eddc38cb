//! Policies over claims made by hand.

use super::*;
use flow::annotation::{FlagReason, Location};
use flow::claim::{Asn, Claim, Confidence, Operator, Source, Statement};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

fn claim(source: &str, statement: Statement) -> Claim {
    let source =
        Source { name: source.to_owned(), licence: String::new(), built: None, sha256: None };
    Claim { source: Arc::new(source), statement, matched: String::new() }
}

fn operated(group: &str, headquarters: Option<Country>, confidence: Confidence) -> Claim {
    let (basis, matched) = (String::new(), String::new());
    let group = group.to_owned();
    claim(
        "operators",
        Statement::Operator(Operator { group, headquarters, confidence, basis, matched }),
    )
}

/// An address of Alibaba in Singapore of which one database says CN, behind an alias.
fn annotation() -> Annotation {
    let sg: Country = "SG".parse().unwrap();
    let claims = vec![
        claim("a", Statement::Located(sg)),
        claim("b", Statement::Located(Country::CN)),
        claim("b", Statement::OriginAs { asn: Asn(45_102), name: Some("Alibaba US".into()) }),
        claim("r", Statement::AddressRegistered(sg)),
        claim("i", Statement::AsRegistered(Country::CN)),
        operated("Alibaba Cloud", Some(Country::CN), Confidence::A),
        operated("Maybe", None, Confidence::C),
    ];
    let answers = vec![("a".to_owned(), sg), ("b".to_owned(), Country::CN)];
    Annotation {
        claims,
        location: Location::Disagreed { answers, asked: 2 },
        anycast: true,
        ..Annotation::unknown("8.136.0.1".parse().unwrap())
    }
}

fn policies(when: &str) -> Policies {
    let when = when.parse().unwrap_or_else(|error: ConditionError| panic!("{when}: {error}"));
    let name = "p".parse().unwrap();
    Policies::new(vec![Policy { name, when, severity: Severity::Alarm }]).unwrap()
}

#[track_caller]
fn check(when: &str, port: Option<u16>, expected: &[&str]) {
    let names = ["www.example.com", "x.alicdn.com"].map(|name| name.parse().unwrap());
    let flags = policies(when).flags(&annotation(), &names, port);
    let reasons: Vec<String> =
        flags.iter().flat_map(|flag| &flag.reasons).map(FlagReason::to_string).collect();
    assert_eq!(reasons, expected, "{when}");
    assert!(flags.iter().all(|flag| flag.policy == "p" && flag.severity == Severity::Alarm));
}

#[test]
fn every_key_has_its_reason() {
    check("location:CN", None, &["located in CN by 1 of 2 databases"]);
    check("location:disagreed", None, &["databases disagree: a SG, b CN"]);
    check("location:agreed,unknown", None, &[]);
    check("country:CN,SG", None, &[]);
    let seat = "operated by Alibaba Cloud, headquartered in CN (confidence A)";
    check("operator-country:CN", None, &[seat]);
    check("operator:alibaba", None, &["operated by Alibaba Cloud (confidence A)"]);
    check("operator:maybe", None, &["possibly operated by Maybe, by public reporting"]);
    check("registered:SG", None, &["address registered in SG"]);
    check("as-registered:CN", None, &["AS registered in CN"]);
    check("asn:45102", None, &["announced by AS45102 Alibaba US"]);
    check("cname:alicdn.com", None, &["the chain has x.alicdn.com, within alicdn.com"]);
    check("cname:icdn.com", None, &[]);
    check("host:*.example.com", None, &["the host is www.example.com"]);
    check("host:example.com", None, &[]);
    check("address:8.0.0.0/8", None, &["the address lies in 8.0.0.0/8"]);
    check("port:8000-9000", Some(8443), &["the port is 8443"]);
    check("anycast:yes", None, &["a source marks the address as anycast"]);
    check("anycast:no", None, &[]);
}

#[test]
fn connectives_keep_the_reasons_of_all_that_holds() {
    let operated = "operated by Alibaba Cloud, headquartered in CN (confidence A)";
    let located = "located in CN by 1 of 2 databases";
    check("as-registered:CN or location:CN or host:x", None, &[located, "AS registered in CN"]);
    check("operator-country:CN location:CN", None, &[located, operated]);
    check("operator-country:CN location:HK", None, &[]);
    check("operator-country:CN not(location:HK)", None, &[operated, "not location:HK"]);
    check("not(location:CN)", None, &[]);
    check("not(not(location:CN))", None, &["not not(location:CN)"]);
}

#[test]
fn a_port_that_is_not_known_is_neither_right_nor_wrong() {
    check("port:443", None, &[]);
    check("not(port:443)", None, &[]);
    check("not(port:443)", Some(80), &["not port:443"]);
    check("not(port:443) or anycast:yes", None, &["a source marks the address as anycast"]);
    check("not(port:443 location:HK)", None, &["not port:443 location:HK"]);
}

#[test]
fn the_default_policy_in_the_filter_language() {
    let default = Policies::default();
    let [policy] = default.0.as_slice() else { panic!("{default:?}") };
    let text = "location:CN or operator-country:CN or registered:CN or as-registered:CN";
    assert_eq!(policy.when, text.parse().unwrap());
    assert_eq!(default.countries(), [Country::CN]);
    assert!(!default.by_port() && policies("not(host:x port:1)").by_port());
    let countries = policies("not(location:HK,agreed) country:DE").countries();
    assert_eq!(countries, ["DE", "HK"].map(|code| code.parse().unwrap()));
}

#[track_caller]
fn refused(when: &str, says: &[&str]) {
    let error = when.parse::<Condition>().unwrap_err();
    let shown = format!("{error}\n{}", error.hint());
    assert!(says.iter().all(|word| shown.contains(word)), "{when}: {shown}");
}

#[test]
fn what_is_not_known_of_destinations_is_refused_with_a_suggestion() {
    refused("", &["needs a condition", "location:CN"]);
    refused("location:CN status:4xx", &["\"status\"", "operator-country, operator, registered"]);
    refused("not(treatment:failed)", &["\"treatment\""]);
    refused("has:anycast", &["anycast:yes"]);
    refused("flag:mainland-china", &["others"]);
    refused("alibaba", &["operator:Alibaba"]);
    refused("confidence:A", &["possibly-operated"]);
    refused("finding:pinned", &["findings"]);
    refused("contry:CN", &["did you mean \"country\"?"]);
    refused("locaton:CN", &["did you mean \"location\"?"]);
    refused("colour:red", &["the keys of a policy are location"]);
    refused("(location:CN", &["not closed"]);
}

#[test]
fn names_are_plain_and_each_is_there_once() {
    for bad in ["", "a b", "caf\u{e9}", "a,b", &"x".repeat(65)] {
        assert!(bad.parse::<PolicyName>().is_err(), "{bad}");
    }
    let policy = |name: &str| Policy {
        name: name.parse().unwrap(),
        when: "anycast:yes".parse().unwrap(),
        severity: Severity::Info,
    };
    let twice = Policies::new(vec![policy("a"), policy("b"), policy("a")]).unwrap_err();
    assert!(twice.to_string().contains("name a"), "{twice}");
    let many = (0..=MOST_POLICIES).map(|n| policy(&format!("p{n}"))).collect();
    assert_eq!(Policies::new(many), Err(PoliciesError::TooMany));
}

/// Conditions as people write them.
fn written() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        "location:(CN|HK|agreed|disagreed|unknown)(,SG)?",
        "(country|operator-country|registered|as-registered):[A-D][F-M]",
        "operator:(\"[a-z ,:()]{1,6}\"|[a-z]{1,4}\\*?)",
        "asn:(AS)?[1-9][0-9]{0,4}",
        "cname:[a-z]{1,4}\\.[a-z]{2}",
        "host:\\*?\\.?[a-z]{1,4}",
        "address:[1-9]{1,2}\\.0\\.0\\.0/8",
        "port:(>=)?[1-9][0-9]{1,3}",
        "anycast:(yes|no)",
    ];
    term.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not({inner})")),
            vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            vec(inner, 2..4).prop_map(|parts| parts.join(" ")),
        ]
    })
}

proptest! {
    #[test]
    fn the_text_of_a_condition_reads_back_as_the_same(text in written()) {
        if let Ok(condition) = text.parse::<Condition>() {
            let again = condition.to_string();
            prop_assert_eq!(again.parse::<Condition>(), Ok(condition), "{}", again);
        }
    }

    #[test]
    fn a_condition_and_its_opposite_never_both_hold(text in written(), port: Option<u16>) {
        if let (Ok(_), Ok(_)) = (text.parse::<Condition>(), format!("not({text})").parse::<Condition>()) {
            let holds = |when: &str| !policies(when).flags(&annotation(), &[], port).is_empty();
            let both = (holds(&text), holds(&format!("not({text})")));
            prop_assert!(both != (true, true), "{text}");
            if port.is_some() {
                prop_assert!(both != (false, false), "{text}");
            }
        }
    }
}
