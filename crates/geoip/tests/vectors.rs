//! What the bundled databases say of known addresses, through the public interface. A change here
//! means that a database was exchanged or that an answer is read in another way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use flow::address::DnsName;
use flow::annotation::{Annotation, FlagReason, Location};
use flow::claim::{Asn, Country, Statement};
use geoip::policy::Policies;
use geoip::{Config, DatabaseKind, Databases, Override};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

fn config() -> Config {
    // Kept between runs, so that the databases are unpacked once.
    let data_dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("geoip-vectors");
    Config {
        data_dir,
        set: geoip::SetChoice::Active,
        extra_mmdb: Vec::new(),
        overrides: Vec::new(),
        policies: Policies::default(),
    }
}

static BUNDLED: LazyLock<Databases> = LazyLock::new(|| Databases::open(&config()).unwrap());

fn annotate(address: &str) -> Annotation {
    BUNDLED.annotate(address.parse().unwrap(), &[], None)
}

fn names(names: &[&str]) -> Vec<DnsName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Every answer in one line: locations by source, AS, registrations, anycast, special range.
fn line(annotation: &Annotation) -> String {
    let mut words = Vec::new();
    for claim in &annotation.claims {
        let source = &claim.source.name;
        words.push(match &claim.statement {
            Statement::Located(country) => format!("{source}={country}"),
            Statement::OriginAs { asn, .. } => asn.to_string(),
            Statement::AddressRegistered(country) => format!("address:{country}"),
            Statement::AsRegistered(country) => format!("as:{country}"),
            Statement::Operator(operator) => {
                let headquarters = operator.headquarters.map(|c| c.to_string());
                format!("operator:{}", headquarters.unwrap_or_default())
            }
            Statement::Anycast => "anycast".to_owned(),
            Statement::SpecialRange(name) => format!("special:{name}"),
        });
    }
    words.join(" ")
}

#[track_caller]
fn check(address: &str, expected: &str) {
    assert_eq!(line(&annotate(address)), expected, "{address}");
}

#[test]
fn every_source_answers_for_known_addresses() {
    check("114.114.114.114", "dbip-country=CN ipfire=CN AS21859 address:CN as:US");
    check("223.5.5.5", "dbip-country=CN ipfire=CN AS45102 address:CN as:CN operator:CN");
    check("8.136.0.1", "dbip-country=CN ipfire=CN AS37963 address:SG as:CN operator:CN");
    check("119.29.29.29", "dbip-country=SG ipfire=SG AS132203 address:CN as:CN operator:CN");
    check("8.8.8.8", "dbip-country=US ipfire=US AS15169 anycast address:US as:US");
    check("202.64.0.1", "dbip-country=HK ipfire=HK AS9381 address:HK as:HK");
    check("168.95.1.1", "dbip-country=TW ipfire=TW AS3462 address:TW as:TW");
    check("202.175.3.3", "dbip-country=MO ipfire=MO AS4609 address:MO as:MO");
    check("240e::1", "dbip-country=CN ipfire=CN AS4134 address:CN as:CN operator:CN");
    check("159.138.0.1", "dbip-country=HK ipfire=CN AS136907 address:SG as:HK operator:CN");
}

#[test]
fn names_of_known_systems() {
    let annotation = annotate("114.114.114.114");
    assert_eq!(annotation.asn, Some(Asn(21_859)));
    assert!(annotation.as_name.unwrap().contains("Zenlayer"));
    assert_eq!(annotation.as_registered.unwrap().as_str(), "US");
    let tencent = annotate("119.29.29.29").operator.unwrap();
    assert!(tencent.group.contains("Tencent"), "{tencent:?}");
}

#[test]
fn agreement_and_disagreement() {
    let agreed =
        |code: &str| Location::Agreed { country: code.parse().unwrap(), answered: 2, asked: 2 };
    for (address, code) in [
        ("114.114.114.114", "CN"),
        ("8.136.0.1", "CN"),
        ("119.29.29.29", "SG"),
        ("202.64.0.1", "HK"),
        ("168.95.1.1", "TW"),
        ("202.175.3.3", "MO"),
        ("240e::1", "CN"),
    ] {
        assert_eq!(annotate(address).location, agreed(code), "{address}");
    }
    let answers = vec![
        ("dbip-country".to_owned(), "HK".parse::<Country>().unwrap()),
        ("ipfire".to_owned(), Country::CN),
    ];
    assert_eq!(annotate("159.138.0.1").location, Location::Disagreed { answers, asked: 2 });
}

#[track_caller]
fn check_flag(address: &str, names: &[DnsName], expected: &[&str]) {
    let flags = BUNDLED.annotate(address.parse().unwrap(), names, None).flags;
    let words: Vec<String> =
        flags.iter().flat_map(|flag| &flag.reasons).map(FlagReason::to_string).collect();
    assert_eq!(words, expected, "{address}");
}

