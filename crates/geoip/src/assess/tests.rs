//! Facts in, sentences out. The dispute that the crate must be able to settle is replayed here with
//! each of its turns.

use super::{About, AddressFacts, Cited, Facts, Opinion, Sighting, assess, sentences};
use crate::Shapes;
use flow::annotation::{Annotation, Location};
use flow::assessment::{
    Answer, Assessment, Caveat, Contact, ContentLevel, KeyStanding, LocationLevel, MeasuredFrom,
    NoStatement, OperatorLevel, PlacedBy, Probe, ProbedWhen, RoundTrips, Samples, Statement,
    Supported, Word,
};
use flow::claim::{Asn, Claim, Confidence, Country, Operator, Source};
use flow::id::RecordSeq;
use flow::physics::{ExclusionStrength, LandKind, Vantage};
use flow::time::WallNanos;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::bundled().unwrap().1);

fn country(code: &str) -> Country {
    code.parse().unwrap()
}

fn source(name: &str) -> Arc<Source> {
    let name = name.to_owned();
    Arc::new(Source {
        name,
        licence: String::new(),
        built: Some("2026-08-22".into()),
        sha256: None,
    })
}

fn claim(name: &str, statement: flow::claim::Statement) -> Claim {
    Claim { source: source(name), statement, matched: "203.0.113.0/24".to_owned() }
}

/// An address that two databases place in `located`, run by Baishan Cloud.
fn edge(address: &str, located: &str) -> Annotation {
    let located = country(located);
    let operator = Operator {
        group: "Baishan Cloud".to_owned(),
        headquarters: Some(Country::CN),
        confidence: Confidence::B,
        basis: "public routing-rule lists that name the operator".to_owned(),
        matched: "bsgslb.com".to_owned(),
    };
    let claims = vec![
        claim("dbip-country", flow::claim::Statement::Located(located)),
        claim("ipfire", flow::claim::Statement::Located(located)),
        claim("registry", flow::claim::Statement::AddressRegistered(country("US"))),
        claim("cname-suffixes", flow::claim::Statement::Operator(operator.clone())),
    ];
    Annotation {
        claims,
        location: Location::Agreed { country: located, answered: 2, asked: 2 },
        asn: Some(Asn(64_500)),
        operator: Some(operator),
        address_registered: Some(country("US")),
        ..Annotation::unknown(address.parse().unwrap())
    }
}

fn address(annotation: Annotation, record: u64) -> AddressFacts {
    AddressFacts {
        annotation: Arc::new(annotation),
        records: vec![RecordSeq(record), RecordSeq(record + 1)],
        later: Vec::new(),
        looked_up: true,
        round_trips: Vec::new(),
    }
}

fn measured(latitude: f64, longitude: f64, millis: u64, count: u64) -> RoundTrips {
    let vantage = Vantage::new(latitude, longitude, 10.0).unwrap();
    RoundTrips {
        from: MeasuredFrom::Here(vantage),
        signature: Some(Samples { least: Duration::from_millis(millis), count }),
        connect: Some(Samples { least: Duration::from_millis(millis), count }),
        kernel: None,
        records: vec![RecordSeq(30)],
    }
}

fn from_singapore(millis: u64) -> RoundTrips {
    measured(1.3521, 103.8198, millis, 3)
}

fn from_sydney(millis: u64) -> RoundTrips {
    measured(-33.8688, 151.2093, millis, 3)
}