#[test]
fn flags_of_known_addresses() {
    check_flag("8.8.8.8", &[], &[]);
    check_flag("202.64.0.1", &[], &[]);
    check_flag("168.95.1.1", &[], &[]);
    check_flag("202.175.3.3", &[], &[]);
    check_flag(
        "8.136.0.1",
        &[],
        &[
            "located in CN by 2 of 2 databases",
            "operated by Alibaba Cloud (mainland), headquartered in CN (confidence A)",
            "AS registered in CN",
        ],
    );
    // Operated by a group in CN on a machine in SG: both are true at once.
    check_flag(
        "119.29.29.29",
        &[],
        &[
            "operated by Tencent (international; also DNSPod 119.29.29.29), headquartered in CN \
         (confidence A)",
            "address registered in CN",
            "AS registered in CN",
        ],
    );
    check_flag(
        "8.8.8.8",
        &names(&["www.example.org", "x.dolfincdnx.com"]),
        &["operated by Baishan Cloud, headquartered in CN (confidence B)"],
    );
}

#[test]
fn a_zone_of_its_own_names_the_operator_before_the_network_does() {
    let host = names(&["app.example.org", "app.example.org.x.bsclink.cn"]);
    let annotation = BUNDLED.annotate("119.29.29.29".parse().unwrap(), &host, None);
    let operator = annotation.operator.unwrap();
    assert_eq!(
        (operator.group.as_str(), operator.matched.as_str()),
        ("Baishan Cloud", "bsclink.cn")
    );
    let reasons = &annotation.flags[0].reasons;
    assert_eq!(reasons.iter().filter(|reason| reason.word() == "operated").count(), 2);
}

#[test]
fn special_addresses_are_asked_of_no_database() {
    for (address, expected) in [
        ("10.1.2.3", "special:private"),
        ("127.0.0.1", "special:loopback"),
        ("100.64.0.1", "special:carrier-grade-nat"),
        ("203.0.113.9", "special:documentation"),
        ("255.255.255.255", "special:broadcast"),
        ("fd00::1", "special:unique-local"),
        ("::8.8.8.8", "special:ipv4-compatible"),
        ("::ffff:10.1.2.3", "special:private"),
        ("64:ff9b::10.1.2.3", "special:private"),
    ] {
        check(address, expected);
        assert_eq!(annotate(address).location, Location::Unknown);
        assert!(annotate(address).special_range.is_some());
    }
}

#[test]
fn wrapped_addresses_are_asked_as_what_they_stand_for() {
    for wrapped in ["::ffff:8.136.0.1", "64:ff9b::8.136.0.1"] {
        let annotation = annotate(wrapped);
        assert_eq!(line(&annotation), line(&annotate("8.136.0.1")), "{wrapped}");
        assert_eq!(annotation.address, wrapped.parse::<IpAddr>().unwrap());
    }
}

#[test]
fn an_override_stands_above_the_databases_and_beside_their_claims() {
    let overrides = vec![
        Override {
            network: "8.136.0.0/13".parse().unwrap(),
            country: "SG".parse().ok(),
            asn: Some(Asn(64_500)),
            operator: Some("Baishan Cloud".to_owned()),
            note: "the operator's own statement".to_owned(),
        },
        Override {
            network: "10.0.0.0/8".parse().unwrap(),
            country: Some(Country::CN),
            asn: None,
            operator: None,
            note: "the tunnel to the office".to_owned(),
        },
    ];
    let databases = Databases::open(&Config { overrides, ..config() }).unwrap();
    let annotation = databases.annotate("8.136.0.1".parse().unwrap(), &[], None);
    let said = line(&annotation);
    let claims = "override=SG AS64500 operator:CN dbip-country=CN ipfire=CN AS37963 address:SG";
    assert!(said.starts_with(claims), "{said}");
    assert_eq!(annotation.location, Location::Overridden { country: "SG".parse().unwrap() });
    assert_eq!(annotation.asn, Some(Asn(64_500)));
    assert_eq!(annotation.operator.unwrap().group, "Baishan Cloud");
    let private = databases.annotate("10.0.0.1".parse().unwrap(), &[], None);
    assert_eq!(line(&private), "override=CN special:private");
    assert_eq!(private.location, Location::Overridden { country: Country::CN });
}

#[test]
fn claims_carry_their_provenance() {
    for claim in annotate("8.136.0.1").claims {
        let source = &claim.source;
        assert!(!source.licence.is_empty(), "{source:?}");
        assert_eq!(source.built.as_ref().unwrap().len(), 10, "{source:?}");
        assert_eq!(source.sha256.as_ref().unwrap().len(), 64, "{source:?}");
        let status =
            BUNDLED.status().into_iter().find(|status| status.name == source.name).unwrap();
        assert_eq!(Some(status.sha256), source.sha256);
        assert!(!claim.matched.is_empty());
    }
}

#[test]
fn the_set_tells_what_it_consists_of() {
    let status = BUNDLED.status();
    let kinds: Vec<(&str, DatabaseKind)> =
        status.iter().map(|status| (status.name.as_str(), status.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("dbip-country", DatabaseKind::Location),
            ("ipfire", DatabaseKind::Location),
            ("rir-delegated", DatabaseKind::AddressRegistration),
            ("iptoasn-country", DatabaseKind::AsRegistration),
            ("operators", DatabaseKind::Operators),
            ("cname-suffixes", DatabaseKind::CnameSuffixes),
        ]
    );
    let notices = BUNDLED.attributions();
    assert!(notices.contains(&"IP Geolocation by DB-IP (https://db-ip.com)".to_owned()));
    assert!(notices.iter().any(|notice| notice.contains("IPFire")), "{notices:?}");
    assert_eq!(notices.len(), 2);
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&*BUNDLED);
}