/// The host of the dispute of 2022, as far as anybody knew.
fn dispute(round_trips: Vec<RoundTrips>) -> Facts {
    let statement =
        |text: &str, says: &str| Statement { text: text.to_owned(), says: says.parse().unwrap() };
    Facts {
        host: "cdn.example.com".parse().unwrap(),
        contact: Some(Supported { level: Contact::PlaintextSeen, records: vec![RecordSeq(9)] }),
        content: Some(Supported { level: ContentLevel::Decoded, records: vec![RecordSeq(9)] }),
        aliases: vec![Cited {
            value: "cdn.example.com.bsgslb.com".parse().unwrap(),
            records: vec![RecordSeq(4)],
        }],
        addresses: vec![AddressFacts { round_trips, ..address(edge("203.0.113.7", "SG"), 6) }],
        not_asked: 0,
        sightings: Vec::new(),
        no_statement: None,
        resolved_by_proxy: true,
        simulated: false,
        statements: vec![
            statement("run by Guizhou Baishan Cloud", "operator:Baishan Cloud"),
            statement("the IP address is in Singapore", "located:SG"),
            statement("a server connection to mainland China", "located:CN"),
        ],
        asked_about: vec![Country::CN],
    }
}

fn answers(assessment: &Assessment) -> Vec<(Answer, Option<&'static str>)> {
    assessment.answers.iter().map(|answered| (answered.answer, answered.level)).collect()
}

fn excludes(assessment: &Assessment, excluded: Country) -> bool {
    let names =
        |word: &Word| matches!(word, Word::PhysicsExcludes { country, .. } if *country == excluded);
    assessment.words.iter().any(names)
}

#[track_caller]
fn says(assessment: &Assessment, text: &str) {
    let texts: Vec<String> = sentences(assessment).into_iter().map(|s| s.text).collect();
    assert!(texts.iter().any(|sentence| sentence.contains(text)), "{text}: {texts:#?}");
}

#[track_caller]
fn says_not(assessment: &Assessment, text: &str) {
    let texts: Vec<String> = sentences(assessment).into_iter().map(|s| s.text).collect();
    assert!(!texts.iter().any(|sentence| sentence.contains(text)), "{text}: {texts:#?}");
}

#[test]
fn measured_from_singapore_both_statements_of_2022_hold_and_mainland_china_is_excluded() {
    let assessment = assess(&dispute(vec![from_singapore(4)]), &SHAPES);
    assert_eq!(assessment.operator.as_ref().unwrap().level, OperatorLevel::Curated);
    assert_eq!(assessment.location.as_ref().unwrap().level, LocationLevel::AllDatabases);
    assert!(assessment.words.contains(&Word::OperatedFromElsewhere {
        group: "Baishan Cloud".to_owned(),
        headquarters: Country::CN,
        confidence: Confidence::B,
        located: country("SG"),
    }));
    assert!(excludes(&assessment, Country::CN));
    let excluded = |e: &&flow::assessment::CountryExclusion| e.exclusion.country == Country::CN;
    let china = assessment.exclusions.iter().find(excluded).unwrap();
    assert_eq!(china.exclusion.strength, ExclusionStrength::PhysicallyImpossible);
    let LandKind::Territory(nearest) = &china.exclusion.nearest.lies_on else { panic!() };
    assert!(nearest.contains("Spratly"), "{nearest}");
    let supports_o2 = (Answer::Supports, Some("O2"));
    let supports_g2 = (Answer::Supports, Some("G2"));
    let refuted = (Answer::Contradicts, Some("physics"));
    assert_eq!(answers(&assessment), [supports_o2, supports_g2, refuted]);
    says(&assessment, "operated by Baishan Cloud (confidence B), a group headquartered in CN");
    says(&assessment, "located in SG according to 2 of 2 databases");
    says(&assessment, "CN is physically impossible: a verified signature took 4.0 ms at least");
    says(&assessment, "and of nothing behind it");
    assert!(assessment.deciding.is_empty(), "it is decided");
}

#[test]
fn measured_from_sydney_nobody_can_tell() {
    let assessment = assess(&dispute(vec![from_sydney(95)]), &SHAPES);
    assert!(!excludes(&assessment, Country::CN));
    says(&assessment, "cannot tell whether it is in CN");
    says_not(&assessment, "impossible");
    let supports = |level| (Answer::Supports, Some(level));
    // Both databases say another country: a contradiction at their level, and no more than that.
    let contradicts = (Answer::Contradicts, Some("G2"));
    assert_eq!(answers(&assessment), [supports("O2"), supports("G2"), contradicts]);
    says(&assessment, "a signature would exclude CN from Singapore under");
}

#[test]
fn nothing_but_enough_signatures_may_refute() {
    let silent = |round_trips: RoundTrips, why: NoStatement| {
        let assessment = assess(&dispute(vec![round_trips]), &SHAPES);
        assert!(assessment.exclusions.is_empty());
        assert!(assessment.caveats.contains(&Caveat::NoPhysics(why)), "{:?}", assessment.caveats);
    };
    silent(measured(1.35, 103.8, 4, 2), NoStatement::TooFewSamples(2));
    silent(RoundTrips { signature: None, ..from_singapore(4) }, NoStatement::NotMeasured);
    let tunnelled = Facts {
        no_statement: Some(NoStatement::Tunnel("wg0".to_owned())),
        ..dispute(vec![from_singapore(4)])
    };
    let assessment = assess(&tunnelled, &SHAPES);
    assert!(assessment.exclusions.is_empty());
    says(&assessment, "the default route leads into a tunnel (wg0)");
}

#[test]
fn an_imported_probe_speaks_also_where_this_machine_cannot() {
    let vantage = Vantage::new(1.3521, 103.8198, 10.0).unwrap();
    let from = probe(vantage);
    let facts = Facts {
        no_statement: Some(NoStatement::NoVantage),
        ..dispute(vec![RoundTrips { from, ..from_singapore(4) }])
    };
    let assessment = assess(&facts, &SHAPES);
    assert!(excludes(&assessment, Country::CN));
    says(
        &assessment,
        "from sg-1 at 1.3521, 103.8198 (within 10 km), by the probe in review record 3",
    );
    says(&assessment, "signed with the key a2V5, which is not known to be anybody's");
    let of_record = |about| {
        let all = sentences(&assessment);
        all.into_iter().filter(|s| s.about == about && s.reviewed == [RecordSeq(3)]).count()
    };
    assert_eq!((of_record(About::Exclusion), of_record(About::Caveat)), (3, 1));
}

/// One that may speak, made while the session saw the address.
fn probe(vantage: Vantage) -> MeasuredFrom {
    MeasuredFrom::Probe(Arc::new(Probe {
        name: Some("sg-1".to_owned()),
        vantage,
        key: "a2V5".to_owned(),
        standing: KeyStanding::Unknown,
        record: RecordSeq(3),
        when: ProbedWhen::Meanwhile,
        silence: None,
    }))
}

/// The dispute with a probe from Singapore alone, of which something is changed.
fn probed(change: impl Fn(&mut Probe)) -> Facts {
    let MeasuredFrom::Probe(mut source) = probe(Vantage::new(1.3521, 103.8198, 10.0).unwrap())
    else {
        panic!()
    };
    change(Arc::make_mut(&mut source));
    dispute(vec![RoundTrips { from: MeasuredFrom::Probe(source), ..from_singapore(4) }])
}

#[test]
fn a_probe_that_may_not_speak_excludes_nothing_and_says_why() {
    let check = |facts: &Facts, why: &str| {
        let assessment = assess(facts, &SHAPES);
        assert!(assessment.exclusions.is_empty());
        says(
            &assessment,
            &format!("the probe in review record 3 says nothing of 203.0.113.7: {why}"),
        );
        says(&assessment, "round-trip times make no statement: no server signature");
    };
    let tunnel = NoStatement::Tunnel("wg0".to_owned());
    check(&probed(|probe| probe.silence = Some(tunnel.clone())), "the default route leads");
    let mut few = probed(|_probe| {});
    few.addresses[0].round_trips[0].signature =
        Some(Samples { least: Duration::from_millis(4), count: 2 });
    check(&few, "2 of at least 3 samples");
    few.addresses[0].round_trips[0].signature = None;
    check(&few, "no server signature under a publicly trusted chain was timed");
    let mut anycast = probed(|_probe| {});
    let annotation = Annotation { anycast: true, ..edge("203.0.113.7", "SG") };
    anycast.addresses[0].annotation = Arc::new(annotation);
    check(&anycast, "the address is anycast");
}

#[test]
fn a_probe_long_before_or_after_says_so() {
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    let after = assess(&probed(|probe| probe.when = ProbedWhen::After(days(9))), &SHAPES);
    says(&after, "review record 3 was made 9 days after the session last saw 203.0.113.7");
    let before = assess(&probed(|probe| probe.when = ProbedWhen::Before(days(1))), &SHAPES);
    says_not(&before, "was made");
}

#[test]
fn one_address_that_answers_at_once_at_both_ends_of_the_earth_is_several_machines() {
    let facts = |millis| {
        let mut facts = dispute(vec![from_sydney(millis)]);
        facts.addresses[0].round_trips.extend(probed(|_probe| {}).addresses.remove(0).round_trips);
        facts
    };
    // Sydney and Singapore are 6,300 km apart: light takes 42 ms there and back.
    let one = assess(&facts(95), &SHAPES);
    assert!(excludes(&one, Country::CN), "of one machine both times may be");
    let several = assess(&facts(20), &SHAPES);
    says(&several, "says nothing of 203.0.113.7: no one machine can have answered so soon");
    assert!(several.exclusions.iter().all(|e| matches!(e.from, MeasuredFrom::Here(_))));
    assert!(excludes(&several, Country::CN), "what the session itself reached is near Sydney");
}

#[test]
fn the_session_and_a_probe_bound_an_address_together() {
    let mut facts = dispute(vec![from_singapore(4)]);
    let kuala_lumpur = Vantage::new(3.139, 101.6869, 10.0).unwrap();
    let imported =
        RoundTrips { from: probe(kuala_lumpur), records: Vec::new(), ..from_singapore(6) };
    facts.addresses[0].round_trips.push(imported);
    let location = assess(&facts, &SHAPES).location.unwrap();
    assert_eq!(location.level, LocationLevel::Bounded);
    assert!(location.records.contains(&RecordSeq(30)) && !location.records.contains(&RecordSeq(3)));
}

#[test]
fn two_vantages_that_leave_one_country_bound_it() {
    let mut facts = dispute(vec![from_singapore(4)]);
    assert_eq!(assess(&facts, &SHAPES).location.unwrap().level, LocationLevel::AllDatabases);
    let kuala_lumpur = measured(3.139, 101.6869, 6, 3);
    facts.addresses[0].round_trips.push(kuala_lumpur);
    let location = assess(&facts, &SHAPES).location.unwrap();
    assert_eq!(location.level, LocationLevel::Bounded);
    assert!(location.records.contains(&RecordSeq(30)));
}

#[test]
fn what_is_refuted_for_one_address_only_is_not_refuted() {
    let mut facts = dispute(vec![from_singapore(4)]);
    facts.addresses.push(address(edge("203.0.113.8", "SG"), 12));
    let assessment = assess(&facts, &SHAPES);
    assert!(!excludes(&assessment, Country::CN));
    assert_eq!(answers(&assessment)[2], (Answer::Contradicts, Some("G2")));
}

#[test]
fn databases_that_disagree_settle_nothing() {
    let mut annotation = edge("203.0.113.7", "SG");
    let answers_given = vec![("a".to_owned(), country("SG")), ("b".to_owned(), Country::CN)];
    annotation.location = Location::Disagreed { answers: answers_given, asked: 2 };
    let facts = Facts { addresses: vec![address(annotation, 6)], ..dispute(Vec::new()) };
    let assessment = assess(&facts, &SHAPES);
    assert!(assessment.words.contains(&Word::DatabasesDisagree));
    assert_eq!(answers(&assessment)[1], (Answer::CannotTell, None));
    assert_eq!(answers(&assessment)[2], (Answer::CannotTell, None));
    says(
        &assessment,
        "cannot tell \u{201c}the IP address is in Singapore\u{201d}: databases disagree",
    );
}

#[test]
fn anycast_and_several_countries_are_not_determinable() {
    let anycast = Annotation { anycast: true, ..edge("203.0.113.7", "SG") };
    let facts = Facts { addresses: vec![address(anycast, 6)], ..dispute(Vec::new()) };
    let assessment = assess(&facts, &SHAPES);
    assert!(assessment.words.contains(&Word::NotDeterminableAnycast));
    assert_eq!(answers(&assessment)[1].0, Answer::CannotTell);
    let both = vec![address(edge("203.0.113.7", "SG"), 6), address(edge("198.51.100.7", "US"), 8)];
    let facts = Facts { addresses: both, ..dispute(Vec::new()) };
    let assessment = assess(&facts, &SHAPES);
    let countries = vec![country("SG"), country("US")];
    assert!(assessment.words.contains(&Word::NotDeterminableEdge(countries)));
    says(&assessment, "databases place its addresses in SG and US");
}

#[test]
fn a_later_opinion_stands_beside_the_first() {
    let mut facts = dispute(Vec::new());
    facts.addresses[0].later.push(Opinion {
        annotation: Arc::new(edge("203.0.113.7", "CN")),
        records: vec![RecordSeq(50)],
    });
    let assessment = assess(&facts, &SHAPES);
    assert!(assessment.words.contains(&Word::PlacedElsewhereLater));
    let by = PlacedBy::Databases { answered: 2, asked: 2 };
    let first = Word::LocatedIn { country: country("SG"), by };
    assert!(assessment.words.contains(&first), "the first one holds");
    says(&assessment, "203.0.113.7: databases of 2026-08-22 later said CN, not SG");
}

#[test]
fn a_later_opinion_that_says_the_same_says_nothing_and_each_change_is_said_apart() {
    let check = |change: fn(&mut Annotation), expected: &[&str]| {
        let mut facts = dispute(Vec::new());
        let mut annotation = (*facts.addresses[0].annotation).clone();
        change(&mut annotation);
        let annotation = Arc::new(annotation);
        facts.addresses[0].later.push(Opinion { annotation, records: Vec::new() });
        let said: Vec<String> = sentences(&assess(&facts, &SHAPES))
            .into_iter()
            .filter_map(|said| Some(said.text.split_once(" later said ")?.1.to_owned()))
            .collect();
        assert_eq!(said, expected);
    };
    check(|_| {}, &[]);
    check(|annotation| annotation.location = Location::Unknown, &["nothing, not SG"]);
    check(|annotation| annotation.operator = None, &["operator nothing, not Baishan Cloud (CN)"]);
    check(
        |annotation| {
            annotation.address_registered = Some(country("HK"));
            annotation.as_registered = Some(country("MO"));
        },
        &["address registered in HK, not US", "AS registered in MO, not nothing"],
    );
}

fn sighting(first: u64, last: u64, places: &[&str]) -> Sighting {
    let second = |seconds| WallNanos(seconds * 1_000_000_000);
    let at = |place: &&str| Arc::new(edge("203.0.113.7", place));
    Sighting {
        first: second(first),
        last: second(last),
        annotations: places.iter().map(at).collect(),
        records: vec![RecordSeq(first)],
    }
}

#[test]
fn a_host_whose_addresses_were_one_after_the_other_in_two_countries_moved() {
    let check = |sightings: Vec<Sighting>, expected: Option<&str>| {
        let assessment = assess(&Facts { sightings, ..dispute(Vec::new()) }, &SHAPES);
        let said = sentences(&assessment).into_iter().find(|s| s.text.contains("changed"));
        let records = said.as_ref().map_or(0, |said| said.records.len());
        let said = said.map(|said| said.text);
        let begin = "the location changed, by databases: ";
        assert_eq!(said, expected.map(|text| format!("{begin}{text}")));
        assert_eq!(records > 0, expected.is_some());
    };
    let [sg, cn] = [["SG"].as_slice(), &["CN"]];
    check(vec![sighting(0, 5, sg), sighting(6, 6, sg)], None);
    check(
        vec![sighting(7, 7, cn), sighting(0, 5, sg)],
        Some("SG until 1970-01-01 00:00:05 UTC, CN from 1970-01-01 00:00:07 UTC"),
    );
    check(
        vec![sighting(0, 0, sg), sighting(1, 2, cn), sighting(3, 3, cn), sighting(4, 4, sg)],
        Some(
            "SG until 1970-01-01 00:00:00 UTC, CN from 1970-01-01 00:00:01 UTC until 1970-01-01 \
             00:00:03 UTC, SG from 1970-01-01 00:00:04 UTC",
        ),
    );
    // Both at the same time: several places, not one after the other.
    check(vec![sighting(0, 5, sg), sighting(2, 3, cn)], None);
    check(vec![sighting(0, 5, &["SG", "CN"]), sighting(6, 7, &["CN", "SG"])], None);
    check(
        vec![sighting(0, 5, sg), sighting(6, 7, &["SG", "CN"])],
        Some("SG until 1970-01-01 00:00:05 UTC, CN and SG from 1970-01-01 00:00:06 UTC"),
    );
    // What databases do not agree about, and what is everywhere, moves nothing.
    let mut disputed = sighting(6, 7, cn);
    Arc::make_mut(&mut disputed.annotations[0]).location = Location::Unknown;
    let mut anycast = sighting(8, 9, cn);
    Arc::make_mut(&mut anycast.annotations[0]).anycast = true;
    check(vec![sighting(0, 5, sg), disputed, anycast, sighting(10, 10, sg)], None);
    let often = (0..20).map(|at| sighting(at, at, if at % 2 == 0 { sg } else { cn })).collect();
    let assessment = assess(&Facts { sightings: often, ..dispute(Vec::new()) }, &SHAPES);
    says(&assessment, "and 12 more, CN from 1970-01-01 00:00:19 UTC");
}

#[test]
fn what_rests_on_public_reporting_alone_names_nobody() {
    let mut annotation = edge("203.0.113.7", "SG");
    let possible = Operator { confidence: Confidence::C, ..annotation.operator.take().unwrap() };
    annotation.claims.retain(|c| !matches!(c.statement, flow::claim::Statement::Operator(_)));
    let by_reporting = flow::claim::Statement::Operator(possible);
    annotation.claims.push(claim("operators", by_reporting));
    let facts = Facts { addresses: vec![address(annotation, 6)], ..dispute(Vec::new()) };
    let assessment = assess(&facts, &SHAPES);
    assert_eq!(assessment.operator.as_ref().unwrap().level, OperatorLevel::OriginAs);
    assert_eq!(answers(&assessment)[0].0, Answer::CannotTell);
    says(&assessment, "possibly Baishan Cloud, by public reporting alone");
}

#[test]
fn a_long_tls_time_beside_a_short_tcp_time_may_be_a_middlebox() {
    let connect = Some(Samples { least: Duration::from_millis(2), count: 3 });
    let round_trips = RoundTrips { connect, ..from_singapore(90) };
    says(&assess(&dispute(vec![round_trips]), &SHAPES), "possibly a middlebox");
    says_not(&assess(&dispute(vec![from_singapore(90)]), &SHAPES), "middlebox");
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let facts = dispute(vec![from_singapore(4), from_sydney(95)]);
    let first = assess(&facts, &SHAPES);
    assert_eq!(format!("{first:?}"), format!("{:?}", assess(&facts, &SHAPES)));
    assert_eq!(sentences(&first), sentences(&assess(&facts, &SHAPES)));
}

#[test]
fn a_host_of_which_nothing_is_known_gets_no_sentence_that_says_more() {
    let facts = Facts {
        addresses: Vec::new(),
        aliases: Vec::new(),
        contact: None,
        content: None,
        statements: Vec::new(),
        ..dispute(Vec::new())
    };
    let assessment = assess(&facts, &SHAPES);
    assert_eq!(assessment.operator.unwrap().level, OperatorLevel::NameHint);
    assert_eq!((assessment.location, assessment.words), (None, Vec::new()));
}

#[test]
fn one_known_operator_of_several_addresses_supports_nothing() {
    let unknown = Annotation { operator: None, asn: None, ..edge("203.0.113.8", "SG") };
    let mut facts = dispute(Vec::new());
    facts.addresses.push(address(unknown, 12));
    let assessment = assess(&facts, &SHAPES);
    assert_eq!(assessment.operator.as_ref().unwrap().level, OperatorLevel::NameHint);
    assert_eq!(answers(&assessment)[0], (Answer::CannotTell, None));
}

#[test]
fn an_operator_of_unknown_seat_contradicts_another_group_and_tells_no_country() {
    let mut annotation = edge("203.0.113.7", "SG");
    if let Some(operator) = &mut annotation.operator {
        (operator.group, operator.headquarters) = ("Another".to_owned(), None);
    }
    let mut facts = Facts { addresses: vec![address(annotation, 6)], ..dispute(Vec::new()) };
    facts.statements[1].says = "operator-country:CN".parse().unwrap();
    let assessment = assess(&facts, &SHAPES);
    assert_eq!(answers(&assessment)[0], (Answer::Contradicts, Some("O2")));
    assert_eq!(answers(&assessment)[1], (Answer::CannotTell, None));
}

#[test]
fn an_address_that_was_not_asked_about_leaves_nothing_to_say_of_the_whole() {
    let facts = Facts { not_asked: 1, ..dispute(vec![from_singapore(4)]) };
    let assessment = assess(&facts, &SHAPES);
    assert_eq!((&assessment.location, &assessment.words[..]), (&None, &[][..]));
    assert!(answers(&assessment).iter().all(|(answer, _)| *answer == Answer::CannotTell));
    says(&assessment, "databases were not asked about 1 of its addresses");
}

#[test]
fn the_weakest_of_the_exclusions_speaks_for_all_addresses() {
    let mut facts = dispute(vec![from_singapore(4)]);
    let round_trips = vec![RoundTrips { records: vec![RecordSeq(31)], ..from_singapore(10) }];
    let second = AddressFacts { round_trips, ..address(edge("203.0.113.8", "SG"), 12) };
    facts.addresses.push(second);
    let assessment = assess(&facts, &SHAPES);
    let strength = ExclusionStrength::NotOverFibre;
    let word = Word::PhysicsExcludes { country: Country::CN, strength };
    assert!(assessment.words.contains(&word), "{:?}", assessment.words);
    says(&assessment, "physics excludes CN, over ordinary silica fibre");
    let answered = &assessment.answers[2];
    assert_eq!(answered.records, [RecordSeq(30), RecordSeq(31)]);
    assert!(answered.why.starts_with("203.0.113.8: CN is not possible over ordinary"));
}

#[test]
fn one_place_measured_twice_is_one_vantage_point() {
    let near = measured(1.40, 103.85, 4, 3);
    let facts = dispute(vec![from_singapore(4), near]);
    assert_eq!(assess(&facts, &SHAPES).location.unwrap().level, LocationLevel::AllDatabases);
}

#[test]
fn the_analysts_own_correction_answers_nobodys_statement() {
    let location = Location::Overridden { country: country("SG") };
    let annotation = Annotation { location, ..edge("203.0.113.7", "SG") };
    let facts = Facts { addresses: vec![address(annotation, 6)], ..dispute(Vec::new()) };
    let assessment = assess(&facts, &SHAPES);
    assert_eq!(answers(&assessment)[1], (Answer::CannotTell, None));
    says(&assessment, "located in SG by the analyst's override");
}
